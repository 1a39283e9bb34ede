"""The command line of Tocsin: thin, each command is one call into a room."""

from __future__ import annotations

import argparse
import dataclasses
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from runtime.errors import TocsinError, report
from spec.version import VERSION

if TYPE_CHECKING:
    from replay.log_options import LogOptions

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
_EXTRAS = {
    "grafanalib": "generate",
    "jinja2": "generate",
    "markdown_it": "demo",
    "requests": "demo",
}
"""Which extra brings a package that a running exporter does without."""
_ADDRESS_ERRORS = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)
"""What says that an address cannot be listened on; such an error names no file."""
_PIPE_CLOSED = 128 + 13
"""The exit status of a program that SIGPIPE ended."""


def _check(options: argparse.Namespace) -> int:
    from generators import command

    return command.check(options.overlay, form=options.format)


def _generate(options: argparse.Namespace) -> int:
    from exporters import schema
    from generators import command

    return command.generate(
        options.overlay,
        output=options.output,
        check_only=options.check,
        form=options.format,
        more=schema.generate(),
    )


def _export(options: argparse.Namespace) -> int:
    from exporters import command

    return command.run(options.config)


def _who(options: argparse.Namespace) -> int:
    from exporters import command

    return command.who(options.config, options.pseudonym, form=options.format)


def _metrics(options: argparse.Namespace) -> int:
    from generators import command

    return command.metrics(options.overlay, options.pattern, form=options.format)


def _log_options(options: argparse.Namespace) -> LogOptions:
    from replay.log_options import LogOptions

    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(LogOptions)}
    return LogOptions(**{name: value for name, value in given.items() if value is not None})


def _tail(options: argparse.Namespace) -> int:
    from replay.tail import command

    about = _log_options(options)
    if options.config is not None and (options.log or about.given):
        found = "LOG" if options.log else _OPTION_OF.get(about.given[0], f"--{about.given[0].replace('_', '-')}")
        print(f"tocsin tail: found --config and {found}, expected one of them: the file says it all", file=sys.stderr)
        return 2
    if options.config is None and not options.log:
        print("tocsin tail: found no log, expected log files or --config FILE", file=sys.stderr)
        return 2
    config = options.config or command.config_of_logs(options.log, about)
    chosen = command.Filter(options.actor, options.tenant, frozenset(options.only))
    return command.run(config, chosen=chosen, since=options.since, as_json=options.json, accounts=options.accounts)


