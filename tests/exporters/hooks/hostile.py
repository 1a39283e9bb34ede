"""Records that no honest gateway makes: deep, circular, shared, huge, and values that want to run code of their own."""

from __future__ import annotations

import enum
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st


class CodeWasRunError(BaseException):
    """What every method of a hostile value raises: no ``except Exception`` stops it."""


RAN: list[str] = []
"""Methods of hostile values that were called."""


def _trap(name: str) -> Callable[..., Any]:
    def run(*_arguments: Any, **_named: Any) -> Any:
        RAN.append(name)
        raise CodeWasRunError(name)

    return run


_TRAPS = (
    *("__str__", "__repr__", "__len__", "__iter__", "__contains__", "__getitem__", "__bool__", "__format__", "__eq__"),
    *("__float__", "__int__", "__index__", "__bytes__", "__fspath__", "__dir__", "__reduce__", "__sizeof__", "__lt__"),
    *(
        "keys",
        "values",
        "items",
        "get",
        "encode",
        "isascii",
        "bit_length",
        "is_integer",
        "hex",
        "isoformat",
        "__next__",
    ),
    *("model_dump", "dict", "json", "__array__", "__dataclass_fields__", "tolist", "__getattr__", "__getattribute__"),
)


def _hostile(base: type, *skip: str) -> type:
    members: dict[str, Any] = {name: _trap(f"{base.__name__}.{name}") for name in _TRAPS if name not in skip}
    if "__eq__" not in skip:
        members["__hash__"] = base.__hash__
    return type(f"Hostile{base.__name__.title()}", (base,), members)


Thing = _hostile(object)
Text = _hostile(str)
Number = _hostile(int)
Share = _hostile(float)
Table = _hostile(dict)
Row = _hostile(list)
Pair = _hostile(tuple)
Bag = _hostile(set)


class Liar(type):
    """A class whose own attributes run code."""

    __mro__ = property(_trap("metaclass __mro__"))
    __name__ = property(_trap("metaclass __name__"))
    __hash__ = _trap("metaclass __hash__")
    __eq__ = _trap("metaclass __eq__")
    __instancecheck__ = _trap("metaclass __instancecheck__")
    __subclasscheck__ = _trap("metaclass __subclasscheck__")


class Disguised(metaclass=Liar):
    """Its ``__class__`` and ``__dict__`` run code."""

    __class__ = property(_trap("__class__"))


class Colour(str, enum.Enum):  # noqa: UP042  # as LiteLLM has them
    """One that is also a text."""

    RED = "red"


class BaseModel:
    """Keeps its fields where pydantic's does, which is not installed here."""

    __slots__ = ("__dict__", "__pydantic_extra__")


class Model(BaseModel):
    """As LiteLLM's answers are, with methods that want to run."""

    def __init__(self, extra: dict[str, Any], **fields: Any) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "__pydantic_extra__", extra)

    model_dump = _trap("model_dump")
    __getattribute__ = _trap("model __getattribute__")
    __str__ = _trap("model __str__")
    __iter__ = _trap("model __iter__")


PYDANTIC = types.ModuleType("pydantic")
PYDANTIC.BaseModel = BaseModel  # type: ignore[attr-defined]


def things() -> list[Any]:
    """One of each hostile value, made anew."""
    return [
        Thing(),
        Text("text of a subclass"),
        Number(7),
        Share(0.5),
        Table({"key": "value"}),
        Row(["item"]),
        Pair(("item",)),
        Bag({"item"}),
        Disguised(),
        Colour.RED,
        Model({"more": 1}, text="model"),
        (number for number in range(10**9)),
        iter([1]),
        deque([1]),
        OrderedDict(a=1),
        defaultdict(list, a=1),
        range(10**12),
        memoryview(b"bytes"),
        b"bytes",
        10**400,
        -(10**5000),
        float("nan"),
        float("inf"),
        "\ud800 half a pair",
        complex(1, 2),
        Ellipsis,
        type,
        Thing,
        frozenset({1}),
        object(),
        ValueError("an exception"),
        lambda: 1,
    ]


def keys() -> list[Any]:
    """Names in dicts that are no plain texts."""
    return [
        None,
        True,
        7,
        10**300,
        1.5,
        (1, 2),
        b"bytes",
        "\ud800",
        "k" * 10_000,
        Text("key"),
        object(),
        Colour.RED,
        "",
    ]


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.integers(min_value=1, max_value=2_000_000).map(lambda size: "x" * size),
    st.integers(min_value=1, max_value=500_000).map(lambda size: "\0" * size),
    st.integers(min_value=1, max_value=200_000).map(lambda size: "\N{SNOWMAN}" * size),
)


@st.composite
def structures(draw: st.DrawFn) -> dict[str, Any]:
    """A record whose parts hold each other in any way, with hostile values among them."""
    boxes: list[Any] = [{} if draw(st.booleans()) else [] for _ in range(draw(st.integers(1, 12)))]
    odd, names = things(), keys()
    for box in boxes:
        for _ in range(draw(st.integers(0, 8))):
            times = draw(st.sampled_from((1, 1, 1, 2, 50, 2_000)))
            match draw(st.integers(0, 3)):
                case 0:
                    value = draw(_SCALARS)
                case 1:
                    value = odd[draw(st.integers(0, len(odd) - 1))]  # hypothesis would look at them
                case _:
                    value = boxes[draw(st.integers(0, len(boxes) - 1))]
            if isinstance(box, list):
                box.extend([value] * times)
            elif draw(st.booleans()):
                box.update((f"{draw(_NAMES)}{number}" if number else draw(_NAMES), value) for number in range(times))
            else:
                box[names[draw(st.integers(0, len(names) - 1))]] = value
    parts = [*boxes, *odd]
    made = {name: parts[draw(st.integers(0, len(parts) - 1))] for name in draw(st.lists(_NAMES, max_size=8))}
    return made | {"litellm_call_id": "hostile", "status": draw(st.sampled_from(("success", "failure")))}


_NAMES = st.sampled_from(
    (
        *("messages", "response", "metadata", "guardrail_information", "guardrail_response", "error_information"),
        *("hidden_params", "model_parameters", "traceback", "content", "choices", "tools", "end_user", "startTime"),
        *("usage_object", "litellm_call_id", "status", "model_map_information", "requester_ip_address", "other"),
    )
)
