"""Everything that the demo's programs are told: the spec with an overlay, and what is generated from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from exercises.capture import capture_channels
from exercises.recording import Recordings
from exercises.servers import scrape_config
from generators.alertmanager import configuration
from generators.docs import runbooks
from generators.prometheus import escalation, rule_file
from spec import Spec, load_spec

INTERVAL: Final = 1.0
"""Seconds between two scrapes, and between two evaluations: nobody wants to wait 15 s for a demo."""
SOURCE: Final = "gateway"
"""The name of the one log that is read."""
_DAYS: Final = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@dataclass(frozen=True, slots=True)
class Configs:
    """The spec of the demo, and files in `folder` that follow from it."""

    folder: Path
    spec: Spec
    exporter: Path
    log: Path
    """The gateway's log, empty at first."""
    rules: tuple[Path, ...]
    runbooks: Mapping[str, str]
    """Markdown by the name of the file, README.md among them."""
    alertmanager: Mapping[str, Any]


def write(folder: Path, recordings: Recordings, site: str) -> Configs:
    """Write the configuration of everything into a folder.

    Args:
        folder: An empty folder.
        recordings: Whose canaries and shared keys the exporter has to know.
        site: Base URL of the demo's own site, without a slash at the end.

    Raises:
        OSError: the folder cannot be written.
    """
    spec_overlay = folder / "overlay.yaml"
    spec_overlay.write_text(yaml.safe_dump(overlay(site)), encoding="utf-8")
    (folder / "canaries.txt").write_text("".join(f"{text}\n" for text in recordings.canaries), encoding="utf-8")
    log = folder / "gateway.jsonl"
    log.touch()
    source = {
        "gateway": "litellm",
        "paths": [log.name],
        "start_at": "beginning",
        "shared_keys": list(recordings.shared_keys),
    }
    exporter = folder / "tocsin.yaml"
    config = {
        "listen": "127.0.0.1:0",
        "state_folder": "state",
        "spec": [spec_overlay.name],
        "canaries_file": "canaries.txt",
        "pseudonyms": False,  # the accounts of a recording are made up, and a name is easier to follow
        "sources": {SOURCE: source},
    }
    exporter.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    spec = load_spec(spec_overlay)
    rules = []
    for path, text in {**rule_file.generate(spec), **escalation.generate(spec)}.items():
        file = folder / Path(path).name
        file.write_text(text, encoding="utf-8")
        if ".rules." in file.name:
            rules.append(file)
    pages = {Path(path).name: text for path, text in runbooks.generate(spec).items()}
    routes = yaml.safe_load(configuration.generate(spec)[configuration.PATH])
    return Configs(folder, spec, exporter, log, tuple(rules), pages, routes)


def overlay(site: str) -> dict[str, Any]:
    """What the demo changes in the shipped spec. No window and no threshold is among it."""
    always = {"days": _DAYS, "from": "00:00", "to": "24:00"}
    return {
        "settings": {
            "scrape_interval": f"{INTERVAL:g}s",
            "evaluation_interval": f"{INTERVAL:g}s",
            "runbook_base_url": f"{site}/runbooks/",
            "dashboard_base_url": f"{site}/d/",
        },
        # The recorded afternoon is played at any hour, and has to page at any hour.
        "calendars": {"business": always},
    }


def alertmanager_config(configs: Configs, receiver: str) -> str:
    """The generated routes, with every channel leading to the capture receiver at this base URL."""
    captured = capture_channels(configs.alertmanager, receiver, configs.folder / "secrets")
    return yaml.safe_dump(captured, sort_keys=False)


def prometheus_config(configs: Configs, exporter: str, alertmanager_url: str) -> str:
    """A scrape of the exporter and the generated rules."""
    return scrape_config(targets=[exporter], rules=configs.rules, alertmanagers=[alertmanager_url], interval=INTERVAL)
