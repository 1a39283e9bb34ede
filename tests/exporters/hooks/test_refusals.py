"""What a guardrail stops is on record once, with its verdict, whatever it raises and whichever callback comes first."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exporters.hooks.litellm import tocsin_litellm
from exporters.hooks.litellm.tocsin_litellm import Hook, Waiting, judged_by
from tests.events.gateways.samples import decode, record, rows
from tests.exporters.hooks.conftest import MakeHook, lines, log, until


class CustomLogger:
    """LiteLLM's base class, known by its name."""


class CustomGuardrail(CustomLogger):
    """The same."""

    guardrail_name = "no-secrets"
    event_hook = "pre_call"

    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def async_pre_call_hook(self) -> None:
        raise self.error

    async def async_moderation_hook(self) -> None:
        raise self.error

    async def async_post_call_streaming_iterator_hook(self, stream: Callable[[], None] | None = None) -> None:
        if stream is not None:
            stream()
        raise self.error


class OwnCallback(CustomLogger):
    """A callback of the operator's that judges requests, and is no guardrail."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def async_pre_call_hook(self) -> None:
        raise self.error

    async def async_log_success_event(self) -> None:
        raise self.error


class HTTPException(Exception):  # as in LiteLLM's world
    def __init__(self, status_code: int, detail: Any = "Violated the policy") -> None:
        self.status_code = status_code
        self.detail = detail


class GuardrailRaisedException(Exception):
    guardrail_name = "by-name"


class OwnError(ValueError):
    """An operator's."""


class RateLimitError(Exception):
    """A provider's."""

    status_code = 429
    llm_provider = "openai"


class APIConnectionError(ConnectionError):
    """A guardrail's own provider does not answer."""


def raised(error: BaseException, guard: Any = CustomGuardrail, function: str = "async_pre_call_hook") -> BaseException:
    """An exception with the traceback that it has when it comes out of a guardrail."""

    async def request() -> None:
        await getattr(guard(error), function)()

    try:
        asyncio.run(request())
    except BaseException as caught:
        return caught
    raise AssertionError


def tell(hook: Hook, error: BaseException, call: str = "call", *, times: int = 1, **request: Any) -> None:
    """LiteLLM's other callback."""
    data = {
        "litellm_call_id": call,
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "the question"}],
        "metadata": {
            "user_api_key_user_id": "alice",
            "user_api_key_hash": "a" * 64,
            "requester_ip_address": "192.0.2.7",
        },
    }
    data |= request
    for _ in range(times):
        asyncio.run(hook.async_post_call_failure_hook(data, error, None))


def failed(call: str = "call", error: BaseException | None = None, **fields: Any) -> dict[str, Any]:
    """LiteLLM's own record of a request that its gateway refused."""
    made = record("failure", litellm_call_id=call, guardrail_information=None)
    kind = type(error).__name__ if error is not None else "HTTPException"
    code = str(getattr(error, "status_code", ""))
    made["error_information"] = {"error_class": kind, "error_code": code, "llm_provider": "", "error_message": ""}
    return made | {"requester_ip_address": "192.0.2.7"} | fields


def written(hook: Hook, folder: Path) -> list[dict[str, Any]]:
    hook.close()
    return [line for line in lines(folder) if line["kind"] == "attempt"]


def verdicts(folder: Path) -> list[str]:
    """What the adapter makes of all records."""
    batch = decode(b"".join(path.read_bytes() for path in folder.glob("*.jsonl")))
    assert not batch.rejects
    return [row["verdict"] for row in rows(batch)]


JUDGEMENTS: list[BaseException] = [
    HTTPException(400),
    HTTPException(403, {"error": "no"}),
    HTTPException(422),
    HTTPException(500, {"error": "Violated guardrail policy", "reject_prompt": "no"}),
    GuardrailRaisedException("no"),
    ValueError("Guardrail failed words detected"),
    Exception("blocked"),
    OwnError("no"),
    ExceptionGroup("several", [ValueError("no")]),
    BaseExceptionGroup("several", [ValueError("no"), ValueError("no")]),
    AssertionError(),
    RuntimeError({"text": ["no"]}),
    Warning("no"),
]
FAILURES: list[BaseException] = [
    HTTPException(401),
    HTTPException(429),
    HTTPException(503),
    HTTPException(500, {"error": "the guardrail's service violated the protocol"}),
    APIConnectionError("down"),
    TimeoutError(),
    TypeError("a mistake in the guardrail"),
    KeyError("a mistake in the guardrail"),
    json.JSONDecodeError("no JSON", "", 0),
    RateLimitError("the judge's provider"),
]


