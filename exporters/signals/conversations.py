"""What each account has sent before, so that content counts once.

A chat sends its whole history with each turn, an agent its tool results, a client a failed request. What a rule sees in
them is new the first time only (docs/adr/0014). Texts that no rule matches need no memory: nothing counts them.

A text is kept as a hash that depends on the secret of the state, so nobody can make two texts that pass for one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from events.batch import Detection, Text

RETENTION: Final = 7 * 86_400.0
"""Seconds of event time after which a text is new again, if it was not sent in between."""
EACH: Final = 16_384
"""Texts remembered of one account, at most."""
MOST: Final = 131_072
"""Texts remembered of all accounts, at most; about 270 bytes each."""

_SENT: Final = frozenset(("user", "system", "assistant", "tool"))
"""Channels of a request. What the model says and calls is new each time that it does."""
_END: Final = 4_096
"""Characters by which a text is known that was cut because the attempt has too much text."""
_BREAKS: Final = frozenset(("assistant", "tool"))
"""Channels whose texts end what the user said before."""


class LateAnswer(NamedTuple):
    """A detection that was counted at `since`, unanswered; attempt `row`, which has the text again, was answered."""

    row: int
    detector: str
    rule: str
    confidence: str
    since: float


@dataclass(frozen=True, slots=True)
class Sent:
    """An attempt, as far as it matters here. Times are event times, `call` is the id of its request.

    `replied`: the model answered, or a guardrail blocked; a failed attempt that is tried again has no reply.
    `answered`: the model answered, and nothing blocked. `texts` are all texts of the attempt, in order.
    """

    who: str
    call: int
    began: float
    time: float
    replied: bool
    answered: bool
    texts: Sequence[Text]


class _Known(NamedTuple):
    """What is remembered of a text, or of a whole request.

    `often` is how often one request had the text; of a request, which call sent it last. `since` is when the text was
    last counted; of a request, when the first reply came (+Inf: none yet). `answered`: an answer came since then.
    """

    seen: float
    often: int
    since: float
    answered: bool


class _Account:
    """What one account has sent: by hash, what was sent longest ago first. `touched` is by the wall clock."""

    __slots__ = ("known", "touched")

    def __init__(self, touched: float, known: dict[int, _Known]) -> None:
        self.touched = touched
        self.known = known


class Conversations:
    """A bounded memory of texts by account. `retention` is in seconds of event time."""

    def __init__(self, seed: int, *, retention: float = RETENTION, each: int = EACH, most: int = MOST) -> None:
        self.retention = retention
        self._each = each
        self._most = most
        self._accounts: dict[int, _Account] = {}  # in order of `touched`
        self._size = 0
        self._evicted = 0
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Use another secret; what is remembered by the old one means nothing to it."""
        key = seed.to_bytes(8, "big")
        self._text = hashlib.blake2b(key=key, digest_size=8, person=b"text")
        self._request = hashlib.blake2b(key=key, digest_size=8, person=b"request")
        self._who = hashlib.blake2b(key=key, digest_size=8, person=b"account")

    def __len__(self) -> int:
        """Texts and requests remembered."""
        return self._size

    def take_evicted(self) -> int:
        """How many were forgotten for want of room since the last call."""
        evicted, self._evicted = self._evicted, 0
        return evicted

    # ------------------------------------------------------------------------------------------------ taking in
    def see(self, sent: Sent, found: Sequence[Detection], now: float) -> tuple[list[Detection], list[LateAnswer]]:
        """Of what was `found` in an attempt, what is new, and what was counted before and is answered only now.

        The result depends on the attempts up to this one, and on no clock.
        """
        wanted = {text for one in found for text in _sent(one.texts)}
        if not wanted:
            return list(found), []
        account = self._account(sent.who, now)
        before = len(account.known)
        fresh, late = self._look(account.known, sent, wanted)
        self._size += len(account.known) - before
        self._make_room(account)
        counted: list[Detection] = []
        answers: list[LateAnswer] = []
        for one in found:
            texts = list(_sent(one.texts))
            if len(texts) < len(one.texts) or not texts or not fresh.isdisjoint(texts):
                counted.append(one)
            elif since := [late[text] for text in texts if text in late]:
                answers.append(LateAnswer(one.row, one.detector, one.rule, one.confidence, max(since)))
        return counted, answers

    def _look(
        self, known: dict[int, _Known], sent: Sent, wanted: set[tuple[str, str]]
    ) -> tuple[set[tuple[str, str]], dict[tuple[str, str], float]]:
        """Which of the texts `wanted` are new, and when those were counted that are answered only now."""
        fresh: set[tuple[str, str]] = set()
        late: dict[tuple[str, str], float] = {}
        counts = Counter(key for key in _sent(sent.texts) if key in wanted)
        asked, last = _asked(sent.texts)
        again = not wanted.isdisjoint(asked) and self._asked_again(known, sent)
        for key, count in counts.items():
            digest = _digest(self._text, key)
            before = known.pop(digest, None)
            if (
                before is None
                or abs(sent.time - before.seen) > self.retention
                or (key in asked and (again or (key == last and count > before.often)))
            ):
                fresh.add(key)
                known[digest] = _Known(sent.time, count, sent.time, sent.answered)
                continue
            if sent.answered and not before.answered:
                late[key] = before.since
            known[digest] = _Known(
                max(before.seen, sent.time),
                max(before.often, count),
                before.since,
                before.answered or sent.answered,
            )
        return fresh, late

    def _asked_again(self, known: dict[int, _Known], sent: Sent) -> bool:
        """Whether a request that had its reply before is sent as it was, word for word, by a later call."""
        digest = _digest(self._request, chain.from_iterable(_sent(sent.texts)))
        before = known.pop(digest, None)
        reply = sent.time if sent.replied else np.inf
        if before is None or abs(sent.time - before.seen) > self.retention:
            known[digest] = _Known(sent.time, sent.call, reply, False)
            return False
        known[digest] = _Known(max(before.seen, sent.time), sent.call, min(before.since, reply), False)
        return sent.call != before.often and sent.began > before.since

    def _account(self, who: str, now: float) -> _Account:
        digest = _digest(self._who, (who,))
        account = self._accounts.pop(digest, None) or _Account(now, {})
        account.touched = now
        self._accounts[digest] = account
        return account

    def _make_room(self, account: _Account) -> None:
        """Forget what this account has sent longest ago, then the accounts that have sent nothing for longest."""
        known = account.known
        beyond = len(known) - self._each
        if beyond > 0:
            for digest in list(known)[:beyond]:
                del known[digest]
            self._evicted += beyond
            self._size -= beyond
        while self._size > self._most and len(self._accounts) > 1:
            self._evicted += self._drop_oldest()

    def _drop_oldest(self) -> int:
        dropped = len(self._accounts.pop(next(iter(self._accounts))).known)
        self._size -= dropped
        return dropped

    def expire(self, now: float) -> None:
        """Forget accounts that have sent nothing for as long as a text is remembered, by the wall clock."""
        while self._accounts and now - next(iter(self._accounts.values())).touched > self.retention:
            self._drop_oldest()

    # ------------------------------------------------------------------------------------------------ snapshot
    def save(self) -> dict[str, npt.NDArray[np.generic]]:
        """Plain data that `load` takes back."""
        accounts = self._accounts.values()
        known = list(chain.from_iterable(account.known.values() for account in accounts))
        return {
            "accounts": np.fromiter(self._accounts, np.uint64, len(self._accounts)),
            "touched": np.array([account.touched for account in accounts], np.float64),
            "sizes": np.array([len(account.known) for account in accounts], np.int64),
            "texts": np.fromiter(chain.from_iterable(account.known for account in accounts), np.uint64, len(known)),
            "seen": np.array([one.seen for one in known], np.float64),
            "often": np.fromiter((one.often for one in known), np.uint64, len(known)),
            "since": np.array([one.since for one in known], np.float64),
            "answered": np.array([one.answered for one in known], np.int32),
        }

    def load(self, data: Mapping[str, Any]) -> None:
        """Take back a snapshot that was made with the same seed."""
        columns = (data[name].tolist() for name in ("seen", "often", "since", "answered"))
        entries = iter(
            [
                (text, _Known(seen, often, since, bool(answered)))
                for text, seen, often, since, answered in zip(data["texts"].tolist(), *columns, strict=True)
            ]
        )
        self._accounts = {
            digest: _Account(touched, dict(next(entries) for _ in range(size)))
            for digest, touched, size in zip(
                data["accounts"].tolist(), data["touched"].tolist(), data["sizes"].tolist(), strict=True
            )
        }
        self._size = sum(len(account.known) for account in self._accounts.values())


