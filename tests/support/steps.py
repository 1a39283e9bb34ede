"""Work counted in lines of Python that were run: the same on every machine, whatever else it does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any


def steps_of(function: Callable[[], object], *modules: ModuleType) -> int:
    """How many lines of `modules` (of all that is in a package) `function` runs; each turn of a loop counts."""
    places = tuple(_place(module) for module in modules)
    count = 0

    def local(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return local

    def entered(frame: FrameType, _event: str, _argument: Any) -> Any:
        return local if frame.f_code.co_filename.startswith(places) else None

    before = sys.gettrace()
    sys.settrace(entered)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def _place(module: ModuleType) -> str:
    file = Path(str(module.__file__))
    return str(file.parent) if file.name == "__init__.py" else str(file)
