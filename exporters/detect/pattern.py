r"""The regular expressions of content rules, and their translation to what every engine understands alike.

They are ordinary expressions without what needs backtracking (look-around, back-references, named groups, anchors) and
without what is costly (long or many gaps, endless repeats). Four things are their own:

* a space stands for any run of white space, in ``[...]`` too, with ``?`` behind it for none too; texts are scanned with
  each run one byte long, so nothing has to repeat it (``\x20`` is a run that begins with a space and has no line feed),
* ``{name}`` stands for any one of a word list,
* nothing matches NUL, which ends texts that are scanned together; ``.`` is any other byte, newline too,
* letters beyond ASCII may stand everywhere, in ``[...]`` too, and are brought to the form that texts are scanned in;
  all counts are of UTF-8 bytes.

The translation is a pure ASCII expression over bytes, so no engine has to know UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exporters.detect.normalize import plain
from spec.errors import nearest

LONGEST_REPEAT = 128
"""Times that a thing may be repeated."""
WIDEST_REPEAT = 40
"""By how much the ends of a repeat may differ: ``.{0,40}``, ``\\d{13,19}``."""
GAP = 8
"""Difference from which a repeat of nearly any byte is a gap."""
MOST_GAPS = 2
"""Gaps in one pattern."""
LONGEST = 15_000
"""Bytes of a translation."""
LONGEST_PATTERN = 4_000
"""Characters of a pattern as it is written."""
DEEPEST = 10
"""Groups inside each other, and word lists."""

_TOKEN = re.compile(
    r"""(?P<escape>\\(?:x[0-9a-fA-F]{2}|.))
      | (?P<set>\[\^?(?:\\.|[^]\\[])+\])
      | (?P<open>\((?:\?:)?(?!\?))
      | (?P<close>\))
      | (?P<count>\{\d+(?:,\d*)?\}|[?*+])
      | (?P<list>\{[a-z]\w*\})
      | (?P<or>\|)
      | (?P<space>[ ]+\??)
      | (?P<any>\.)
      | (?P<letter>[^][(){}*+?^$\\])""",
    re.VERBOSE | re.DOTALL,
)
_WHITE = (r"\s", r"\n", r"\r", r"\t", r"\x20")
_PLAIN_ESCAPES = {r"\d", r"\w", *_WHITE}
_NEGATED_ESCAPES = {r"\S": r"[^\x00\s]", r"\D": r"[^\x00\d]", r"\W": r"[^\x00\w]"}


_KINDS = {
    r"\b": "boundary",
    **dict.fromkeys(_WHITE, "white"),
    **dict.fromkeys((".", *_NEGATED_ESCAPES), "anything"),
}
"""What a token is to a quantifier, where its kind does not say it."""


class PatternError(ValueError):
    """A pattern that is not of the language, or would cost too much."""


@dataclass(frozen=True, slots=True)
class Translation:
    """An ASCII `expression` over bytes, and what its author may not have seen it contain."""

    expression: str
    gaps: int
    beyond_ascii: bool
    boundaries: bool


def translate(pattern: str, *, words: Mapping[str, Sequence[str]] | None = None, ignore_case: bool = True) -> str:
    """The `pattern` as an ASCII expression over bytes, for `re` and Hyperscan alike.

    Raises:
        PatternError: the pattern is not of the language, or is too costly.
    """
    done = _Translator(words or {}, ignore_case, ()).translation(pattern)
    if done.gaps > MOST_GAPS:
        raise PatternError(
            f"{done.gaps} gaps (repeats of nearly any byte, whose ends differ by {GAP} or more); {MOST_GAPS} may be"
        )
    if done.beyond_ascii and done.boundaries:
        raise PatternError(r"a \b together with letters beyond ASCII, which are no word letters to it")
    if len(done.expression) > LONGEST:
        raise PatternError(_too_long(len(done.expression)))
    try:
        compiled = re.compile(done.expression.encode("ascii"))
    except re.error as error:
        raise PatternError(f"not a regular expression: {error.msg}") from None
    if compiled.match(b""):
        raise PatternError("the pattern matches the empty text")
    return done.expression


def alternatives(pattern: str, words: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """The patterns that `pattern` stands for: when it is one ``{name}`` and nothing else, those of the word list.

    Each for itself is cheaper than all in one expression, and may be as long as an expression may be.
    """
    name = pattern[1:-1]
    return words[name] if pattern == f"{{{name}}}" and name in words else [pattern]


def literal(text: bytes) -> str:
    """An expression as by `translate` that matches `text` itself."""
    return "".join(map(_code, text))


class _Translator:
    """Translates one pattern from left to right; `within` are the word lists that are open around it."""

    def __init__(self, words: Mapping[str, Sequence[str]], ignore_case: bool, within: tuple[str, ...]) -> None:
        self._words = words
        self._ignore_case = ignore_case
        self._within = within
        self._gaps = 0
        self._beyond_ascii = False
        self._boundaries = False

    def translation(self, pattern: str) -> Translation:
        if len(pattern) > LONGEST_PATTERN:
            raise PatternError(f"{len(pattern)} characters, expected at most {LONGEST_PATTERN}")
        if any("\ud800" <= letter <= "\udfff" for letter in pattern):
            raise PatternError("half of a surrogate pair, which cannot occur in a text")
        given, pattern = pattern, plain(pattern)
        if _ascii(given) != _ascii(pattern):
            raise PatternError("letters that become ASCII, or take an ASCII letter, when a text is made plain (NFKC)")
        if pattern.startswith(" ") or pattern.endswith((" ", " ?", r"\s")):
            raise PatternError(r"white space at the edge of a pattern, where \x20 is one space")
        out: list[str] = []
        opened: list[int] = []  # gaps before each open group
        item_gaps = 0  # gaps before the thing that a quantifier would repeat
        previous, at, first_end, size = "or", 0, 0, 0
        while at < len(pattern):
            token = _TOKEN.match(pattern, at)
            kind = token.lastgroup if token else None
            try:
                if token is None or kind is None:
                    raise PatternError(_refused(pattern[at:]))
                text = token.group()
                if kind == "count":
                    edge = at == first_end or token.end() == len(pattern)
                    self._count(text, previous, edge=edge, inside=self._gaps - item_gaps)
                else:
                    item_gaps = opened.pop() if kind == "close" and opened else self._gaps
                if kind == "open":
                    opened.append(self._gaps)
                if len(opened) > DEEPEST:
                    raise PatternError(f"groups nested too deeply, expected at most {DEEPEST} levels")
                out.append(self._written(kind, text))
                size += len(out[-1])
                if size > LONGEST:
                    raise PatternError(_too_long(size))
            except PatternError as error:
                raise PatternError(f"at character {at + 1}: {error}") from None
            previous = _KINDS.get(text, "anything" if text.startswith("[^") else kind)
            at = token.end()
            first_end = first_end or at
        return Translation("".join(out), self._gaps, self._beyond_ascii, self._boundaries)

    def _written(self, kind: str, text: str) -> str:
        match kind:
            case "escape":
                return self._escape(text)
            case "set":
                return self._set(text)
            case "any":
                return r"[^\x00]"
            case "space":
                return r"\s?" if text.endswith("?") else r"\s"
            case "list":
                return self._list(text[1:-1])
            case "letter":
                return self._letter(text)
            case _:
                return text

    def _escape(self, text: str) -> str:
        if text in _NEGATED_ESCAPES:
            return _NEGATED_ESCAPES[text]
        if text == r"\b":
            self._boundaries = True
        elif text.startswith(r"\x") and len(text) == 4:
            if not 0 < int(text[2:], 16) < 0x80:
                raise PatternError(r"\x is for 01 to 7f; write other letters plainly")
        elif text not in _PLAIN_ESCAPES and (text[1].isalnum() or not text.isascii()):
            raise PatternError(f"unknown escape {text}")
        return text

    def _set(self, text: str) -> str:
        negated = text.startswith("[^")
        members = re.findall(r"\\x[0-9a-fA-F]{2}|\\.|.", text[2 if negated else 1 : -1], re.DOTALL)
        for member in members:
            if member in _NEGATED_ESCAPES or member == r"\b":
                raise PatternError(f"{member} is not allowed in a class")
            if member.startswith("\\"):
                self._escape(member)
        beyond = [member for member in members if not member.isascii()]
        inner = "".join(r"\s" if member == " " else member for member in members if member.isascii())
        if not beyond:
            return rf"[^\x00{inner}]" if negated else f"[{inner}]"
        if negated or "-" in members:
            raise PatternError("a class with a letter beyond ASCII can be neither negated nor have ranges")
        options = [f"[{inner}]"] if inner else []
        return f"(?:{'|'.join(options + [self._letter(letter) for letter in beyond])})"

    def _list(self, name: str) -> str:
        if name not in self._words:
            raise PatternError(f"the word list {name!r} does not exist{nearest(name, self._words)}")
        if name in self._within:
            raise PatternError(f"the word list {name!r} contains itself")
        if len(self._within) == DEEPEST:
            raise PatternError(f"word lists nested too deeply, expected at most {DEEPEST} levels")
        options: list[str] = []
        most = size = 0
        for item in self._words[name]:
            inner = _Translator(self._words, self._ignore_case, (*self._within, name))
            try:
                done = inner.translation(item)
            except PatternError as error:
                raise PatternError(f"in the word list {name!r}: {error}") from None
            options.append(done.expression)
            size += len(done.expression)
            if size > LONGEST:
                raise PatternError(_too_long(size))
            most = max(most, done.gaps)
            self._beyond_ascii |= done.beyond_ascii
            self._boundaries |= done.boundaries
        self._gaps += most
        return f"(?:{'|'.join(options)})"

    def _letter(self, letter: str) -> str:
        if letter.isascii():
            if letter == "\x00":
                raise PatternError("found NUL, which separates texts; no pattern can match it")
            return letter if letter.isalnum() else _code(ord(letter))
        self._beyond_ascii = True
        forms = {
            form.encode() for form in ([letter, letter.lower(), letter.upper()] if self._ignore_case else [letter])
        }
        heads = {form[:-1] for form in forms}
        if len(heads) == 1:  # the cases of a letter mostly differ in the last byte, and a class is the cheapest choice
            tails = "".join(sorted(_code(form[-1]) for form in forms))
            written = "".join(map(_code, heads.pop())) + (f"[{tails}]" if len(forms) > 1 else tails)
        else:
            written = "|".join(sorted("".join(map(_code, form)) for form in forms))
        return f"(?:{written})"

    def _count(self, text: str, previous: str, *, edge: bool, inside: int) -> None:
        """Check a quantifier after a `previous` token; `edge`: it is the pattern's first or last thing."""
        if previous in ("or", "open", "boundary", "count", "space"):
            what = {"count": "another quantifier", "space": "white space"}.get(previous, "nothing")
            raise PatternError(f"a quantifier on {what}")
        low, high = _bounds(text)
        if previous == "white" and high != 1:
            raise PatternError("a repeat of white space; write one space, which matches any run")
        if high is None:
            raise PatternError(f"an endless repeat, expected at most {{0,{WIDEST_REPEAT}}}")
        if high < low or high > LONGEST_REPEAT or high - low > WIDEST_REPEAT:
            raise PatternError(
                f"a repeat of {low} to {high}; it may go up to {LONGEST_REPEAT}, and its ends differ by {WIDEST_REPEAT}"
            )
        if edge and high - low > 1:
            raise PatternError(
                "a repeat at the edge of a pattern matches more than once; write {20} instead of {20,40}"
            )
        if previous == "anything" and high - low >= GAP:
            self._gaps += 1
        if previous in ("close", "list") and high > 1 and inside:
            raise PatternError("a repeat of something that has a gap in it")


def _too_long(size: int) -> str:
    return f"{size} bytes or more when its word lists are filled in; {LONGEST} may be"


def _ascii(text: str) -> str:
    return "".join(letter for letter in text if letter.isascii())


def _bounds(text: str) -> tuple[int, int | None]:
    if text in "?*+":
        return int(text == "+"), 1 if text == "?" else None
    low, comma, high = text[1:-1].partition(",")
    return int(low), int(low) if not comma else int(high) if high else None


def _refused(rest: str) -> str:
    """Why no token begins here."""
    match rest[0]:
        case "(":
            return "only (?:...) groups are known: no look-around, names or flags"
        case "^" | "$":
            return f"{rest[0]!r}: a rule cannot ask for the start or end of a text or line"
        case "[":
            return r"a class that is empty or not closed, or has a [ in it that is not written \["
        case "{":
            return r"a '{' that begins neither a repeat nor a word list; \{ is the brace itself"
        case _:
            return f"a {rest[0]!r} alone; \\{rest[0]} is the letter itself"


def _code(value: int) -> str:
    letter = chr(value)
    return letter if letter.isascii() and letter.isalnum() else f"\\x{value:02x}"