def _verdict_of(error: BaseException) -> str:
    """The adapter's word: an HTTPException with 4xx is a block to it, but for a wrong key, a timeout or a limit."""
    refused = isinstance(error, HTTPException) and error.status_code < 500 and error.status_code not in (401, 408, 429)
    return "block" if error in JUDGEMENTS or refused else "error"


@pytest.mark.parametrize("error", JUDGEMENTS, ids=repr)
@pytest.mark.parametrize("function", ["async_pre_call_hook", "async_moderation_hook"])
def test_a_block_that_litellm_makes_no_record_of_is_recorded(
    make_hook: MakeHook, folder: Path, error: BaseException, function: str
) -> None:
    hook = make_hook()
    tell(hook, raised(error, function=function))
    (line,) = written(hook, folder)
    assert line["made"]
    found = line["record"]
    assert found["guardrail_information"] == [
        {"guardrail_name": "no-secrets", "guardrail_mode": "pre_call", "guardrail_status": "guardrail_intervened"}
    ]
    assert found["messages"] == [{"role": "user", "content": "the question"}]
    assert found["metadata"]["user_api_key_user_id"] == "alice"
    assert found["requester_ip_address"] == "192.0.2.7"
    assert found["error_information"]["error_class"] == type(error).__name__
    assert verdicts(folder) == ["block"]


@pytest.mark.parametrize("error", FAILURES, ids=repr)
def test_a_guardrail_that_fails_is_told_from_one_that_blocks(
    make_hook: MakeHook, folder: Path, error: BaseException
) -> None:
    hook = make_hook()
    tell(hook, raised(error))
    (line,) = written(hook, folder)
    assert line["record"]["guardrail_information"][0]["guardrail_status"] == "guardrail_failed_to_respond"
    assert verdicts(folder) == [_verdict_of(error)]


@pytest.mark.parametrize("error", [*JUDGEMENTS, *FAILURES], ids=repr)
@pytest.mark.parametrize("record_first", [True, False])
def test_where_both_callbacks_come_there_is_one_record(
    make_hook: MakeHook, folder: Path, error: BaseException, record_first: bool
) -> None:
    hook = make_hook()
    caught = raised(error)
    if record_first:
        log(hook, failed(error=error))
    tell(hook, caught, times=2)  # as LiteLLM does with some
    if not record_first:
        log(hook, failed(error=error))
    (line,) = written(hook, folder)
    assert line["restored"] == ["guardrail_information"]
    assert "made" not in line
    assert verdicts(folder) == [_verdict_of(error)]


@pytest.mark.parametrize("record_first", [True, False])
def test_a_record_that_tells_the_block_is_written_as_it_is(
    make_hook: MakeHook, folder: Path, record_first: bool
) -> None:
    hook = make_hook()
    told = failed(guardrail_information=[{"guardrail_name": "g", "guardrail_status": "guardrail_intervened"}])
    if record_first:
        log(hook, told)
    tell(hook, raised(HTTPException(400)))
    if not record_first:
        log(hook, told)
    (line,) = written(hook, folder)
    assert line["record"] == told
    assert "restored" not in line


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_blocks_that_share_a_call_id_are_all_recorded(
    make_hook: MakeHook, folder: Path, order: tuple[int, ...]
) -> None:
    """A client chooses its call id, and may choose the same one for all."""
    hook = make_hook()
    steps: list[Callable[[], None]] = [
        lambda: log(hook, failed(error=HTTPException(400))),
        lambda: tell(hook, raised(HTTPException(400))),
        lambda: tell(hook, raised(ValueError("no"))),
        lambda: tell(hook, raised(OwnError("no"))),
    ]
    for place in order:
        steps[place]()
    assert len(written(hook, folder)) == 3
    assert verdicts(folder) == ["block"] * 3