def _sent(texts: Iterable[Text]) -> Iterable[tuple[str, str]]:
    """Channel and text of what was sent to the model."""
    return (_key(text) for text in texts if text.channel in _SENT)


def _key(text: Text) -> tuple[str, str]:
    """Channel and text. Of one that was cut, the end that it has at each cut: a longer history cuts it elsewhere."""
    if not text.part:
        return text.channel, text.text
    return f"{text.channel}, part {text.part}", text.text[:_END] if text.part == 1 else text.text[-_END:]


def _asked(texts: Sequence[Text]) -> tuple[set[tuple[str, str]], tuple[str, str] | None]:
    """What the user says in the newest turn, after the last answer and the last tool result; and its last text."""
    asked: set[tuple[str, str]] = set()
    last = None
    for text in reversed(texts):
        if text.channel in _BREAKS:
            break
        if text.channel == "user":
            asked.add(key := _key(text))
            last = last or key
    return asked, last


def _digest(base: Any, words: Iterable[str]) -> int:
    """A 64-bit hash of words, each with its length, so that no others run together to the same."""
    hashed = base.copy()
    for word in words:
        data = word.encode("utf-8", "surrogatepass")
        hashed.update(len(data).to_bytes(8, "big"))
        hashed.update(data)
    return int.from_bytes(hashed.digest(), "big")
