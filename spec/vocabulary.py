"""The closed word lists that events, signals, alerts and metrics share.

Order matters where it says so; the first word of an event dimension is what an event has when nothing is known.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

CATEGORIES: Final = ("volumetric", "temporal", "content", "error", "performance", "security")

OUTCOMES: Final = ("success", "failure")

OPERATIONS: Final = (
    "other",
    "chat",
    "text_completion",
    "embeddings",
    "responses",
    "image",
    "audio",
    "rerank",
    "moderation",
    "tool",
)
"""``gen_ai.operation.name`` of OpenTelemetry semantic conventions 1.41.1 (chat, text_completion, embeddings) and what
gateways serve beside it."""

ERROR_CLASSES: Final = (
    "none",
    "auth",
    "permission",
    "rate_limit_caller",
    "rate_limit_provider",
    "quota",
    "context_length",
    "invalid_request",
    "guardrail_block",
    "provider_policy",
    "provider_auth",
    "model_not_found",
    "timeout",
    "provider_5xx",
    "network",
    "cancelled",
    "other",
)
"""Why an attempt failed. ``auth``: the caller's credential was refused by the gateway; ``provider_auth``: the
gateway's own credential was refused by the provider."""

VERDICTS: Final = ("none", "pass", "mask", "would_block", "error", "block")
"""What the guardrails did to an attempt, the most severe of them; ascending severity."""

DetectorName = Literal[
    "prompt_injection",
    "indirect_injection",
    "jailbreak",
    "system_prompt_extraction",
    "sensitive_output",
    "canary_token",
    "tool_misuse",
]
"""What a content detector looks for."""
DETECTORS: Final[tuple[DetectorName, ...]] = get_args(DetectorName)

Confidence = Literal["low", "medium", "high"]
CONFIDENCES: Final[tuple[Confidence, ...]] = get_args(Confidence)
REJECTIONS: Final = (
    "not_json",
    "not_an_object",
    "incomplete",
    "too_long",
    "too_deep",
    "wrong_type",
    "missing_field",
    "invalid_utf8",
    "invalid_value",
    "quarantined",
)
"""Why a record was refused (the label ``reason`` of ``tocsin_records_rejected_total``)."""
READING_STEPS: Final = ("decode", "scan", "count", "save")
"""Where reading a record can fail (the label ``step`` of ``tocsin_records_quarantined_total``)."""

MATCHES_SKIPPED: Final = ("check_digits", "exceptions")
"""Why matches of a rule were not looked at (label ``reason`` of ``tocsin_content_matches_skipped_total``)."""

OFFHOURS: Final = ("true", "false")

STREAM_DIMENSIONS: Final = {
    "events": (
        "gateway",
        "tenant",
        "model",
        "provider",
        "operation",
        "stream",
        "outcome",
        "error_class",
        "verdict",
        "offhours",
    ),
    "detections": ("gateway", "detector", "confidence", "rule"),
    "tool_calls": ("gateway", "tool"),
    "rejects": ("source", "reason"),
}
"""The bounded dimensions of each event stream: what a signal's `where` selects by."""

SIDE_TABLES: Final = {
    "detections": STREAM_DIMENSIONS["detections"],
    "tool_calls": STREAM_DIMENSIONS["tool_calls"],
    "guardrails": ("gateway", "guardrail", "verdict"),
}
"""Measures of families that count a table of their own, with its labels; all others are measures of attempts."""

IDENTITIES: Final = ("actor", "source_range", "key", "session", "end_user")
"""Who sent an event, a column each; the fields of these names are `unbounded`."""

MEASURES: Final = (
    "requests",
    "attempts",
    "input_tokens",
    "output_tokens",
    "excess_output_tokens",  # output tokens beyond twice the input tokens
    "cached_tokens",
    "reasoning_tokens",
    "cost_usd",
    "duration",
    "time_to_first_chunk",
    "input_chars",
    "output_chars",
    "skipped_chars",
    "unread_sides",
    "without_content",
)
"""What of an attempt is a number: what families and signals add up, and `at_least` compares."""

LOG_PLACES: Final = (
    *("account", "answer", "client_address", "cost", "error", "guardrail", "key_hash", "model", "prompt"),
    *("set_budget", "set_rate_limit", "system_prompt", "tool_calls", "tool_result"),
)
"""What runbooks ask for in a gateway's log (or its API); ``spec/gateways/`` says where each gateway has it."""
