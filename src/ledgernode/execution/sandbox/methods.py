"""Methods of built-in values, each with its price; `language.METHODS` is the list of them.

A call `value.name(…)` whose name some built-in value has goes to the guard of that name. A built-in value
gets the metered method, or a refusal; a contract's own object gets the call as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import GeneratorType, MappingProxyType
from typing import Any, Final

from chaincode.api import Contract, Record, Refusal
from ledgernode.errors import ContractFault
from ledgernode.execution.sandbox.callables import Deferred, Stream, size, spread, steps, units_to_copy
from ledgernode.execution.sandbox.language import METHODS
from ledgernode.execution.sandbox.meter import SEAT
from ledgernode.execution.sandbox.operators import charge_comparisons, units_to_move, units_to_search
from ledgernode.execution.sandbox.ordering import ordered
from ledgernode.execution.sandbox.typeforms import TypeForm, real_type
from ledgernode.execution.sandbox.values import key, weigh

MODULE_MARK: Final = "contract:"
"""Begins the module name of every class a contract defines."""

Handler = Callable[..., Any]

_BUILT_IN: Final[tuple[type, ...]] = (
    int, str, list, tuple, dict, range, MappingProxyType, GeneratorType, Stream, Deferred, TypeForm,
    type({}.keys()), type({}.values()), type({}.items()), map, zip, filter, enumerate, BaseException,
)  # fmt: skip


_KINDS_KEPT: Final = 1_024
_open_kinds: dict[type, bool] = {}
"""What `_is_open` has found: it goes by the type alone."""


def is_own(value: Any) -> bool:
    """Whether the value is an object of a class that a contract defined."""
    return type(value).__module__.startswith(MODULE_MARK)


def attribute(value: Any, name: str) -> Any:
    """`value.name` where the name begins with an underscore, or is one that a built-in value has."""
    if name.startswith("_"):
        allowed = is_own(value) or (isinstance(value, type) and value.__module__.startswith(MODULE_MARK))
    else:
        allowed = _is_open(value)
    if not allowed:
        raise ContractFault(f"the attribute {name} is not there to be used on this value")
    return getattr(value, name)


def store_attribute(value: Any, name: str, new: Any) -> None:
    """`value.name = new`: on objects of a contract's own classes only, so that nothing outlives the call."""
    if not is_own(value):
        raise ContractFault(f"the attribute {name} can be set on objects of the contract's own classes only")
    setattr(value, name, new)


def guard_of(name: str) -> Handler:
    """The function that calls of `.name(…)` go to."""
    handlers = {kind: found[name] for kind, found in _HANDLERS.items() if name in found}

    def call(receiver: Any, /, *args: Any, **kwargs: Any) -> Any:
        handler = handlers.get(type(receiver))
        if handler is not None:
            return handler(receiver, *args, **kwargs)
        if not _is_open(receiver):
            raise ContractFault(f"the method {name} is not there to be called on this value")
        if "type" in kwargs:
            kwargs["type"] = real_type(kwargs["type"])
        return getattr(receiver, name)(*map(real_type, args), **kwargs)

    return call


def _is_open(value: Any) -> bool:
    """Whether the value's public attributes are a contract's or a host object's, not a built-in type's."""
    if isinstance(value, type):
        return value.__module__.startswith(MODULE_MARK)
    kind = type(value)
    found = _open_kinds.get(kind)
    if found is None:
        found = isinstance(value, (Record, Contract, Refusal)) or is_own(value) or not isinstance(value, _BUILT_IN)
        if len(_open_kinds) >= _KINDS_KEPT:
            _open_kinds.clear()
        _open_kinds[kind] = found
    return found


# ---------------------------------------------------------------- text


def _linear(name: str, shift: int = 4) -> Handler:
    """A method that reads the text once; its texts given as arguments are read too."""
    raw = getattr(str, name)

    def call(text: str, /, *args: Any) -> Any:
        SEAT.meter.charge(len(text) >> shift)
        for arg in args:
            if type(arg) is not int and arg is not None:
                weigh(arg)
        return raw(text, *args)

    return call


def _searching(name: str, *, backwards: bool = False) -> Handler:
    raw = getattr(str, name)

    def call(text: str, part: Any, /, *args: Any) -> Any:
        _require_text(part)
        SEAT.meter.charge(units_to_search(len(text), len(part), backwards=backwards))
        return raw(text, part, *args)

    return call


def _padding(name: str) -> Handler:
    raw = getattr(str, name)

    def call(text: str, width: Any, /, *args: Any) -> Any:
        if type(width) is not int:
            raise ContractFault("a width is an integer")
        SEAT.meter.charge(max(width, len(text)) >> 4)
        return raw(text, width, *args)

    return call


def _splitting(name: str, *, backwards: bool = False) -> Handler:
    raw = getattr(str, name)

    def call(text: str, /, sep: Any = None, maxsplit: Any = -1) -> Any:
        meter = SEAT.meter
        if sep is None:
            pieces = len(text) // 2 + 1
        else:
            _require_text(sep)
            meter.charge(units_to_search(len(text), len(sep), backwards=backwards))
            pieces = text.count(sep) + 1 if sep else 1
        if type(maxsplit) is int and maxsplit >= 0:
            pieces = min(pieces, maxsplit + 1)
        meter.charge(pieces + (len(text) >> 4))
        return raw(text, sep, maxsplit)

    return call


