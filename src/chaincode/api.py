"""What a contract imports: nothing here knows the node that runs it.

A contract is a class whose public functions are marked:

    class Greeting(Contract):
        name = "greeting"
        version = "1.0.0"

        @transaction
        def say(self, ctx: Context, text: str) -> int: ...

        @query
        def last(self, ctx: Context) -> str: ...

Rules the runtime keeps, and contracts may lean on:

* a call either takes effect whole or not at all: raising anything undoes every write;
* reads see the transaction's own writes, in ranges too, in key order;
* integers only: there is no float, no clock, no randomness and no I/O;
* an instance is made for each call and keeps nothing; state is in `ctx`.

Stored values are JSON-like (int, str, bool, None, list, dict with text keys) or `Record`s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar, dataclass_transform, overload

import msgspec

__all__ = [
    "Context",
    "Contract",
    "Creator",
    "HistoryEntry",
    "Page",
    "Record",
    "Refusal",
    "query",
    "transaction",
]

_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class _FrozenMeta(msgspec.StructMeta):
    """Tells type checkers that records are frozen without each having to say so."""


class Record(msgspec.Struct, metaclass=_FrozenMeta, frozen=True, forbid_unknown_fields=True):
    """A typed value of the state. Changing one means making a new one: `record.replace(field=…)`."""

    def replace(self: _T, **changes: Any) -> _T:
        """A copy with these fields changed."""
        return msgspec.structs.replace(self, **changes)  # type: ignore[type-var]


class Refusal(Exception):
    """A contract says no. Subclass it once per rule, named after the rule, with a stable `code`.

    The receipt's code is ``<contract>.<code>`` and its message is the text given here.
    """

    code: ClassVar[str] = "REFUSED"

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class Creator(Record):
    """Who signed the transaction: the permanent identity, never the current key."""

    id: str
    organisation: str
    role: str
    attributes: dict[str, str] = {}


class HistoryEntry(Record):
    """One past value of a key, newest first; `value` is None where it was deleted."""

    transaction_id: str
    height: int
    time_ms: int
    value: Any
    deleted: bool


class Page(Record):
    """One page of a range: the items, and where to go on ('' at the end)."""

    items: list[tuple[str, Any]]
    bookmark: str


class Context(Protocol):
    """One call's view of the ledger."""

    @property
    def creator(self) -> Creator: ...
    @property
    def caller(self) -> str:
        """The contract that called this one, '' when the transaction did (or a timer)."""
        ...

    @property
    def contract(self) -> str:
        """The name this contract is committed under."""
        ...

    @property
    def transaction_id(self) -> str: ...
    @property
    def time_ms(self) -> int:
        """The block's time, UTC milliseconds: the only clock there is."""
        ...

    @property
    def height(self) -> int: ...

    # state of this contract; keys are text without NUL, or composite keys made by `key`
    @overload
    def get(self, key: str) -> Any: ...
    @overload
    def get(self, key: str, type: type[_T]) -> _T | None: ...
    def put(self, key: str, value: Any) -> None: ...
    def delete(self, key: str) -> None: ...

    def range(
        self, start: str = "", end: str = "", *, type: type[Any] | None = None, reverse: bool = False
    ) -> Iterator[tuple[str, Any]]:
        """Items with start <= key < end ('' = open end), simple keys only, in key order."""
        ...

    def page(
        self, start: str = "", end: str = "", *, size: int = 100, bookmark: str = "", type: type[Any] | None = None
    ) -> Page: ...

    # composite keys: a kind and parts, so that all of a kind can be scanned by its leading parts
    def key(self, kind: str, *parts: str) -> str: ...
    def parts(self, key: str) -> tuple[str, ...]:
        """(kind, part, …) of a composite key."""
        ...

    def matching(
        self, kind: str, *parts: str, type: type[Any] | None = None, reverse: bool = False
    ) -> Iterator[tuple[str, Any]]:
        """Items whose composite key begins with this kind and these whole parts, in key order."""
        ...

    def emit(self, name: str, /, **payload: Any) -> None:
        """Publish an event in past tense (`Transferred`); it stands in the receipt."""
        ...

    def call(self, contract: str, function: str, /, **arguments: Any) -> Any:
        """Call another contract in this same transaction. Its failure undoes the whole transaction."""
        ...

    # timers
    def schedule(self, timer: str, due_ms: int, function: str, /, **arguments: Any) -> None:
        """Have `function` of this contract called in the first block at or after `due_ms`.

        A timer of the same name is replaced. The call's creator is the contract itself.
        """
        ...

    def cancel(self, timer: str) -> bool: ...

    # queries only
    def history(self, key: str, *, limit: int = 100) -> Sequence[HistoryEntry]: ...
    def transaction(self, transaction_id: str) -> Mapping[str, Any] | None: ...


class Contract:
    """Base of every contract. `name` and `version` are what is packaged and approved."""

    name: ClassVar[str] = ""
    version: ClassVar[str] = ""


@overload
def transaction(function: _F) -> _F: ...
@overload
def transaction(*, roles: tuple[str, ...] = (), items: str = "") -> Callable[[_F], _F]: ...
def transaction(function: Any = None, *, roles: tuple[str, ...] = (), items: str = "") -> Any:
    """Mark a function that writes.

    `roles` limits who may call it. `items` names a list argument whose elements get a Merkle root
    of their own in the receipt, so that one of them can be proven without showing the others.
    """
    return _marked(function, "transaction", roles, items)


@overload
def query(function: _F) -> _F: ...
@overload
def query(*, roles: tuple[str, ...] = ()) -> Callable[[_F], _F]: ...
def query(function: Any = None, *, roles: tuple[str, ...] = ()) -> Any:
    """Mark a function that only reads."""
    return _marked(function, "query", roles, "")


def _marked(function: Any, kind: str, roles: tuple[str, ...], items: str) -> Any:
    def mark(target: Any) -> Any:
        target.__chaincode__ = Marking(kind=kind, roles=roles, items=items)
        return target

    return mark if function is None else mark(function)


class Marking(Record):
    """What a decorator noted on a function; the runtime reads it from ``__chaincode__``."""

    kind: str
    roles: tuple[str, ...]
    items: str