def _since(text: str) -> float:
    from replay.tail import command

    try:
        return command.seconds_since(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _replay(options: argparse.Namespace) -> int:
    from replay import command

    return command.run(
        options.log,
        _log_options(options),
        form=options.format,
        until_quiet=options.until_quiet,
        pages=options.pages or options.propose is not None,
        proposal=options.propose,
        page=options.report,
    )


def _source_check(options: argparse.Namespace) -> int:
    from replay.source import command

    return command.run(options.log, name=options.gateway, mapping=options.mapping, form=options.format)


def _demo(options: argparse.Namespace) -> int:
    from exercises.demo import command

    if options.format == "json" and not options.once:
        print("tocsin demo: --format json needs --once, as it prints when everything is over", file=sys.stderr)
        return 2
    return command.demo(once=options.once, form=options.format, limit=options.limit, recordings=options.recordings)


_OPTION_OF = {"overlays": "--spec", "shared_keys": "--shared-key", "scan_content": "--no-content"}
"""The option that a field of `LogOptions` is given with, where it has another name."""


def _add_overlay(parser: argparse.ArgumentParser, more: str = "") -> None:
    """The option for overlays; `more` is put behind its help."""
    parser.add_argument(
        "--overlay",
        nargs="+",
        action="extend",
        default=[],
        type=Path,
        metavar="FILE",
        help=f"YAML merged over the shipped spec by name, in this order{more}",
    )


def _add_log_options(parser: argparse.ArgumentParser) -> None:
    """What an exporter's configuration would say of the logs: one option for each field of `LogOptions`."""
    parser.add_argument("--gateway", metavar="NAME", help="the gateway that wrote the logs (default: litellm)")
    parser.add_argument(
        "--mapping", type=Path, metavar="FILE", help="where the fields are in the log of a gateway of your own, YAML"
    )
    for name, field, what in (
        ("--spec", "overlays", "overlay over the shipped spec"),
        ("--rules", "rules", "more content rules"),
    ):
        parser.add_argument(
            name,
            dest=field,
            action="append",
            default=[],
            type=Path,
            metavar="FILE",
            help=f"{what}; repeatable, in this order",
        )
    parser.add_argument("--canaries", type=Path, metavar="FILE", help="your canary strings, one per line")
    parser.add_argument(
        "--shared-key",
        dest="shared_keys",
        action="append",
        default=[],
        metavar="KEY",
        help="alias or hash of a key that many people share; repeatable",
    )
    parser.add_argument(
        "--trust-client-address", action="store_true", help="set this only if clients cannot choose the logged address"
    )
    parser.add_argument(
        "--no-content",
        dest="scan_content",
        action="store_false",
        help="do not scan prompts and answers; faster",
    )


def _add_check(commands: _Commands) -> None:
    parser = commands.add_parser(
        "check",
        help="check the severity spec together with your overlays",
        description="Checks the severity spec, and your overlays over it. Names each mistake with its file and line.",
        epilog="Exit status: 0 no errors (there may be warnings), 1 errors, 2 wrong usage.",
    )
    parser.add_argument(
        "overlay", nargs="*", type=Path, help="YAML merged over the shipped spec by name, in this order"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how to report (default: text)")
    parser.set_defaults(run=_check)


def _add_generate(commands: _Commands) -> None:
    parser = commands.add_parser(
        "generate",
        help="write rules, routes, dashboards and docs from the spec",
        description=(
            "Writes everything that is generated from the severity spec: Prometheus rules and their unit tests, "
            "Alertmanager configuration, dashboards, runbook pages, the metric catalogue, the reference of the spec. "
            "Without options it updates the files of this checkout. With overlays it writes your own set."
        ),
        epilog=(
            "Exit status: 0 success, 1 the spec has errors or files are stale, 2 wrong usage. "
            "Example: tocsin generate --overlay my-overlay.yaml --output my-tocsin"
        ),
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a file is stale")
    _add_overlay(parser, "; needs --output")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder to write to or to check; created if missing (default: this checkout)",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how to report (default: text)")
    parser.set_defaults(run=_generate)


def _add_export(commands: _Commands) -> None:
    parser = commands.add_parser(
        "export",
        help="read gateway logs and serve /metrics until stopped",
        description=(
            "Reads the logs that the configuration names and serves /metrics, /-/healthy and /-/ready. "
            "It keeps its state and continues from there after a restart."
        ),
        epilog="Exit status: 0 stopped by Ctrl-C or SIGTERM, 1 an input cannot be used, 2 wrong usage.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the exporter's configuration, YAML")
    parser.set_defaults(run=_export)


def _add_who(commands: _Commands) -> None:
    parser = commands.add_parser(
        "who",
        help="find the account or end user behind a pseudonym",
        description="Looks up a pseudonym in the state of an exporter. Each look-up is logged in lookups.jsonl there.",
        epilog="Exit status: 0 found, 1 not found or the state cannot be read, 2 wrong usage.",
    )
    parser.add_argument("pseudonym", help="a label such as `actor`: a-3f09c1b2aa41")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the exporter's configuration, YAML")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how to report (default: text)")
    parser.set_defaults(run=_who)


def _add_replay(commands: _Commands) -> None:
    parser = commands.add_parser(
        "replay",
        help="show which alerts a recorded log would have raised",
        description=(
            "Runs recorded logs, plain or gzip, through the exporter's pipeline in simulated time. It needs no server. "
            "Prints a timeline and a table of the alerts, and what of the logs was looked at. Several logs are merged "
            "by time."
        ),
        epilog=(
            "Exit status: 0 replayed, whether alerts fire or not; 1 no record could be read, or an input cannot be "
            "used; 2 wrong usage."
        ),
    )
    parser.add_argument("log", nargs="+", type=Path, metavar="LOG", help="a log file; a rotated one may be compressed")
    parser.add_argument(
        "--pages",
        action="store_true",
        help="show who would have been paged, when, and whether that is within the page budget",
    )
    parser.add_argument(
        "--propose",
        type=Path,
        metavar="FILE",
        help="like --pages, and write an overlay that stays within the page budget",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="also write an HTML report: timeline, charts, the log lines behind each alert",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how to report (default: text)")
    _add_log_options(parser)
    parser.add_argument(
        "--until-quiet", action="store_true", help="continue after the end of the logs until no alert changes any more"
    )
    parser.set_defaults(run=_replay)


def _add_tail(commands: _Commands) -> None:
    parser = commands.add_parser(
        "tail",
        help="show attempts as they arrive, and alerts as they would fire",
        description=(
            "Follows log files, or the sources of an exporter's configuration, and shows one line per attempt. "
            "Evaluates alerts as Prometheus would. It needs no server and does not affect a running exporter. Ctrl-C "
            "stops it."
        ),
        epilog="Exit status: 0 stopped by Ctrl-C or SIGTERM, 1 an input cannot be used, 2 wrong usage.",
    )
    parser.add_argument("log", nargs="*", type=Path, metavar="LOG", help="a log file; it need not exist yet")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the exporter's configuration, instead of LOG")
    parser.add_argument(
        "--since",
        type=_since,
        metavar="TIME",
        help="start with attempts that ended this long ago, such as 10m, or `beginning` (default: only new ones)",
    )
    parser.add_argument("--actor", default="", metavar="NAME", help="only this account, by its id or pseudonym")
    parser.add_argument("--tenant", default="", metavar="NAME", help="only this tenant")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=("blocked", "failed", "detected"),
        help="only attempts of this kind; repeat it for more kinds",
    )
    parser.add_argument("--accounts", action="store_true", help="show account ids instead of the exporter's pseudonyms")
    parser.add_argument(
        "--json", action="store_true", help="print flat records and alerts as JSON lines, with account ids"
    )
    _add_log_options(parser)
    parser.set_defaults(run=_tail)


def _add_metrics(commands: _Commands) -> None:
    parser = commands.add_parser(
        "metrics",
        help="list the metrics: type, labels and their limits, unit, the alerts that use each",
        description="Lists every metric that Tocsin publishes, and those of other exporters that its rules read.",
        epilog="Exit status: 0 listed, 1 nothing matches or an overlay cannot be used, 2 wrong usage.",
    )
    parser.add_argument(
        "pattern", nargs="?", default="", metavar="PATTERN", help="part of a name, or a pattern with * and ?"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how to list (default: text)")
    _add_overlay(parser)
    parser.set_defaults(run=_metrics)


def _add_source(commands: _Commands) -> None:
    inner = commands.add_parser(
        "source", help="check what a gateway's log has, and which alerts can work with it"
    ).add_subparsers(title="commands", required=True)
    parser = inner.add_parser(
        "check",
        help="find the gateway or mapping that fits a log, and what the log lacks",
        description=(
            "Reads a log, plain or gzip, as every gateway that Tocsin knows, or as the one that you name. Shows which "
            "one fits, which share of the lines has each field, which alerts can never fire on such a log and why, "
            "and what to change in the gateway."
        ),
        epilog="Exit status: 0 something was read, 1 nothing was, 2 wrong usage.",
    )
    parser.add_argument("log", type=Path, metavar="FILE", help="a log file; a rotated one may be compressed")
    parser.add_argument("--gateway", metavar="NAME", help="the gateway that wrote it (default: try all)")
    parser.add_argument("--mapping", type=Path, metavar="FILE", help="the mapping of a gateway of your own, YAML")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how to report (default: text)")
    parser.set_defaults(run=_source_check)


def _add_demo(commands: _Commands) -> None:
    parser = commands.add_parser(
        "demo",
        help="show a recorded attack become metrics, alerts and pages",
        description=(
            "Plays recorded traffic with attacks through a real exporter, Prometheus and Alertmanager on this machine, "
            "and shows the pages. It keeps running until Ctrl-C, so that you can look around; then it cleans up. "
            "Without these servers, it replays the recordings instead."
        ),
        epilog=(
            "Exit status: 0 the pages arrived (or the replay shows them), 1 they did not, 2 wrong usage, 130 stopped "
            "before they arrived."
        ),
    )
    parser.add_argument("--once", action="store_true", help="stop when the expected pages have arrived")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how to report (default: text)")
    parser.add_argument(
        "--limit", type=float, default=600.0, metavar="SECONDS", help="how long to wait for the pages (default: 600)"
    )
    parser.add_argument(
        "--recordings", type=Path, metavar="DIR", help="recordings to play (default: those of this checkout)"
    )
    parser.set_defaults(run=_demo)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status: 0 well, 1 a problem was found, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="tocsin", description="Turns LLM gateway logs into Prometheus security metrics, alerts and pages."
    )
    parser.add_argument("--version", action="version", version=f"tocsin {VERSION}")
    commands = parser.add_subparsers(title="commands", required=True)
    for add in (_add_check, _add_generate, _add_export, _add_who, _add_replay, _add_tail, _add_source, _add_metrics):
        add(commands)
    _add_demo(commands)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except TocsinError as error:
        return report(error)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(error.name or "")
        if extra is None:
            raise
        print(
            f"tocsin: this command needs the package {error.name}, which is not installed. Run: "
            f"pip install 'tocsin[{extra}]' (in a checkout: make setup)",
            file=sys.stderr,
        )
        return 1
    except BrokenPipeError:
        # Nobody reads any more, for instance behind `head`. The interpreter must not try again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except OSError as error:
        # One that names a file or an address is about that; any other is a fault of ours and keeps its traceback.
        if error.filename is None and error.errno not in _ADDRESS_ERRORS:
            raise
        return report(error)
    return status


if __name__ == "__main__":
    sys.exit(main())
