"""What the hook writes while all is well: envelopes, modes of content, rotation, restored addresses."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from exporters.hooks.litellm import tocsin_litellm
from exporters.hooks.litellm.tocsin_litellm import Content, Hook, Settings, encode
from tests.events.gateways.samples import record, records
from tests.exporters.hooks.conftest import MakeHook, attempts, lines, log, until, writer_of
from tests.support.waiting import PATIENCE


def test_each_record_is_one_numbered_line(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook()
    asyncio.run(hook.async_log_success_event({"standard_logging_object": record()}, None, None, None))
    asyncio.run(hook.async_log_failure_event({"standard_logging_object": record("failure")}, None, None, None))
    asyncio.run(hook.async_log_success_event({}, None, None, None))
    hook.close()
    written = lines(folder)
    assert [line["kind"] for line in written if line["kind"] != "beat"] == ["start", "attempt", "attempt", "stop"]
    assert [line["seq"] for line in written] == list(range(1, len(written) + 1))
    assert {line["v"] for line in written} == {1}
    assert {line["writer"] for line in written} == {writer_of(hook).writer}
    assert attempts(folder) == [record(), record("failure")]


def test_only_its_own_user_may_read_the_files(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook()
    log(hook, record())
    hook.close()
    modes = {path.name.split(".", 1)[1]: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"jsonl": 0o600, "health.json": 0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_hook_that_gets_no_record_makes_no_file(make_hook: MakeHook, folder: Path) -> None:
    make_hook().close()
    assert not folder.exists()


def test_the_price_list_is_left_out_and_the_given_record_untouched(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook()
    given = record() | {"model_map_information": {"odd": object()}}
    before = set(given)
    log(hook, given)
    hook.close()
    assert set(given) == before
    assert attempts(folder) == [record()]


@pytest.mark.parametrize("mode", ["redacted", "hashed", "off"])
def test_no_text_survives_the_other_modes(mode: str) -> None:
    """Every string that stands in a message, an answer, an error text or a guardrail's finding is gone."""
    content = Content(mode, b"k" * 32)
    for given in records("slp"):
        written = encode(content.of(given)).decode()
        for text in _texts(given):
            if len(text) >= 12:  # shorter ones ("user", "stop") also stand elsewhere
                assert json.dumps(text)[1:-1] not in written


_KEPT = {"id", "model", "object", "name", "tool_call_id", "type", "finish_reason", "role"}


def _texts(given: dict[str, Any]) -> set[str]:
    found: set[str] = set()

    def walk(value: Any, name: str = "") -> None:
        if isinstance(value, str) and name not in _KEPT:
            found.add(value)
        elif isinstance(value, dict):
            for inner, below in value.items():
                walk(below, inner)
        elif isinstance(value, list):
            for below in value:
                walk(below, name)

    for field in ("messages", "response", "error_str"):
        walk(given.get(field))
    for guardrail in given.get("guardrail_information") or ():
        walk([guardrail.get("guardrail_request"), guardrail.get("guardrail_response"), guardrail.get("match_details")])
    found.discard(given["error_information"]["error_class"])
    return found - {given["model"], given["litellm_call_id"]}


def test_equal_texts_have_equal_hashes_under_one_key() -> None:
    question = {"messages": [{"role": "user", "content": "a secret question"}]}
    one, again, other = (Content("hashed", key).of(question)["messages"][0] for key in (b"a", b"a", b"b"))
    assert one == again != other
    assert one["content"] == tocsin_litellm.PLACEHOLDER
    assert one["content_chars"] == len("a secret question")


def test_arguments_of_tools_that_are_no_text_are_hidden_too() -> None:
    call = {"type": "tool_use", "name": "pay", "input": {"amount": 4711}}
    written = Content("redacted", b"").of({"messages": [{"role": "assistant", "content": [call]}]})
    assert written["messages"][0]["content"][0] == {
        "type": "tool_use",
        "name": "pay",
        "input": tocsin_litellm.PLACEHOLDER,
    }


def test_a_file_is_rotated_by_size(make_hook: MakeHook, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tocsin_litellm, "_BATCH", 1)
    hook = make_hook(rotate_bytes=1)
    writer = writer_of(hook)
    for _ in range(3):
        log(hook, record())
        assert writer.flush(PATIENCE)
        writer._next_look = 0
    hook.close()
    assert len(list(folder.glob("*.jsonl.??????"))) >= 2
    written = lines(folder)
    assert [line["seq"] for line in written] == list(range(1, len(written) + 1))


