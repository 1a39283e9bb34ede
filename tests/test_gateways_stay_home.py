"""A gateway is named in its own files and in the registry, and nowhere else: what others need of it, it declares."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from events.gateways import GATEWAYS
from spec import load_spec

_ROOT = Path(__file__).parent.parent
_ROOMS = ("runtime", "spec", "events", "alerts", "exporters", "generators", "replay", "exercises")
_TEXT = {".py", ".yaml", ".j2", ".html", ".css", ".tmpl", ".md", ".toml"}
_AT_HOME = {"events/gateways/{}.yaml", "events/gateways/{}/", "spec/gateways/{}.yaml", "exporters/hooks/{}/"}
"""The files of a gateway, and folders, with its name in the braces."""
_ALLOWED = {
    "events/gateways/__init__.py": "the registry",
    "events/gateways/envelopes/reading.py": "words that stand where a text was removed",
    "events/gateways/envelopes/words.py": "a key of request bodies, which holds no prompt",
    "events/gateways/litellm/call_types.py": "Bedrock is also an API that is called",
    "events/wrappers/looks.py": "advice about lines that are no records: which gateway's log they are",
    "events/wrappers/registry.py": "a wrapper has the name of what writes it",
    "exercises/recording.py": "recordings were made with LiteLLM",
    "exercises/listen.py": "it points to a page of the docs",
    "exercises/demo/configs.py": "the demo plays a recording",
}


def _files() -> list[Path]:
    return [path for room in _ROOMS for path in sorted((_ROOT / room).rglob("*")) if path.suffix in _TEXT]


def _abroad(name: str, text: str) -> bool:
    return re.search(rf"(?<![a-z]){re.escape(name)}", text, re.IGNORECASE) is not None


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_a_gateway_is_named_only_in_its_own_files(gateway: str) -> None:
    home = tuple(place.format(gateway) for place in _AT_HOME)
    found = [
        f"{place}:{number}: {line.strip()[:100]}"
        for path in _files()
        if not (place := path.relative_to(_ROOT).as_posix()).startswith(home) and place not in _ALLOWED
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if _abroad(gateway, line)
    ]
    assert found == []


def test_all_rooms_are_looked_at() -> None:
    files = [path.relative_to(_ROOT).as_posix() for path in _files()]
    assert len(files) > 200
    assert {file.partition("/")[0] for file in files} == set(_ROOMS)
    assert set(files) >= set(_ALLOWED), "an allowed file is gone: shorten the list"


def test_a_name_is_found_in_code_and_in_prose() -> None:
    assert _abroad("litellm", "from x import LiteLLM")
    assert _abroad("litellm", 'metric: "litellm_requests_total"')
    assert _abroad("envoy", "As Envoy does it.")
    assert not _abroad("envoy", "a convoy, xenvoy")


def test_what_alerts_say_names_no_gateway() -> None:
    """Steps name fields by placeholders, such as {log:prompt}, which each gateway fills in."""
    alerts = load_spec().alerts.values()
    texts = [t for a in alerts for t in (a.summary, a.meaning, a.impact, a.why, *a.triage, *a.false_positives)]
    assert len(texts) > 100
    assert [text for text in texts for gateway in GATEWAYS if _abroad(gateway, text)] == []
