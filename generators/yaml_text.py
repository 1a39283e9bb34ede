"""YAML as people like to read it: keys in the order given, lists indented, long texts as blocks."""

from __future__ import annotations

from typing import Any

import yaml

_ONE_LINE = 1_000_000  # an expression or address stays in one line, so that a change is one line of the diff


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def yaml_text(data: Any) -> str:
    """`data` (maps, lists, texts, numbers) as YAML."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_ONE_LINE)
