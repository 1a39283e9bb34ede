"""What LiteLLM tells the hook of a refused request: whatever the request holds, the block is on record, once."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from exporters.hooks.litellm.tocsin_litellm import Hook
from tests.fuzz.engine import Target
from tests.fuzz.invariants import NOW, batch_holds
from tests.fuzz.mutate import json_lines
from tests.fuzz.targets import hook as records
from tests.support.litellm_lines import record


class CustomGuardrail:
    """LiteLLM's, known by its name."""

    def __init__(self, name: Any) -> None:
        self.guardrail_name = name
        self.event_hook = name

    def check(self, error: BaseException) -> BaseException:
        """The exception with this guardrail in its traceback."""
        try:
            raise error
        except BaseException as caught:  # whatever it is
            return caught


class _Refused(Exception):
    def __init__(self, status: Any, detail: Any) -> None:
        super().__init__(detail)
        self.status_code = status
        self.detail = detail


_ERRORS: Sequence[Callable[[Any], BaseException]] = (
    lambda value: ValueError(value),
    lambda value: _Refused(400, value),
    lambda value: _Refused(value, value),
    lambda value: ExceptionGroup("several", [ValueError(value)]),
    lambda value: ConnectionError(value),
    lambda _value: SystemExit(),
)


def seeds() -> Sequence[bytes]:
    """Two bytes that choose mode, oddities and exception, and the request."""
    request = {
        "litellm_call_id": "call",
        "model": "gpt-4o-mini",
        "messages": record(NOW, "c")["messages"],
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "metadata": {
            "user_api_key_hash": "a" * 64,
            "user_api_key_user_id": "alice",
            "requester_ip_address": "192.0.2.7",
            "user_api_key_request_route": "/v1/chat/completions",
            "standard_logging_guardrail_information": [{"guardrail_name": "g", "guardrail_status": "success"}],
        },
        "user": "end user",
        "litellm_trace_id": "trace",
    }
    return [bytes([mode, error]) + json.dumps(request).encode() for mode in range(8) for error in range(len(_ERRORS))]


def shape(rng: random.Random, data: bytes) -> bytes:
    """Another request."""
    return rng.randbytes(2) + json_lines(rng, data[2:])


def one(data: bytes) -> Hashable:
    """Tell a hook of a refusal, and read what it has written."""
    if len(data) < 2:
        return None
    number = data[0] % 4
    hook: Hook = records.hooks()[number][0]
    rng = random.Random(data)
    try:
        tree = json.loads(data[2:])
    except (ValueError, RecursionError):
        return None
    request = records.alive(tree, rng) if data[0] & 4 else tree
    guardrail = CustomGuardrail(request.get("model") if isinstance(request, dict) else None)
    error = guardrail.check(_ERRORS[data[1] % len(_ERRORS)](request))
    lost = sum(hook.start().dropped.values())
    hook.refuse(request, error)
    hook.close()
    content, attempts = records.fresh(number)
    batch_holds(records.ADAPTER.decode(content, source="gw"), content)
    lost = sum(hook.start().dropped.values()) - lost
    assert len(attempts) + lost == isinstance(request, dict), f"{len(attempts)} records and {lost} losses of one block"
    for line in attempts:
        assert line["made"]
        assert line["record"].get("guardrail_information") or "guardrail_information" in line.get("shed", ())
    return number, lost, tuple(sorted(attempts[0])) if attempts else ()


# The first number: a short input may share a value so often that the hook looks at 30,000 of them.
TARGET = Target("refusals", one, seeds, inputs=4_000, steps=(150_000, 60), shape=shape)
