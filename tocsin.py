"""The command line of Tocsin: thin, each command is one call into a room."""

from __future__ import annotations

import argparse
import datetime
import json
import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from exporters.state import StateError
from spec import SpecError, compile_alerts
from spec.checks import run_checks
from spec.load import load_sourced


def _check(options: argparse.Namespace) -> int:
    try:
        sourced = load_sourced(*options.overlay)
    except SpecError as error:
        print(error, file=sys.stderr)
        return 1
    spec = sourced.spec
    today = datetime.datetime.now(datetime.UTC).date()
    issues = run_checks(spec, today=today, places=sourced.places)
    if options.format == "json":
        fields = ("check", "severity", "path", "text")
        print(json.dumps({"issues": [{name: getattr(issue, name) for name in fields} for issue in issues]}, indent=2))
    else:
        for issue in issues:
            print(issue)
        errors = sum(issue.severity == "error" for issue in issues)
        print(f"{len(spec.signals)} signals, {len(compile_alerts(spec))} alert rules: ", end="")
        print(f"{errors} errors, {len(issues) - errors} warnings")
    return int(any(issue.severity == "error" for issue in issues))


def _export(options: argparse.Namespace) -> int:
    from exporters.run import export

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)

    def ready(address: tuple[str, int]) -> None:
        logging.getLogger("tocsin").info("metrics are at http://%s:%d/metrics", *address)

    try:
        export(options.config, ready=ready)
    except SpecError as error:
        print(error, file=sys.stderr)
        return 1
    except (StateError, OSError) as error:
        print(f"tocsin: {error}", file=sys.stderr)
        return 1
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status: 0 well, 1 a problem was found, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="tocsin", description="Turns LLM gateway logs into Prometheus security metrics, alerts and pages."
    )
    parser.add_argument("--version", action="version", version=f"tocsin {version('tocsin')}")
    commands = parser.add_subparsers(title="commands", required=True)
    check = commands.add_parser("check", help="check the severity spec together with your overlays")
    check.add_argument("overlay", nargs="*", type=Path, help="YAML merged over the shipped spec by name, in this order")
    check.add_argument("--format", choices=("text", "json"), default="text")
    check.set_defaults(run=_check)
    export = commands.add_parser(
        "export",
        help="read gateway logs and serve /metrics until stopped",
        description="Reads the logs that the configuration names and serves /metrics, /-/healthy and /-/ready.",
    )
    export.add_argument("--config", type=Path, required=True, metavar="FILE", help="the exporter's configuration, YAML")
    export.set_defaults(run=_export)
    options = parser.parse_args(arguments)
    status: int = options.run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())