def _replace(text: str, old: Any, new: Any, count: Any = -1, /) -> str:
    _require_text(old)
    _require_text(new)
    SEAT.meter.charge(units_to_search(len(text), len(old)))
    found = text.count(old)
    if type(count) is int and count >= 0:
        found = min(found, count)
    SEAT.meter.charge((len(text) + found * max(len(new) - len(old), 0) >> 4) + (found >> 2))
    return text.replace(old, new, count)


def _join(text: str, parts: Any, /) -> str:
    listed = parts if type(parts) is list else list(spread(parts))
    SEAT.meter.charge(len(listed) >> 2)
    for part in listed:
        _require_text(part)
    SEAT.meter.charge(sum(map(len, listed)) + len(text) * len(listed) >> 4)
    return text.join(listed)


def _require_text(part: Any) -> None:
    if type(part) is not str:
        raise ContractFault("this method of a text takes text")


# ---------------------------------------------------------------- lists and tuples


def _extend(items: list[Any], more: Any, /) -> None:
    items.extend(spread(more))


def _insert(items: list[Any], at: Any, item: Any, /) -> None:
    SEAT.meter.charge(units_to_move(items))
    items.insert(at, item)


def _pop(items: list[Any], at: Any = -1, /) -> Any:
    if at != -1:
        SEAT.meter.charge(units_to_move(items))
    return items.pop(at)


def _remove(items: list[Any], item: Any, /) -> None:
    charge_comparisons(item, items)
    items.remove(item)


def _sort(items: list[Any], /, *, key: Any = None, reverse: Any = False) -> None:
    items[:] = ordered(items, key, reverse)


def _looking(kind: type, name: str) -> Handler:
    raw = getattr(kind, name)

    def call(items: Any, item: Any, /, *args: Any) -> Any:
        charge_comparisons(item, items)
        return raw(items, item, *args)

    return call


def _copying(kind: type, name: str) -> Handler:
    raw = getattr(kind, name)

    def call(items: Any, /) -> Any:
        SEAT.meter.charge(len(items) if kind is dict else units_to_copy(items))
        return raw(items)

    return call


# ---------------------------------------------------------------- maps


def _by_key(name: str) -> Handler:
    raw = getattr(dict, name)

    def call(items: dict[Any, Any], at: Any, /, *args: Any) -> Any:
        return raw(items, at if type(at) is str and len(at) < 64 else key(at), *args)

    return call


def _proxied_get(items: Mapping[Any, Any], at: Any, default: Any = None, /) -> Any:
    return items.get(key(at), default)


def _proxied_copy(items: Mapping[Any, Any], /) -> dict[Any, Any]:
    SEAT.meter.charge(len(items))
    return dict(items)


def _update(items: dict[Any, Any], more: Any = (), /, **named: Any) -> None:
    items.update(pairs(more), **named)


def pairs(more: Any) -> Any:
    """What a dict can be made of: another one, or pairs; every key looked at."""
    if type(more) in (dict, MappingProxyType):
        SEAT.meter.charge(size(more))
        return more
    found: dict[Any, Any] = {}
    for at, value in steps(more, 4):
        found[key(at)] = value
    return found


def _raw(kind: type, *names: str) -> dict[str, Handler]:
    return {name: getattr(kind, name) for name in names}


_EXPANDING: Final = ("capitalize", "casefold", "lower", "title", "upper")
_SEARCHING: Final = ("count", "find", "index", "partition")
_PADDING: Final = ("center", "ljust", "rjust", "zfill")

_TEXT: Final[dict[str, Handler]] = {
    **{name: _linear(name, shift=2) for name in _EXPANDING},
    **{name: _searching(name) for name in _SEARCHING},
    **{name: _searching(name, backwards=True) for name in ("rfind", "rpartition")},
    **{name: _padding(name) for name in _PADDING},
    "split": _splitting("split"),
    "rsplit": _splitting("rsplit", backwards=True),
    "replace": _replace,
    "join": _join,
}

_HANDLERS: Final[dict[type, dict[str, Handler]]] = {
    str: {**{name: _linear(name) for name in METHODS[str] if name not in _TEXT}, **_TEXT},
    int: _raw(int, "bit_count", "bit_length"),
    bool: _raw(int, "bit_count", "bit_length"),
    list: {
        **_raw(list, "append"),
        "extend": _extend,
        "insert": _insert,
        "pop": _pop,
        "remove": _remove,
        "sort": _sort,
        "copy": _copying(list, "copy"),
        "reverse": _copying(list, "reverse"),
        "clear": _raw(list, "clear")["clear"],
        "count": _looking(list, "count"),
        "index": _looking(list, "index"),
    },
    tuple: {name: _looking(tuple, name) for name in METHODS[tuple]},
    dict: {
        **_raw(dict, "clear", "items", "keys", "values", "popitem"),
        **{name: _by_key(name) for name in ("get", "pop", "setdefault")},
        "copy": _copying(dict, "copy"),
        "update": _update,
    },
    MappingProxyType: {
        **{name: getattr(MappingProxyType, name) for name in ("items", "keys", "values")},
        "get": _proxied_get,
        "copy": _proxied_copy,
    },
}

assert all(set(names) == set(_HANDLERS[kind]) for kind, names in METHODS.items()), "every listed method has a price"
assert set(_HANDLERS) - {bool, MappingProxyType} == set(METHODS), "and no other"
