"""Nobody can make somebody else's account page: accounts come from what the gateway authenticated, and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from events.gateways.names import LONGEST, account, short
from exporters.pseudonyms import Pseudonyms
from tests.support.engines import SPEC, feed, make_engine, shown
from tests.support.litellm_lines import blocked, line, record, refused

NOW = 1_795_000_000.0
VICTIM = "alice"
FORGED: dict[str, dict[str, Any]] = {
    "user": {"user": VICTIM},
    "end_user": {"end_user": VICTIM},
    "tags": {"request_tags": [VICTIM, f"user:{VICTIM}", f"user_api_key_user_id:{VICTIM}"]},
    "headers": {"requester_custom_headers": {"x-litellm-user-id": VICTIM, "x-forwarded-user": VICTIM}},
    "parameters": {"model_parameters": {"user": VICTIM, "metadata": {"user_api_key_user_id": VICTIM}}},
    "top level": {"user_api_key_user_id": VICTIM, "actor": VICTIM, "user_id": VICTIM, "user.id": VICTIM},
    "prompt": {"messages": [{"role": "user", "name": VICTIM, "content": f'{{"user_api_key_user_id":"{VICTIM}"}}'}]},
    "conversation": {"trace_id": VICTIM, "session_id": VICTIM, "litellm_trace_id": VICTIM},
    "metadata of the client": {},
}
OF_CLIENT = {
    "user_api_key_end_user_id": VICTIM,
    "requester_metadata": {"user_api_key_user_id": VICTIM, "user_api_key_hash": "0" * 64, "user": VICTIM},
    "spend_logs_metadata": {"user_api_key_user_id": VICTIM},
    "tags": [VICTIM],
    "user_id": VICTIM,
    "user": VICTIM,
}


def forged(kind: str, made: dict[str, Any]) -> dict[str, Any]:
    if kind == "metadata of the client":
        made["metadata"] |= OF_CLIENT
    return made | FORGED[kind]


def groups(by: str, *made: dict[str, Any], **options: Any) -> set[str]:
    """The groups of an identity that the engine has after these records."""
    signal = msgspec.structs.replace(SPEC.signals["requests_by_actor"], by=by)
    spec = msgspec.structs.replace(SPEC, signals={**SPEC.signals, "requests_by_it": signal})
    engine = make_engine(spec, content=True, **options)
    feed(engine, "gw", [b"".join(map(line, made))], now=NOW)
    engine.scrape(NOW)
    return set(engine.state.signals.entities[by].groups.rows)


def accounts(*made: dict[str, Any], **options: Any) -> set[str]:
    """Whose groups the engine has after these records."""
    return groups("actor", *made, **options)


def key_of(made: dict[str, Any]) -> str:
    return str(made["metadata"]["user_api_key_hash"])


@pytest.mark.parametrize("kind", FORGED)
@pytest.mark.parametrize("make", [record, blocked])
def test_what_a_client_writes_never_becomes_the_account(kind: str, make: Any) -> None:
    assert accounts(forged(kind, make(NOW, "a", user="eve"))) == {"eve"}


@pytest.mark.parametrize("kind", FORGED)
def test_who_has_no_user_is_its_key_whatever_the_client_writes(kind: str) -> None:
    (name,) = accounts(forged(kind, record(NOW, "a", user=None)))
    assert name.startswith("key:")


@pytest.mark.parametrize("kind", FORGED)
def test_refused_credentials_make_no_account_whatever_the_client_writes(kind: str) -> None:
    assert accounts(forged(kind, refused(NOW, "a", key="guessed"))) == set()


@pytest.mark.parametrize("kind", FORGED)
def test_nobody_behind_a_shared_key_becomes_an_account(kind: str) -> None:
    assert accounts(forged(kind, record(NOW, "a", user="portal")), shared_keys=["portal-key"]) == set()


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("192.0.2.66, 203.0.113.9", "203.0.113.0/24"),  # the last one is of the proxy that took the request
        ("203.0.113.9", "203.0.113.0/24"),
        ("::ffff:203.0.113.9", "203.0.113.0/24"),
    ],
)
def test_an_address_is_marked_as_untrusted_and_is_no_account(written: str, seen: str) -> None:
    engine = make_engine()
    lines = [line(refused(NOW - 1 + n / 100, f"{n}", key=f"{n}", address=written)) for n in range(11)]
    feed(engine, "gw", [b"".join(lines)], now=NOW)
    values = shown(engine.scrape(NOW + 1))
    assert set(values["llm_refused_keys"]) == {(seen, "false")}
    assert values["llm_requests_by_actor"] == {}


@pytest.mark.parametrize("written", [VICTIM, "x" * 500, "192.0.2.1\n192.0.2.2", "'; drop", "999.1.1.1", ","])
def test_what_is_no_address_is_no_range(written: str) -> None:
    engine = make_engine()
    feed(engine, "gw", [line(refused(NOW, "a", key="k", address=written))], now=NOW)
    assert shown(engine.scrape(NOW))["llm_refused_keys"] == {}


def test_a_user_called_like_a_key_is_not_that_key() -> None:
    (key,) = accounts(record(NOW, "a", user=None))
    names = accounts(record(NOW, "a", user=None), record(NOW, "b", user=key), record(NOW, "c", user=f"user:{key}"))
    assert names == {key, f"user:{key}", f"user:user:{key}"}


def test_no_name_is_that_of_a_shortened_one() -> None:
    long = "x" * (LONGEST + 50)
    cut = short(long)
    assert cut is not None
    assert short(cut) != cut
    assert len({account(name) for name in (long, cut, long + "y", "x" * LONGEST)}) == 4


def test_pseudonyms_of_one_user_id_are_one_in_all_tenants_and_two_with_two_keys() -> None:
    name_of = Pseudonyms(b"k" * 32)
    engine = make_engine(name_of=name_of)
    made = [record(NOW, team, user="alice", team=team) for team in ("research", "sales")]
    feed(engine, "gw", [b"".join(map(line, made))], now=NOW)
    assert {actor for actor, _ in shown(engine.scrape(NOW))["llm_requests_by_actor"]} == {name_of("alice")}
    other = Pseudonyms(b"o" * 32)
    assert other("alice") != name_of("alice")
    assert not other.find(name_of("alice"), ["alice"])  # without the key a guess says nothing
    assert name_of.find(name_of("alice"), ["bob", "alice"]) == ["alice"]


# ------------------------------------------------------------------------------------------------ what clients choose
GENERATED = ("0123456789abcdef" * 2, "0a1b2c3d-4e5f-6789-abcd-ef0123456789")


def with_session(made: dict[str, Any], trace: object, stated: object = None) -> dict[str, Any]:
    made["metadata"]["requester_metadata"] = {"session_id": stated}
    return made | {"trace_id": trace}


@pytest.mark.parametrize("by", [name for name, field in SPEC.fields.items() if field.client_chosen])
@pytest.mark.parametrize("kind", FORGED)
def test_what_a_client_chooses_is_in_no_other_keys_group(kind: str, by: str) -> None:
    mine, yours = record(NOW, "a", user="eve", key="mine"), record(NOW, "b", user="alice", key="yours")
    keys = {key_of(mine), key_of(yours)}
    found = groups(by, forged(kind, mine), forged(kind, yours), shared_keys=keys)
    assert {name.rpartition("@key:")[2] for name in found} <= keys
    assert len(found) in (0, 2)
    assert groups("actor", forged(kind, mine), forged(kind, yours)) == {"eve", "alice"}


@pytest.mark.parametrize("by", [name for name, field in SPEC.fields.items() if field.client_chosen])
@pytest.mark.parametrize("kind", FORGED)
def test_refused_credentials_make_no_group_of_what_they_choose(kind: str, by: str) -> None:
    made = forged(kind, refused(NOW, "a", key="guessed"))
    assert groups(by, made, shared_keys=[key_of(made)]) == set()


def test_a_session_is_the_one_that_the_client_named() -> None:
    made = record(NOW, "a")
    assert groups("session", with_session(made, "chat-7")) == {f"chat-7@key:{key_of(made)}"}
    assert groups("session", with_session(made, GENERATED[1], GENERATED[1])) == {f"{GENERATED[1]}@key:{key_of(made)}"}


@pytest.mark.parametrize("trace", [*GENERATED, "", None, 7, ["chat-7"], {"id": "chat-7"}])
def test_an_id_that_nobody_chose_is_no_session(trace: object) -> None:
    assert groups("session", with_session(record(NOW, "a"), trace, "chat-7")) == set()


def test_a_long_session_is_shortened_and_stays_itself() -> None:
    made = [with_session(record(NOW, call), "s" * 5_000 + call) for call in "ab"]
    found = groups("session", *made)
    assert len(found) == 2
    assert max(map(len, found)) < LONGEST + 80


def behind(made: dict[str, Any], *, shared: bool = True) -> set[str]:
    return groups("end_user", made, shared_keys=[key_of(made)] if shared else [])


@pytest.mark.parametrize("named", [{"end_user": "bob"}, {"metadata": {"user_api_key_end_user_id": "bob"}}])
def test_an_end_user_is_the_one_that_the_application_names(named: dict[str, Any]) -> None:
    made = record(NOW, "a", user="portal")
    made["metadata"] |= named.get("metadata", {})
    made |= {name: value for name, value in named.items() if name != "metadata"}
    assert behind(made) == {f"bob@key:{key_of(made)}"}
    assert behind(made, shared=False) == set()  # the account answers for it


@pytest.mark.parametrize("name", [None, "", 7, ["bob"], {"id": "bob"}])
def test_whoever_an_application_does_not_name_is_one_end_user_of_its_key(name: object) -> None:
    made = record(NOW, "a", user="portal") | {"end_user": name}
    assert behind(made) == {f"@key:{key_of(made)}"}


@pytest.mark.parametrize("shared", ["portal-key", "hash"])
def test_a_shared_key_is_known_by_its_alias_and_by_its_hash(shared: str) -> None:
    made = record(NOW, "a", user="portal") | {"end_user": "bob"}
    keys = [key_of(made) if shared == "hash" else shared]
    assert groups("end_user", made, shared_keys=keys) == {f"bob@key:{key_of(made)}"}
    assert groups("actor", made, shared_keys=keys) == set()
