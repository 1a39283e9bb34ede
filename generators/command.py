"""The commands that look at the spec: check it, generate from it, list its metrics."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from alerts import compile_alerts
from alerts.checks import run_checks
from generators.backends import BACKENDS
from spec.checks.base import Issue
from spec.load import LoadedSpec, load_with_places

Form = Literal["text", "json"]

_ROOT: Final = Path(__file__).resolve().parents[1]


def check(overlays: Sequence[Path], *, form: Form) -> int:
    """Check the spec with its overlays, and print what is wrong; the exit status: 1 if there is an error.

    Raises:
        SpecError: an overlay cannot be used.
    """
    loaded = load_with_places(*overlays)
    issues = _issues(loaded)
    if form == "json":
        fields = ("check", "severity", "path", "text")
        print(json.dumps({"issues": [{name: getattr(issue, name) for name in fields} for issue in issues]}, indent=2))
    else:
        for issue in issues:
            print(issue)
        errors = sum(issue.severity == "error" for issue in issues)
        print(f"{len(loaded.spec.signals)} signals, {len(compile_alerts(loaded.spec))} alert rules: ", end="")
        print(f"{errors} errors, {len(issues) - errors} warnings")
    return int(any(issue.severity == "error" for issue in issues))


def generate(
    overlays: Sequence[Path], *, output: Path | None, check_only: bool, form: Form, more: Mapping[str, str]
) -> int:
    """Write everything that follows from the spec, or with `check_only` say what is stale.

    Args:
        overlays: Files merged over the shipped spec; they need an `output`.
        output: The folder; None: this checkout.
        check_only: Write nothing.
        form: How to report.
        more: Files that other rooms generate, by path.

    Returns:
        The exit status: 0 all is as the spec says, 1 it has errors or files are stale, 2 wrong usage.

    Raises:
        SpecError: an overlay cannot be used.
        OSError: a file cannot be read or written.
    """
    from generators import files

    root = output or _ROOT
    if output is None and (overlays or not (_ROOT / "pyproject.toml").is_file()):
        print(
            "tocsin: the files beside the program are those of the shipped spec; name a folder of your own with "
            "--output DIR",
            file=sys.stderr,
        )
        return 2
    loaded = load_with_places(*overlays)
    issues = _issues(loaded)
    if errors := [issue for issue in issues if issue.severity == "error"]:
        print(*errors, sep="\n", file=sys.stderr)
        return 1
    if output is not None:  # a set of files for use; those of this checkout keep their placeholders
        print(*issues, sep="\n", end="\n" if issues else "", file=sys.stderr)
    made = {**files.render_all(loaded.spec), **more}
    found = files.stale(root, made)
    changed = [] if check_only else files.write(root, made)
    left = [stale for stale in found if stale.path not in changed]
    if form == "json":
        stale = [{"path": file.path, "kind": file.kind} for file in left]
        print(json.dumps({"folder": str(root), "files": len(made), "changed": changed, "stale": stale}, indent=2))
    else:
        print(files.report(root, made, changed, left))
    return int(bool(left))


def metrics(overlays: Sequence[Path], pattern: str, *, form: Form) -> int:
    """List the metrics whose name has or matches `pattern`; the exit status: 1 if there is none.

    Raises:
        SpecError: an overlay cannot be used.
    """
    from generators.docs import metrics_text

    spec = load_with_places(*overlays).spec
    found = metrics_text.matching(spec, pattern)
    if not found:
        near = metrics_text.nearest_name(spec, pattern)
        hint = f"; did you mean {near}?" if near else "; without a pattern, all are listed"
        print(f"tocsin metrics: found no metric with {pattern!r} in its name{hint}", file=sys.stderr)
        return 1
    if form == "json":
        print(metrics_text.as_json(spec, found))
    else:
        screen = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if screen else 0
        color = screen and not os.environ.get("NO_COLOR")
        print(metrics_text.as_text(spec, found, width=width, color=bool(color)))
    return 0


def _issues(loaded: LoadedSpec) -> tuple[Issue, ...]:
    today = datetime.datetime.now(datetime.UTC).date()
    return run_checks(loaded.spec, today=today, places=loaded.places, backends=BACKENDS)
