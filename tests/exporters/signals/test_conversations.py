"""The memory of what accounts have sent, against a simple model of it, and its bounds."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from events.batch import Detection, Text
from exporters.signals.conversations import Conversations, LateAnswer, Sent
from runtime.state_file import decode, encode

SEED = 7
Key = tuple[str, str]


def sent(texts: list[Key], time: float, *, who: str = "alice", call: int = 0, **more: Any) -> Sent:
    options = {"began": time, "replied": True, "answered": True} | more
    return Sent(who, call or int(time), time=time, texts=[Text(0, *text) for text in texts], **options)


def hits(attempt: Sent, rule: str = "rule") -> list[Detection]:
    """A rule that matches every text with an exclamation mark."""
    texts = tuple(text for text in attempt.texts if "!" in text.text)
    return [Detection(0, "jailbreak", rule, "high", texts)] if texts else []


# ------------------------------------------------------------------------------------------------ the model
@dataclass
class Model:
    """The same in few words: no hash, no bound, no end."""

    often: dict[tuple[str, Key], int] = field(default_factory=dict)
    unanswered: dict[tuple[str, Key], float] = field(default_factory=dict)
    replies: dict[tuple[str, tuple[Key, ...]], list[float]] = field(default_factory=lambda: defaultdict(list))
    last: dict[tuple[str, tuple[Key, ...]], int] = field(default_factory=dict)

    def see(self, attempt: Sent) -> tuple[bool, float | None]:
        """Whether the attempt counts, and if not, when it was counted that is answered only now."""
        texts = [(text.channel, text.text) for text in attempt.texts if text.channel != "output"]
        turn: list[Key] = []
        for text in texts:
            if text[0] in ("assistant", "tool"):
                turn = []
            elif text[0] == "user":
                turn.append(text)
        request = (attempt.who, tuple(texts))
        again = any(attempt.began > reply for reply in self.replies[request]) and self.last[request] != attempt.call
        found, late = False, []
        for key in dict.fromkeys(texts):
            name = (attempt.who, key)
            if "!" not in key[1]:
                continue
            more = turn and key == turn[-1] and texts.count(key) > self.often.get(name, 0)
            if name not in self.often or (key in turn and (again or more)):
                found = True
                self.often[name] = texts.count(key)
                self.unanswered.pop(name, None)
                if not attempt.answered:
                    self.unanswered[name] = attempt.time
                continue
            self.often[name] = max(self.often[name], texts.count(key))
            if attempt.answered and name in self.unanswered:
                late.append(self.unanswered.pop(name))
        if any("!" in text for _, text in turn):
            self.last[request] = attempt.call
            if attempt.replied:
                self.replies[request].append(attempt.time)
        return found, None if found or not late else max(late)


WORDS = st.sampled_from(["a", "b", "c!", "d!", "e! f"])
RESULTS = st.sampled_from([(True, True), (True, False), (False, False)])


@dataclass
class Chat:
    who: str
    turns: list[Key]


@st.composite
def traffic(draw: st.DrawFn) -> list[Sent]:
    """Conversations that go on, branch, are edited and cut, with requests that are tried again."""
    chats = [Chat(who, [("system", draw(WORDS))]) for who in ("alice", "alice", "bob")]
    attempts: list[Sent] = []
    time = 0.0
    for number in range(draw(st.integers(1, 25))):
        chat = draw(st.sampled_from(chats))
        match draw(st.sampled_from(["ask", "ask", "tool", "retry", "branch", "edit", "cut"])):
            case "ask":
                chat.turns = [*chat.turns, ("user", draw(WORDS))]
            case "tool":
                chat.turns = [*chat.turns, ("tool", draw(WORDS))]
            case "branch":
                chat.turns = [*chat.turns[: draw(st.integers(1, len(chat.turns)))], ("user", draw(WORDS))]
            case "edit":
                place = draw(st.integers(0, len(chat.turns) - 1))
                chat.turns = [*chat.turns]
                chat.turns[place] = (chat.turns[place][0], draw(WORDS))
            case "cut":
                chat.turns = chat.turns[draw(st.integers(0, len(chat.turns) - 1)) :]
            case _:
                pass
        time += draw(st.sampled_from([0.0, 1.0, 5.0]))
        replied, answered = draw(RESULTS)
        call = draw(st.sampled_from([number + 1, max(number, 1)]))
        began = time - draw(st.sampled_from([0.0, 0.5, 6.0]))
        texts = [*chat.turns, ("output", "!")] if answered and draw(st.booleans()) else chat.turns
        attempts.append(sent(texts, time, who=chat.who, call=call, began=began, replied=replied, answered=answered))
        if answered:
            chat.turns = [*chat.turns, ("assistant", draw(WORDS))]
    return attempts


def news(memory: Conversations, attempt: Sent) -> tuple[bool, float | None]:
    asked = Sent(**{name: getattr(attempt, name) for name in Sent.__slots__} | {"texts": [*_asked(attempt)]})
    fresh, late = memory.see(attempt, hits(asked), attempt.time)
    return bool(fresh), late[0].since if late else None


def _asked(attempt: Sent) -> list[Text]:
    return [text for text in attempt.texts if text.channel != "output"]


@given(traffic(), st.sets(st.integers(0, 24)))
@settings(max_examples=200, deadline=None)
def test_it_counts_what_a_simple_model_counts_restarts_or_not(attempts: list[Sent], restarts: set[int]) -> None:
    memory, model = Conversations(SEED), Model()
    for number, attempt in enumerate(attempts):
        assert news(memory, attempt) == model.see(attempt), number
        if number in restarts:
            saved = decode(encode({"memory": memory.save()}))["memory"]
            memory = Conversations(SEED)
            memory.load(saved)


@given(traffic(), st.integers(0, 24), st.integers(0, 24))
@settings(max_examples=50, deadline=None)
def test_what_is_read_again_after_a_kill_gives_the_same(attempts: list[Sent], saved_at: int, killed_at: int) -> None:
    """The state is of some moment; everything after it is read again, once more or for the first time."""
    whole, killed = Conversations(SEED), Conversations(SEED)
    expected = [news(whole, attempt) for attempt in attempts]
    saved_at = min(saved_at, len(attempts))
    for attempt in attempts[:saved_at]:
        news(killed, attempt)
    saved = decode(encode({"memory": killed.save()}))["memory"]
    for attempt in attempts[saved_at : max(saved_at, killed_at)]:
        news(killed, attempt)  # counted, and lost with the process
    again = Conversations(SEED)
    again.load(saved)
    assert [news(again, attempt) for attempt in attempts[saved_at:]] == expected[saved_at:]
    assert {name: values.tolist() for name, values in again.save().items()} == {
        name: values.tolist() for name, values in whole.save().items()
    }


# ------------------------------------------------------------------------------------------------ bounds
def test_an_account_is_forgotten_from_its_oldest_text_on() -> None:
    memory = Conversations(SEED, each=4)
    for number in range(6):
        memory.see(one := sent([("tool", f"{number}!")], number + 1.0), hits(one), 0.0)
    assert (len(memory), memory.take_evicted(), memory.take_evicted()) == (4, 2, 0)
    again = [sent([("tool", f"{number}!")], 9.0) for number in (5, 2, 1)]
    assert [bool(memory.see(one, hits(one), 0.0)[0]) for one in again] == [False, False, True]


def test_who_sent_nothing_for_longest_makes_room_for_others() -> None:
    memory = Conversations(SEED, most=10)
    for number in range(30):
        for who in ("busy", f"new-{number}"):
            memory.see(one := sent([("tool", f"{who}!")], number + 1.0, who=who), hits(one), float(number))
    assert len(memory) <= 10
    one = sent([("tool", "busy!")], 99.0, who="busy")
    assert memory.see(one, hits(one), 99.0)[0] == []
    assert memory.take_evicted() == 31 - len(memory)


def test_one_account_with_many_texts_does_not_push_others_out() -> None:
    memory = Conversations(SEED, each=8, most=12)
    memory.see(first := sent([("tool", "kept!")], 1.0, who="bob"), hits(first), 1.0)
    for number in range(100):
        memory.see(one := sent([("tool", f"{number}!")], 2.0, who="flood"), hits(one), 2.0)
    assert memory.see(first, hits(first), 3.0)[0] == []


def test_an_account_that_sends_nothing_any_more_is_forgotten() -> None:
    memory = Conversations(SEED, retention=100.0)
    memory.see(one := sent([("tool", "x!")], 1.0), hits(one), 1000.0)
    memory.expire(1100.0)
    assert len(memory) == 1
    memory.expire(1101.0)
    assert (len(memory), memory.take_evicted()) == (0, 0)


def test_the_work_for_a_long_history_is_one_hash_for_each_text_that_a_rule_matches() -> None:
    memory = Conversations(SEED)
    texts = [("user" if number % 2 else "assistant", f"text {number}") for number in range(10_000)]
    texts[1] = ("user", "attack!")
    for turn in range(3):
        memory.see(one := sent([*texts, ("user", f"turn {turn}")], turn + 1.0), hits(one), 1.0)
    assert len(memory) == 1


# ------------------------------------------------------------------------------------------------ hashes
def test_texts_do_not_run_together() -> None:
    """Neither channels and texts nor the texts of a request can be cut in another way to the same hash."""
    memory = Conversations(SEED)
    for texts in (
        [("user", "a!"), ("user", "b")],
        [("user", "a!b")],
        [("tool", "a!")],
        [("system", "a!")],
        [("user", "a!"), ("system", "user"), ("user", "b!")],
    ):
        one = sent(texts, 5.0)
        assert memory.see(one, hits(one), 0.0)[0], texts


def test_requests_do_not_run_together() -> None:
    """The second request is another one, so it does not ask again what the first one asked."""
    memory = Conversations(SEED)
    first = sent([("system", "a"), ("system", "b"), ("user", "x!")], 5.0)
    other = sent([("system", "asystemb"), ("user", "x!")], 9.0)
    assert memory.see(first, hits(first), 0.0)[0]
    assert memory.see(other, hits(other), 0.0)[0] == []
    again = sent([("system", "a"), ("system", "b"), ("user", "x!")], 13.0)
    assert memory.see(again, hits(again), 0.0)[0]


def test_what_is_remembered_means_nothing_to_another_secret() -> None:
    one = sent([("user", "a!")], 5.0)
    kept = []
    for seed in (1, 2, 1):
        memory = Conversations(seed)
        memory.see(one, hits(one), 0.0)
        kept.append(memory.save()["texts"])
    assert np.array_equal(kept[0], kept[2])
    assert not np.isin(kept[0], kept[1]).any()


def test_half_characters_are_texts_too() -> None:
    memory = Conversations(SEED)
    one = sent([("user", "\ud800!")], 5.0)
    assert memory.see(one, hits(one), 0.0)[0]
    other = sent([("user", "\udfff!")], 6.0)
    assert memory.see(other, hits(other), 0.0)[0]


# ------------------------------------------------------------------------------------------------ answers
def test_a_late_answer_says_when_the_text_was_counted() -> None:
    memory = Conversations(SEED)
    first = sent([("user", "a!")], 5.0, replied=False, answered=False)
    memory.see(first, [*hits(first), *hits(first, "second")], 0.0)
    later = sent([("user", "a!"), ("user", "go on")], 9.0)
    found = [*hits(later), *hits(later, "second")]
    late = [LateAnswer(0, "jailbreak", rule, "high", 5.0) for rule in ("rule", "second")]
    assert memory.see(later, found, 0.0) == ([], late)
    assert memory.see(later, found, 0.0) == ([], [])


def test_a_detection_without_texts_always_counts() -> None:
    memory = Conversations(SEED)
    other = Detection(0, "behaviour", "drift", "high")
    one = sent([("user", "a!")], 5.0)
    memory.see(one, hits(one), 0.0)
    assert memory.see(one, [*hits(one), other], 0.0) == ([other], [])


def test_times_out_of_order_do_not_make_a_text_new() -> None:
    """A text is remembered from the newest time on at which it was sent."""
    memory = Conversations(SEED, retention=100.0)
    counted = [
        bool(memory.see(one := sent([("tool", "a!")], time), hits(one), 0.0)[0])
        for time in (500.0, 450.0, 401.0, 590.0, 490.0, 690.0, 791.0)
    ]
    assert counted == [True, False, False, False, False, False, True]
