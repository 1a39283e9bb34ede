"""LiteLLM's standard logging payload: one JSON object a line, one line an attempt.

What is odd about these records, all of it measured on version 1.106:

- ``id`` is the provider's id on success and the call id on failure. ``litellm_call_id`` names the request: a fallback's
  two records share it, in either order.
- "Blocked" is not one field (`guardrails`), and neither is "refused" (`errors`).
- ``stream`` is null on every failure, and tokens and cost are 0 there: unknown, not zero.
- ``user`` and ``end_user`` are whatever the client sent, and the client's address may be too. Neither is an actor.
"""

from __future__ import annotations

from events.gateways.litellm.adapter import LiteLLM
from events.gateways.litellm.hook import HOOK

__all__ = ["HOOK", "LiteLLM"]
