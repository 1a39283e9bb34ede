"""Pages in Markdown, from the templates beside this file."""

from __future__ import annotations

import functools
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2

from generators.files import header


def page(template: str, **values: Any) -> str:
    """A page with its header; a name that the template uses and nobody gave is an error."""
    return header("<!--", "-->") + "\n" + _environment().get_template(template).render(**values)


def cell(text: object) -> str:
    """A text inside a table: one line, and no bar that would end the cell."""
    return " ".join(str(text).split()).replace("|", "\\|")


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(str(files("generators") / "templates"))),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["cell"] = cell
    return environment
