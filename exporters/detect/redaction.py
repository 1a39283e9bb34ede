"""Hides in texts what detectors call a secret."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from exporters.detect.model import Rule
from exporters.detect.normalize import normal

HIDDEN: Final = "[hidden: {}]"
LOOKED_AT: Final = 4_000
"""Characters of a text that are looked through, and shown at most."""
_SECRETS: Final = frozenset(("sensitive_output", "canary_token"))
_REST: Final = rb"[^\s\"'<>,;]{0,4000}"  # a rule often knows only how a secret begins
_KEY_BLOCK: Final = re.compile(rb"-----BEGIN [A-Z ]{0,40}PRIVATE KEY.*?(?:-----END[^-]{0,60}-----|\Z)", re.DOTALL)
_GATEWAY_KEY: Final = re.compile(rb"\bsk-[\w-]{8,}")


class Hider:
    """Hides whatever the sensitive-output and canary `rules` match, in prompts too, whether or not it is verified."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._patterns = [("private_key", _KEY_BLOCK), ("key", _GATEWAY_KEY)]
        for rule in rules:
            if rule.detector in _SECRETS:
                name = "canary" if rule.detector == "canary_token" else rule.id
                flags = re.IGNORECASE if rule.ignore_case else 0
                for expression in rule.expressions:
                    pattern = rb"(?:%s)%s" % (expression.encode("ascii"), _REST)
                    self._patterns.append((name, re.compile(pattern, flags)))

    def hide(self, text: str) -> str:
        """The first `LOOKED_AT` characters of `text`, in normal form, without secrets."""
        data = normal(text[:LOOKED_AT])
        spans: list[tuple[int, int, str]] = []
        for name, pattern in self._patterns:
            spans += [(match.start(), match.end(), name) for match in pattern.finditer(data)]
        out, at = [], 0
        for first, last, name in sorted(spans):
            if last <= at:
                continue
            if first >= at:
                out += [data[at:first].decode("utf-8", "replace"), HIDDEN.format(name)]
            at = last
        out.append(data[at:].decode("utf-8", "replace"))
        return "".join(out)