def test_a_guardrail_that_always_raises_the_same_exception_is_recorded_each_time(
    make_hook: MakeHook, folder: Path
) -> None:
    hook, error = make_hook(), ValueError("no")
    for _ in range(3):
        tell(hook, raised(error), times=2)
    assert len(written(hook, folder)) == 3


def test_an_answer_and_the_block_of_it_are_two_attempts(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook()
    log(hook, record(litellm_call_id="call"))
    tell(hook, raised(ValueError("no"), function="async_moderation_hook"))
    log(hook, record(litellm_call_id="call", id="another"))
    assert sorted(line["record"]["status"] for line in written(hook, folder)) == ["failure", "success", "success"]


def test_an_earlier_failure_of_the_provider_does_not_hide_a_block(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook()
    provider = failed(error=RateLimitError())
    provider["error_information"]["llm_provider"] = "openai"
    log(hook, provider)
    tell(hook, raised(ValueError("no")))
    assert len(written(hook, folder)) == 2


@pytest.mark.parametrize(
    "error",
    [
        RateLimitError("a provider's"),
        ValueError("no traceback"),
        raised(ValueError("not a judge"), OwnCallback, "async_log_success_event"),
    ],
)
def test_what_no_guardrail_raised_makes_no_record(make_hook: MakeHook, folder: Path, error: BaseException) -> None:
    hook = make_hook()
    tell(hook, error)
    hook.close()
    assert not [line for line in lines(folder) if line["kind"] == "attempt"]


def test_a_callback_of_ones_own_that_refuses_is_a_guardrail(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook()
    tell(hook, raised(ValueError("no"), OwnCallback))
    (line,) = written(hook, folder)
    assert line["record"]["guardrail_information"][0]["guardrail_name"] == "OwnCallback"
    assert verdicts(folder) == ["block"]


@pytest.mark.parametrize("module", ["litellm.proxy.hooks.parallel_request_limiter", "litellm.proxy.hooks.max_budget"])
def test_litellms_own_limits_are_no_guardrails(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OwnCallback, "__module__", module)
    assert judged_by(raised(HTTPException(400), OwnCallback)) is None
    monkeypatch.setattr(OwnCallback, "__module__", "litellm.proxy.hooks.prompt_injection_detection")
    assert judged_by(raised(HTTPException(400), OwnCallback)) is not None


def test_a_stream_that_breaks_under_a_guardrail_is_not_its_doing() -> None:
    code = compile("def stream():\n    raise ConnectionError('the provider hung up')", "stream.py", "exec")
    space: dict[str, Any] = {"__name__": "litellm.utils"}
    exec(code, space)  # noqa: S102

    async def request() -> None:
        await CustomGuardrail(ValueError()).async_post_call_streaming_iterator_hook(space["stream"])

    try:
        asyncio.run(request())
    except ConnectionError as error:
        assert judged_by(error) is None
    caught = raised(ConnectionError(), function="async_post_call_streaming_iterator_hook")
    assert (judged_by(caught) or {})["guardrail_status"] == "guardrail_failed_to_respond"


@pytest.mark.parametrize("chain", ["cause", "context", "group"])
def test_the_guardrail_is_found_behind_what_was_made_of_its_exception(chain: str) -> None:
    inner = raised(ValueError("no"))
    outer: BaseException = Exception("wrapped")
    if chain == "cause":
        outer.__cause__ = inner
    elif chain == "context":
        outer.__context__ = inner
    else:
        outer = BaseExceptionGroup("several", [inner])
    assert (judged_by(outer) or {})["guardrail_name"] == "no-secrets"


def test_an_exception_that_leads_to_itself_is_looked_at_once() -> None:
    one, other = Exception("one"), Exception("other")
    one.__context__, other.__context__ = other, one
    assert judged_by(one) is None


# ------------------------------------------------------------------------------------------------ the same call id
def _refused_key(number: int, call: str = "same") -> dict[str, Any]:
    made = failed(call, requester_ip_address=None, id=f"id-{number}")
    made["error_information"] |= {"normalized_error": "401_AUTHENTICATION_FAILED"}
    return made


@pytest.mark.parametrize("count", [2, 1_000])
def test_refusals_that_share_a_call_id_are_all_written(make_hook: MakeHook, folder: Path, count: int) -> None:
    hook = make_hook()
    for number in range(count):
        log(hook, _refused_key(number))
    found = written(hook, folder)
    assert [line["record"]["id"] for line in found] == [f"id-{number}" for number in range(count)]


def test_each_of_them_gets_its_address(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook()
    for number in range(20):
        log(hook, _refused_key(number))
        if number % 2:
            for earlier in (number - 1, number):
                tell(hook, HTTPException(401), "same", metadata={"requester_ip_address": f"192.0.2.{earlier}"})
    found = written(hook, folder)
    assert sorted(int(line["record"]["requester_ip_address"].rpartition(".")[2]) for line in found) == list(range(20))


def test_addresses_that_come_first_wait_for_their_records(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook()
    for number in range(20):
        tell(hook, HTTPException(401), "same", metadata={"requester_ip_address": f"192.0.2.{number}"})
    for number in range(20):
        log(hook, _refused_key(number))
    found = written(hook, folder)
    assert [line["record"]["requester_ip_address"] for line in found] == [f"192.0.2.{number}" for number in range(20)]


def test_what_waits_is_bounded_in_number_and_in_bytes(
    make_hook: MakeHook, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = make_hook()
    monkeypatch.setattr(tocsin_litellm, "_HELD_BYTES", 100_000)
    for number in range(100):
        log(hook, _refused_key(number) | {"messages": "x" * 20_000})
        assert hook._held.size <= 100_000
    for number in range(100):
        tell(hook, raised(ValueError(number)), f"call-{number}", messages="x" * 20_000)
        assert hook._refused.size <= 100_000
    assert len(written(hook, folder)) == 200


def test_a_call_id_of_any_length_or_type_is_survived(make_hook: MakeHook, folder: Path) -> None:
    hook = make_hook()
    for call in ("x" * 1_000_000, 7, None, ["list"], ""):
        log(hook, failed(call))  # type: ignore[arg-type]
        tell(hook, raised(ValueError("no")), call)  # type: ignore[arg-type]
        tell(hook, raised(HTTPException(400)), call)  # type: ignore[arg-type]
    assert all(len(call) <= 128 for call in hook._held._by_call)
    assert len([line for line in written(hook, folder) if line.get("made")]) >= 5


def test_a_record_comes_out_of_waiting_once() -> None:
    waiting = Waiting()
    half = tocsin_litellm.Half("call", "E", None)
    waiting.add(half)
    assert waiting.take("call", lambda _: False) is None
    assert waiting.take("call", lambda _: True) is half
    assert waiting.take("call", lambda _: True) is None
    assert (len(waiting), waiting.size, waiting.oldest(lambda _: True)) == (0, 0, [])


@pytest.mark.parametrize("mode", ["redacted", "hashed", "off"])
def test_a_record_that_the_hook_makes_has_no_content_in_the_other_modes(
    make_hook: MakeHook, folder: Path, mode: str
) -> None:
    hook = make_hook(content=mode)
    tell(
        hook,
        raised(ValueError("the confidential word")),
        messages=[{"role": "user", "content": "the confidential word"}],
    )
    log(hook, failed("other", error=ValueError()))
    tell(hook, raised(ValueError("the confidential word")), "other")
    (found, other) = written(hook, folder)
    assert "confidential" not in json.dumps([found, other])
    assert verdicts(folder) == ["block", "block"]


@pytest.mark.parametrize("request_data", [None, 7, {}, {"metadata": None}, {"litellm_call_id": "c", "metadata": 7}])
@pytest.mark.parametrize("error", [None, 7, "text", raised(ValueError("no")), SystemExit()])
def test_the_other_callback_never_raises(make_hook: MakeHook, request_data: Any, error: Any) -> None:
    asyncio.run(make_hook().async_post_call_failure_hook(request_data, error, object()))


def test_it_waits_no_longer_than_it_must(make_hook: MakeHook, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tocsin_litellm, "_HOLD", 0.05)
    hook = make_hook()
    tell(hook, raised(ValueError("no")))
    log(hook, failed("other"))
    until(lambda: folder.exists() and len([line for line in lines(folder) if line["kind"] == "attempt"]) == 2)
