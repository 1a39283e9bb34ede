r"""Finds what patterns match, without ever doing much at once.

`glob.glob` follows links to folders, so that two links make it run for ever, and lists everything before it returns. A
walk goes through the folders from the top, each opened from the one above it. It follows links only if asked to, and
then sees each folder once. It can be left after any number of names, and goes on where it was.

The patterns mean what they mean to `glob.glob`: ``*``, ``?`` and ``[...]`` match within a name and no dot at its
beginning, ``**`` as a whole component stands for any number of folders without a dot. All patterns are matched in one
pass: a folder is read once, however many of them lead through it, and ``**`` twice in a pattern costs no more.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import stat
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from runtime.beneath import FOLDER, LinkError, open_folder

NAMES: Final = 1_000_000
"""Names that one pass looks at, at most."""
MATCHES: Final = 100_000
"""Paths that one pass keeps, at most."""
DEPTH: Final = 64
"""Folders below each other, at most: so many are open at once."""
SHOWN: Final = 100
"""Troubles that are kept, at most."""
LINKS: Final = 100_000
"""Links to folders that are followed in one pass, at most."""

LINK: Final = "is a symbolic link; set `follow_symlinks: true` where links are meant to be read"
_Step = tuple[int, int]  # pattern, and which of its components a name has to match next
_Steps = frozenset[_Step]


@dataclass(frozen=True, slots=True)
class Match:
    """A path that a pattern matches; `status` is that of the link itself, unless links are followed."""

    path: str
    status: os.stat_result


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What becomes of a name: the steps to take inside, if it is a folder; the patterns that end with it."""

    inside: _Steps
    matched: frozenset[int]
    named: bool  # a component that is not ``**`` leads on through it


class _Plan:
    """What the names in a folder are matched with, for one set of steps."""

    def __init__(self, steps: _Steps, patterns: Sequence[_Pattern]) -> None:
        self.literal: dict[str, list[_Step]] = {}
        self._magic: list[tuple[Callable[[str], object], bool, _Step]] = []
        self._deep: list[_Step] = []
        self._lengths = [len(pattern.parts) for pattern in patterns]
        for step in _closed(steps, patterns):
            part = patterns[step[0]].parts[step[1]]
            after = (step[0], step[1] + 1)
            if part == "**":
                self._deep.append(step)
            elif glob.has_magic(part):
                self._magic.append((re.compile(fnmatch.translate(part)).match, part.startswith("."), after))
            else:
                self.literal.setdefault(part, []).append(after)
        self.lists = bool(self._magic or self._deep)

    def judge(self, name: str) -> _Judgement | None:
        """What becomes of `name`, None: nothing."""
        hidden = name.startswith(".")
        after = self.literal.get(name, [])
        if self._magic:
            after = after + [step for match, dotted, step in self._magic if (dotted or not hidden) and match(name)]
        deep = [] if hidden else self._deep
        if not after and not deep:
            return None
        ends = {step[0] for step in after if step[1] == self._lengths[step[0]]}
        ends |= {step[0] for step in deep if step[1] + 1 == self._lengths[step[0]]}
        on = [step for step in after if step[1] < self._lengths[step[0]]]
        return _Judgement(frozenset([*on, *deep]), frozenset(ends), bool(on))


def _closed(steps: _Steps, patterns: Sequence[_Pattern]) -> Iterator[_Step]:
    """The steps, and those behind each ``**``, which may stand for no folder at all."""
    seen: set[_Step] = set()
    for step in steps:
        while step not in seen and step[1] < len(patterns[step[0]].parts):
            seen.add(step)
            yield step
            if patterns[step[0]].parts[step[1]] != "**":
                break
            step = (step[0], step[1] + 1)


class _Pattern:
    def __init__(self, text: str) -> None:
        self.text = text
        self.absolute = text.startswith("/")
        self.parts = tuple(part for part in text.split("/") if part) if "\0" not in text else ()
        self.folders_only = text.endswith("/")


@dataclass(slots=True)
class _Folder:
    """A folder on the way: open, and what of it is not looked at yet."""

    path: str  # as in front of a name
    descriptor: int
    steps: _Steps
    plan: _Plan
    names: Generator[str | os.DirEntry[str], None, None]


