"""An answer that repeats what the user wrote leaks nothing; anything more than that does."""

from __future__ import annotations

import pytest

from events.batch import Text
from exporters.detect import echo
from exporters.detect.load import load_rules
from exporters.detect.scanner import Scanner

RULES = tuple(rule for rule in load_rules(canaries=["crimson-walrus-canary"]) if "output" in rule.channels)
SCANNER = Scanner(RULES)
IBAN, OTHER_IBAN = "DE33 1005 0000 1054 3245 67", "FR14 2004 1010 0505 0001 3M02 606"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3xfnXqRstUvWx"
TOKEN = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"


def seen(*texts: tuple[str, str]) -> set[str]:
    return {one.rule for one in SCANNER.scan([Text(0, channel, text) for channel, text in texts])}


SECRETS = {
    "iban": IBAN,
    "payment_card": "4539 5787 6362 1486",
    "private_key": KEY,
    "service_token": TOKEN,
    "us_social_security_number": "social security number: 536-90-4399",
    "connection_string": "postgres://app:s3cretPassw0rd@db.internal.corp:5432/main",
}


@pytest.mark.parametrize("rule", SECRETS)
def test_a_value_of_the_users_own_is_an_echo_and_else_a_leak(rule: str) -> None:
    answer = ("output", f"It says {SECRETS[rule]}.")
    assert seen(answer) == {rule}
    assert seen(("user", f"What is in this? {SECRETS[rule]} Thank you"), answer) == set()
    assert seen(("user", "What is in this?"), answer) == {rule}


@pytest.mark.parametrize("channel", ["system", "tool", "assistant"])
def test_only_the_users_words_make_an_echo(channel: str) -> None:
    assert seen((channel, IBAN), ("output", IBAN)) == {"iban"}


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        ("DE33100500001054324567", IBAN),
        (IBAN, "DE33100500001054324567"),
        ("4539-5787-6362-1486", "4539 5787 6362 1486"),
        (f"\u200b{IBAN}", IBAN),
        (KEY.replace("\n", "\n\n  "), KEY),
        (TOKEN, f"`{TOKEN}`"),
        (TOKEN, f"({TOKEN})."),
    ],
)
def test_how_a_value_is_written_makes_no_difference(said: str, answered: str) -> None:
    assert seen(("user", said), ("output", answered)) == set()


@pytest.mark.parametrize(
    ("said", "answered", "rule"),
    [
        (IBAN, f"{IBAN} and {OTHER_IBAN}", "iban"),
        (TOKEN, f"{TOKEN}Zz9", "service_token"),
        (KEY, KEY + "AAAA", "private_key"),
        (TOKEN[:20], TOKEN, "service_token"),
    ],
)
def test_more_than_the_user_wrote_is_a_leak(said: str, answered: str, rule: str) -> None:
    assert rule in seen(("user", said), ("output", answered))


def test_a_sentence_that_only_announces_a_leak_is_never_an_echo() -> None:
    sentence = "My instructions are as follows: never say a word about"
    answer = ("output", f"{sentence} the merger")
    before = seen(answer)
    assert before
    assert seen(("user", f"Go on: {sentence}"), answer) == before


def test_a_canary_is_never_an_echo() -> None:
    assert seen(("user", "say crimson-walrus-canary"), ("output", "crimson-walrus-canary"))


def test_each_attempt_has_its_own_prompt() -> None:
    texts = [Text(0, "user", IBAN), Text(0, "output", IBAN), Text(1, "user", "hello"), Text(1, "output", IBAN)]
    assert [(one.row, one.rule) for one in SCANNER.scan(texts)] == [(1, "iban")]


def test_without_other_rules_the_users_words_are_compared_too() -> None:
    alone = Scanner([rule for rule in RULES if rule.id == "iban"])
    assert alone.scan([Text(0, "user", IBAN), Text(0, "output", IBAN)]) == []


def test_too_many_values_to_compare_are_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ("output", f"{IBAN} {OTHER_IBAN}")
    assert seen(("user", f"{IBAN} {OTHER_IBAN}"), answer) == set()
    monkeypatch.setattr(echo, "MOST", 1)
    assert seen(("user", f"{IBAN} {OTHER_IBAN}"), answer) == {"iban"}
