"""Every picture of the documentation is made by the one command, and none is left over."""

from __future__ import annotations

import re
from pathlib import Path

from tests.pictures.names import FOLDER, PICTURES
from tests.support.pages import PAGES, ROOT

MADE = {picture.name for picture in PICTURES}


def test_the_docs_show_what_is_made_and_all_of_it() -> None:
    shown = set()
    for page in PAGES:
        for link in re.findall(r"!\[[^]]*\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            picture = (page.parent / link).resolve()
            assert picture.parent == FOLDER, (page.name, link)
            shown.add(picture.name)
    assert shown == MADE


def test_nothing_else_lies_beside_them() -> None:
    assert {path.name for path in FOLDER.iterdir()} == MADE


def test_each_dashboard_has_its_picture() -> None:
    boards = {path.stem for path in Path(ROOT / "dashboards").glob("*.json")}
    assert {picture.dashboard for picture in PICTURES if picture.dashboard} == boards


def test_each_is_of_one_thing() -> None:
    assert all(bool(picture.dashboard) != bool(picture.page) for picture in PICTURES)
    assert {picture.page for picture in PICTURES} <= {"", "demo", "report"}
