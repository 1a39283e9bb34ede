"""Content of a log as a page may show it: short, on one line, and without what detectors call a secret."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from exporters.detect import Rule
from exporters.detect.normal import normal
from runtime.text import printable

SHORT: Final = 280
"""Characters of a text that are shown."""
HIDDEN: Final = "[hidden: {}]"
_LOOKED_AT: Final = 4_000
"""Characters that are looked through for secrets: more than are shown, or a secret at the cut would not be known."""
_SECRETS: Final = frozenset(("sensitive_output", "canary_token"))
_REST: Final = rb"[^\s\"'<>,;]{0,4000}"  # a rule often knows only how a secret begins
_KEY_BLOCK: Final = re.compile(rb"-----BEGIN [A-Z ]{0,40}PRIVATE KEY.*?(?:-----END[^-]{0,60}-----|\Z)", re.DOTALL)
_GATEWAY_KEY: Final = re.compile(rb"\bsk-[\w-]{8,}")


class Redactor:
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

    def shown(self, text: str) -> str:
        """What of `text` may be shown; safe for a terminal and for HTML that is escaped."""
        data = normal(text[:_LOOKED_AT])
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
        line = " ".join("".join(out).split())
        short = line[:SHORT].rstrip() + " ..." if len(line) > SHORT or len(text) > _LOOKED_AT else line
        return printable(short)