def test_a_file_is_rotated_by_age(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook(rotate_seconds=3600)
    writer = writer_of(hook)
    log(hook, record())
    assert writer.flush(PATIENCE)
    writer._opened -= 3601
    until(lambda: list(folder.glob("*.jsonl.000001")))


def test_a_file_that_somebody_took_away_is_begun_anew(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook()
    writer = writer_of(hook)
    assert writer.flush(PATIENCE)
    writer.path.unlink()
    until(writer.path.exists)
    log(hook, record())
    hook.close()
    assert attempts(folder) == [record()]


def test_old_files_are_removed_but_never_one_that_is_written_to(make_hook: MakeHook, folder: Path) -> None:
    folder.mkdir()
    now = time.time()
    for number, age in enumerate((900, 700, 500, 10)):
        path = folder / f"litellm-{number:016x}.jsonl.000001"
        path.write_bytes(b"x" * 1000)
        os.utime(path, (now - age, now - age))
    other = folder / "somebody-else.jsonl"
    other.write_bytes(b"x")
    hook = make_hook(keep_bytes=1500, keep_seconds=10**9)
    writer = writer_of(hook)
    until(lambda: len(list(folder.glob("*.000001"))) == 1)
    assert (folder / f"litellm-{3:016x}.jsonl.000001").exists()
    assert other.exists()
    assert writer.path.exists()


def test_what_is_too_old_is_removed(make_hook: MakeHook, folder: Path) -> None:
    folder.mkdir()
    old = folder / "litellm-0.jsonl"
    old.touch()
    os.utime(old, (1, 1))
    writer_of(make_hook(keep_seconds=100))
    until(lambda: not old.exists())


# ------------------------------------------------------------------------------------------------ refused credentials
_ADDRESS = {"requester_ip_address": "198.51.100.7", "user_agent": "curl"}


def _refused(normalized: str = "401_AUTHENTICATION_FAILED", message: str = "") -> dict[str, Any]:
    made = record("failure", litellm_call_id="refused", error_information__normalized_error=normalized)
    made["error_information"] |= {"error_message": message}
    return {**made, "requester_ip_address": None, "user_agent": None}


def _tell(hook: Hook) -> None:
    request = {"litellm_call_id": "refused", "metadata": _ADDRESS}
    asyncio.run(hook.async_post_call_failure_hook(request, Exception(), None))


@pytest.mark.parametrize("address_first", [False, True])
def test_the_address_of_a_refused_credential_is_restored_and_marked(
    make_hook: MakeHook, folder: Path, address_first: bool
) -> None:
    hook = make_hook()
    if address_first:
        _tell(hook)
    log(hook, _refused())
    if not address_first:
        _tell(hook)
    hook.close()
    (line,) = (line for line in lines(folder) if line["kind"] == "attempt")
    assert line["restored"] == ["requester_ip_address", "user_agent"]
    assert {name: line["record"][name] for name in _ADDRESS} == _ADDRESS
    assert {name: line["record"]["metadata"][name] for name in _ADDRESS} == _ADDRESS


@pytest.mark.parametrize("content", ["full", "off"])
def test_the_address_of_a_key_refused_without_a_database_is_restored_too(
    make_hook: MakeHook, folder: Path, content: str
) -> None:
    hook = make_hook(content=content)
    _tell(hook)
    log(hook, _refused("400_INVALID_REQUEST", "No connected db."))
    hook.close()
    (line,) = (line for line in lines(folder) if line["kind"] == "attempt")
    assert line["restored"] == ["requester_ip_address", "user_agent"]
    assert line["record"]["error_information"]["error_message"] == "No connected db."


def test_the_address_of_a_caller_without_budget_is_restored_too(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook()
    _tell(hook)
    made = _refused("", "Budget has been exceeded!")
    log(hook, made | {"error_information": made["error_information"] | {"error_class": "BudgetExceededError"}})
    hook.close()
    (line,) = (line for line in lines(folder) if line["kind"] == "attempt")
    assert line["record"]["requester_ip_address"] == _ADDRESS["requester_ip_address"]


def test_a_record_that_has_its_address_is_not_marked(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook()
    log(hook, _refused() | {"requester_ip_address": "192.0.2.1"})
    hook.close()
    (line,) = (line for line in lines(folder) if line["kind"] == "attempt")
    assert "restored" not in line


def test_a_refused_credential_whose_address_never_comes_is_written_all_the_same(
    make_hook: MakeHook, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tocsin_litellm, "_HOLD", 0.05)
    log(make_hook(), _refused())
    until(lambda: attempts(folder))


def test_a_flood_of_refused_credentials_is_not_held_without_bound(
    make_hook: MakeHook, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tocsin_litellm, "_HELD", 3)
    hook = make_hook()
    for number in range(10):
        log(hook, _refused() | {"litellm_call_id": f"call-{number}"})
    assert len(hook._held) == 3
    hook.close()
    assert [attempt["litellm_call_id"] for attempt in attempts(folder)] == [f"call-{number}" for number in range(10)]


# ------------------------------------------------------------------------------------------------ settings
def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"sixteen bytes or so\n")
    environment = {
        "TOCSIN_HOOK_FOLDER": "/somewhere",
        "TOCSIN_HOOK_CONTENT": "hashed",
        "TOCSIN_HOOK_QUEUE_BYTES": "1000",
        "TOCSIN_HOOK_HASH_KEY_FILE": str(key),
    }
    settings = Settings.from_environment(environment)
    assert settings.folder == Path("/somewhere")
    assert settings.content == "hashed"
    assert settings.queue_bytes == 1000
    assert settings.hash_key == b"sixteen bytes or so"
    assert settings.rotate_bytes == Settings().rotate_bytes


@pytest.mark.parametrize("value", ["0", "-1", "many", "1e6", ""])
def test_a_size_that_is_none_is_the_default(value: str) -> None:
    assert Settings.from_environment({"TOCSIN_HOOK_QUEUE_BYTES": value}).queue_bytes == Settings().queue_bytes


def test_an_unknown_mode_writes_no_content() -> None:
    assert Settings.from_environment({"TOCSIN_HOOK_CONTENT": "redcted"}).content == "off"


def test_every_setting_is_described() -> None:
    page = Path(tocsin_litellm.__file__).with_name("README.md").read_text()
    names = Settings.NAMES
    assert not [name for name in names if f"`TOCSIN_HOOK_{name.upper()}`" not in page]


def test_numbers_of_several_threads_are_in_order(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook()

    def work() -> None:
        for _ in range(200):
            log(hook, record())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hook.close()
    numbers = [json.loads(line)["seq"] for line in writer_of(hook).path.read_bytes().splitlines()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(attempts(folder)) == 800