class Walk:
    """One pass. `go_on` until it is over, or `close`.

    `matches` are in no order. `refused` says of a path why it cannot be looked at, though a pattern leads through it;
    `oddities` of what else was passed over; `matched` which patterns match anything; `cut`, that there was more than
    one pass looks at; `failed`, that a folder could not be looked into. `looked` counts the names looked at.
    """

    def __init__(
        self, patterns: Sequence[str], *, follow_symlinks: bool, most_names: int = NAMES, most_matches: int = MATCHES
    ) -> None:
        self.matches: list[Match] = []
        self.refused: dict[str, str] = {}
        self.oddities: dict[str, str] = {}
        self.matched: set[str] = set()
        self.cut = False
        self.failed = False
        self.looked = 0
        self._patterns = tuple(_Pattern(text) for text in patterns)
        self._follow = follow_symlinks
        self._most_names, self._most_matches = most_names, most_matches
        self._plans: dict[_Steps, _Plan] = {}
        self._stack: list[_Folder] = []
        self._seen: set[tuple[int, int, _Steps]] = set()  # folders that were entered, while links are followed
        self._links: list[tuple[str, _Steps]] = []  # to folders, looked at after everything that is no link
        self._roots = [
            root for root in ("/", ".") if any(p.parts and p.absolute == (root == "/") for p in self._patterns)
        ]

    def go_on(self, names: int) -> bool:
        """Look at so many names more; whether the pass is over."""
        end = self.looked + names
        while self.looked < end:
            if self.looked >= self._most_names or len(self.matches) >= self._most_matches:
                self.cut = bool(self._stack or self._links or self._roots)
                self.close()
                return True
            if self._stack:
                self._look(self._stack[-1])
            elif self._roots:
                root = self._roots.pop(0)
                steps = frozenset(
                    (n, 0) for n, p in enumerate(self._patterns) if p.parts and p.absolute == (root == "/")
                )
                self._enter(None, root, "/" if root == "/" else "", steps)
            elif self._links:
                path, steps = self._links.pop()
                self._enter_link(path, steps)
            else:
                return True
        return False

    def close(self) -> None:
        """Leave the folders that are open."""
        while self._stack:
            self._leave()
        self._links.clear()
        self._roots.clear()

    # ------------------------------------------------------------------------------------------------ folders
    def _enter(self, above: int | None, name: str, path: str, steps: _Steps) -> None:
        if len(self._stack) >= DEPTH:
            self._odd(path, f"is more than {DEPTH} folders deep and is not read")
            return
        try:
            descriptor = open_folder(above, name)
        except LinkError:  # it became one just now
            self._refuse(path.rstrip("/"), LINK)
            return
        except OSError as error:
            self._failed(path, error)
            return
        self._push(path, descriptor, steps)

    def _enter_link(self, path: str, steps: _Steps) -> None:
        try:
            descriptor = os.open(path, FOLDER & ~os.O_NOFOLLOW)
        except (NotADirectoryError, FileNotFoundError):  # it leads to a file, or nowhere
            self.looked += 1
            return
        except OSError as error:
            self._failed(path, error)
            return
        self._push(f"{path}/", descriptor, steps)

    def _push(self, path: str, descriptor: int, steps: _Steps) -> None:
        self.looked += 1
        if self._follow:
            status = os.fstat(descriptor)
            key = (status.st_dev, status.st_ino, steps)
            if key in self._seen:
                os.close(descriptor)
                return
            self._seen.add(key)
        plan = self._plans.get(steps)
        if plan is None:
            plan = self._plans[steps] = _Plan(steps, self._patterns)
        self._stack.append(_Folder(path, descriptor, steps, plan, self._names(path, descriptor, plan)))

    def _names(self, path: str, descriptor: int, plan: _Plan) -> Generator[str | os.DirEntry[str], None, None]:
        """Names that patterns have as they are, asked for one by one, as a folder may have them and not be listed."""
        yield from plan.literal
        if not plan.lists:
            return
        try:
            listed = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor)
            try:
                with os.scandir(listed) as entries:
                    for entry in entries:
                        if entry.name not in plan.literal:
                            yield entry
            finally:
                os.close(listed)
        except OSError as error:
            self._failed(path, error)

    def _leave(self) -> None:
        folder = self._stack.pop()
        folder.names.close()
        os.close(folder.descriptor)

    # ------------------------------------------------------------------------------------------------ names
    def _look(self, folder: _Folder) -> None:
        entry = next(folder.names, None)
        if entry is None:
            self._leave()
            return
        self.looked += 1
        name = entry if isinstance(entry, str) else entry.name
        judgement = folder.plan.judge(name)
        if judgement is None:
            return
        path = folder.path + name
        try:
            mode = _mode(entry, folder.descriptor) if judgement.inside else 0
            if judgement.matched:
                self._match(path, name, folder.descriptor, judgement.matched)
        except (FileNotFoundError, NotADirectoryError):  # gone since, or a link that leads nowhere
            return
        except OSError as error:
            say = self._odd if isinstance(entry, str) else self._refuse  # a name that is asked for may not be there
            say(path, error.strerror or str(error))
            return
        if stat.S_ISDIR(mode):
            self._enter(folder.descriptor, name, f"{path}/", judgement.inside)
        elif stat.S_ISLNK(mode):
            self._meet_link(path, judgement)

    def _match(self, path: str, name: str, descriptor: int, patterns: frozenset[int]) -> None:
        status = os.stat(name, dir_fd=descriptor, follow_symlinks=self._follow)
        folder = stat.S_ISDIR(status.st_mode)
        ends = [self._patterns[number] for number in patterns]
        # Whoever writes ``**`` does not mean the folders themselves.
        ends = [end for end in ends if (folder or not end.folders_only) and not (folder and end.parts[-1] == "**")]
        if ends:
            self.matched.update(end.text for end in ends)
            self.matches.append(Match(path, status))

    def _meet_link(self, path: str, judgement: _Judgement) -> None:
        if self._follow:
            if len(self._links) < LINKS:
                self._links.append((path, judgement.inside))
            else:
                self.cut = True
        elif judgement.matched:
            pass  # said of the match
        elif judgement.named:
            self._refuse(path, LINK)
        else:
            self._odd(path, "is a symbolic link; a folder behind it is not searched")

    # ------------------------------------------------------------------------------------------------ troubles
    def _failed(self, path: str, error: OSError) -> None:
        self.looked += 1
        self.failed = True
        self._odd(path, f"cannot be looked at: {error.strerror or error}")

    def _refuse(self, path: str, why: str) -> None:
        if len(self.refused) < SHOWN:
            self.refused[path] = why

    def _odd(self, path: str, why: str) -> None:
        if len(self.oddities) < SHOWN:
            self.oddities[path] = why


def _mode(entry: str | os.DirEntry[str], descriptor: int) -> int:
    """The kind of a name, as far as it is needed; that of a listed one costs nothing."""
    if isinstance(entry, str):
        return os.stat(entry, dir_fd=descriptor, follow_symlinks=False).st_mode
    if entry.is_symlink():
        return stat.S_IFLNK
    return stat.S_IFDIR if entry.is_dir(follow_symlinks=False) else stat.S_IFREG
