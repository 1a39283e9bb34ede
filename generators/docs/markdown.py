"""Pages in Markdown, from the templates beside this file."""

from __future__ import annotations

import functools
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2

from generators.files import header


class Markdown(str):
    """Text that is Markdown already: whatever else a template writes is escaped."""


def page(template: str, *, escape: bool = True, **values: Any) -> str:
    """A page with its header; a name that the template uses and nobody gave is an error.

    Every value is text, made harmless by `prose`, unless it is `Markdown` or goes through one of the filters: `cell`
    for a text in a table, `code` between backticks, `fenced` in a block of code, `md` for what a template has made.
    Without `escape` all of it is Markdown: for pages about the code itself, of which no overlay says anything.
    """
    return header("<!--", "-->") + "\n" + _environment(escape).get_template(template).render(**values)


def prose(text: object) -> Markdown:
    """A text as Markdown that shows it on one line: no HTML, link, picture, heading or list comes of it.

    Pairs of backticks around code are kept, as they are how the spec's own texts write names.
    """
    if isinstance(text, Markdown):
        return text
    parts = _CODE.split(" ".join(str(text).split()))
    shown = "".join(part if place % 2 else _escaped(part) for place, part in enumerate(parts))
    return Markdown(_BLOCK.sub(lambda found: found[0][:-1] + "\\" + found[0][-1], shown))


def cell(text: object) -> Markdown:
    """As `prose`, inside a table: no bar ends the cell."""
    return Markdown(_BAR.sub(r"\\|", " ".join(prose(text).split())))


def code(text: object) -> Markdown:
    """A text that stands between backticks, in a table or not; its own backticks become apostrophes."""
    return Markdown(_BAR.sub(r"\\|", " ".join(str(text).split()).replace("`", "'")))


def fenced(text: str) -> Markdown:
    """A text in a block of code, which no line of it ends."""
    return Markdown(text.replace("```", "'''"))


def _plain_cell(text: object) -> str:
    return _BAR.sub(r"\\|", " ".join(str(text).split()))


def _escaped(text: str) -> str:
    return _LIVE.sub(lambda found: _ENTITIES.get(found[0], "\\" + found[0]), text)


_CODE = re.compile(r"((?<!`)`[^`]+`(?!`))")
_LIVE = re.compile(r"[<\\\[\]*`~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|&(?=#?\w+;)")
_ENTITIES = {"<": "&lt;", "&": "&amp;"}
_BLOCK = re.compile(r"^(\d*)(?:(?<!\d)[#>+=|-]|(?<=\d)[.)](?=\s|$))")
_BAR = re.compile(r"(?<!\\)\|")


@functools.cache
def _environment(escape: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(str(files("generators.docs") / "templates"))),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        finalize=_final if escape else None,
    )
    environment.filters |= {"cell": cell if escape else _plain_cell, "code": code, "fenced": fenced, "md": Markdown}
    return environment


def _final(value: object) -> object:
    """What a template writes for a value; numbers, and marks between values, stay as they are."""
    return prose(value) if isinstance(value, str) and value.strip(" ,.;|") else value
