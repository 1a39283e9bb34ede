"""The health files of the hook in LiteLLM."""

from __future__ import annotations

from typing import Final

import msgspec

from events.hook import HookFormat, HookHealthFile


class LiteLLMHealthFile(HookHealthFile, frozen=True, gc=False):
    """As every hook's; LiteLLM's version has the key ``litellm``."""

    gateway_version: str = msgspec.field(name="litellm", default="")


HOOK: Final = HookFormat(
    gateway="LiteLLM",
    prefix="litellm",
    parts=("guardrail_response", "hidden_params", "traceback", "metadata", "vectors", "texts", "other"),
    content=LiteLLMHealthFile,
)
