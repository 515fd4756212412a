"""The context of one call: the only things a contract can reach.

Rules it keeps (`chaincode.api.Context` says what each operation does):

* a contract sees and changes its own namespace only;
* every operation is charged before it is done, and bounded by the ledger's parameters;
* what is read is a fresh copy, what is handed over is copied: no contract shares an object with another;
* a call made by a query, or to a query, cannot write.

A contract reaches public names only (the checker refuses the others), so the runtime's own are private.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from chaincode.api import Creator, HistoryEntry, Page
from ledgernode import config
from ledgernode.errors import (
    BadKey,
    BadTimer,
    BadValue,
    DepthExceeded,
    HistoryInTransaction,
    LedgerError,
    ValueTooLarge,
    WriteInQuery,
)
from ledgernode.execution import costs, reward, timers
from ledgernode.execution.contracts import QUERY, TRANSACTION, callable_function
from ledgernode.execution.sandbox.loader import LoadedContract
from ledgernode.execution.scope import Lookups, Scope
from ledgernode.execution.timers import Timer
from ledgernode.execution.values import decode_typed, decode_value, encode_json, encode_value
from ledgernode.store.state import value_of
from ledgernode.wire.keys import SEPARATOR, composite_key, split_composite
from ledgernode.wire.receipt import Event
from ledgernode.wire.transaction import NAME_LIMIT

PAGE_ITEMS: Final = 1_000
"""Of one page of a range: part of the execution version."""

_BOTH: Final = (TRANSACTION, QUERY)
_NOBODYS: Final = (timers.TIMER_ROLE, reward.BLOCK_ROLE)
_QUERIES: Final = (QUERY,)


class CallContext:
    """One call's view of the ledger."""

    __slots__ = ("_caller", "_code", "_depth", "_name", "_prefix", "_scope", "_writes")

    def __init__(
        self, scope: Scope, name: str, code: LoadedContract, *, writes: bool, caller: str = "", depth: int = 1
    ) -> None:
        self._scope = scope
        self._name = name
        self._code = code
        self._writes = writes
        self._caller = caller
        self._depth = depth
        self._prefix = name.encode("ascii") + b"\x00"

    # ------------------------------------------------------------ who, when

    @property
    def creator(self) -> Creator:
        return self._scope.signer.creator

    @property
    def caller(self) -> str:
        return self._caller

    @property
    def contract(self) -> str:
        return self._name

    @property
    def transaction_id(self) -> str:
        return self._scope.transaction_id.hex()

    @property
    def time_ms(self) -> int:
        return self._scope.block.time_ms

    @property
    def height(self) -> int:
        return self._scope.block.height

    def charge(self, units: int) -> None:
        """Pay for work the sandbox does not see, such as a signature check of a system contract."""
        if type(units) is not int or units < 0:
            raise BadValue("a charge is a whole number of units, not negative")
        self._scope.charge(units)

    # ------------------------------------------------------------ one key

    def get(self, key: str, type: Any = None) -> Any:
        scope = self._scope
        scope.charge(costs.READ)
        stored = scope.state.get(self._state_key(key))
        if stored is None:
            return None
        scope.charge(len(stored) // costs.READ_BYTES_PER_UNIT)
        return decode_value(value_of(stored)) if type is None else decode_typed(value_of(stored), type)

    def put(self, key: str, value: Any) -> None:
        scope = self._writing(costs.WRITE)
        raw = encode_value(value, scope.block.limits, scope.charge)
        scope.charge(len(raw) // costs.WRITTEN_BYTES_PER_UNIT)
        scope.state.put(self._state_key(key), raw)

    def delete(self, key: str) -> None:
        scope = self._writing(costs.WRITE)
        scope.state.delete(self._state_key(key))

    # ------------------------------------------------------------ many keys

    def range(
        self, start: str = "", end: str = "", *, type: Any = None, reverse: bool = False
    ) -> Iterator[tuple[str, Any]]:
        low = self._prefix + (self._bound(start) or b"\x01")
        high = self._prefix + self._bound(end) if end else self._prefix[:-1] + b"\x01"
        return self._items(low, high, type, reverse)

    def page(self, start: str = "", end: str = "", *, size: int = 100, bookmark: str = "", type: Any = None) -> Page:
        if not isinstance(size, int) or not 1 <= size <= PAGE_ITEMS:
            raise BadValue(f"a page has 1 to {PAGE_ITEMS} items")
        self._bound(bookmark)
        items: list[tuple[str, Any]] = []
        for key, value in self.range(max(start, bookmark), end, type=type):
            if len(items) == size:
                return Page(items=items, bookmark=key)
            items.append((key, value))
        return Page(items=items, bookmark="")

    def key(self, kind: str, *parts: str) -> str:
        return composite_key(kind, *parts)

    def parts(self, key: str) -> tuple[str, ...]:
        return split_composite(key)

    def matching(self, kind: str, *parts: str, type: Any = None, reverse: bool = False) -> Iterator[tuple[str, Any]]:
        low = self._state_key(composite_key(kind, *parts))
        return self._items(low, low[:-1] + b"\x01", type, reverse)

    # ------------------------------------------------------------ events, other contracts

    def emit(self, name: str, /, **payload: Any) -> None:
        scope = self._writing(costs.EVENT)
        limits = scope.block.limits
        if not isinstance(name, str) or not name.isidentifier() or not name.isascii() or len(name) > NAME_LIMIT:
            raise BadValue(f"an event's name is an identifier of 1 to {NAME_LIMIT} characters")
        if len(scope.events) >= limits.events:
            raise ValueTooLarge(f"a transaction publishes at most {limits.events} events")
        raw = encode_json(payload, limits, scope.charge)
        scope.charge(len(raw) // costs.RECEIPT_BYTES_PER_UNIT)
        scope.events.append(Event(self._name, name, raw))

    def call(self, contract: str, function: str, /, **arguments: Any) -> Any:
        scope = self._scope
        scope.charge(costs.CALL)
        try:
            result = self._call(contract, function, arguments)
        except LedgerError as failure:
            scope.failure = scope.failure or failure
            raise scope.failure from failure.__cause__
        scope.charge(len(result) // costs.READ_BYTES_PER_UNIT)
        return msgspec.json.decode(result)

    def _call(self, contract: str, function: str, arguments: Mapping[str, Any]) -> bytes:
        scope = self._scope
        limits = scope.block.limits
        if self._depth >= limits.call_depth:
            raise DepthExceeded(f"contracts call each other at most {limits.call_depth} deep")
        code = scope.block.contract(contract)
        # what is for timers is for the contract's own: nobody's timer speaks for another contract, nor does a block
        role = "" if scope.signer.role in _NOBODYS and contract != self._name else scope.signer.role
        spec = callable_function(code, function, _BOTH if self._writes else _QUERIES, role)
        context = CallContext(
            scope, contract, code, writes=spec.kind == TRANSACTION, caller=self._name, depth=self._depth + 1
        )
        raw = encode_value(arguments, limits, scope.charge)
        scope.charge(len(raw) // costs.READ_BYTES_PER_UNIT)
        return code.call(function, context, decode_value(raw), scope.meter)

    # ------------------------------------------------------------ timers

    def schedule(self, timer: str, due_ms: int, function: str, /, **arguments: Any) -> None:
        scope = self._writing(costs.TIMER)
        spec = self._code.functions.get(function)
        if spec is None or spec.kind != TRANSACTION:
            raise BadTimer(f"a timer calls a transaction of its own contract, and {function} is none")
        waiting = Timer(due_ms, self._name, timer, function, arguments)
        timers.schedule(scope.state, waiting, scope.block.time_ms, scope.block.limits, scope.charge)

    def cancel(self, timer: str) -> bool:
        scope = self._writing(costs.TIMER)
        return timers.cancel(scope.state, self._name, timer)

    # ------------------------------------------------------------ queries only

    def history(self, key: str, *, limit: int = 100) -> Sequence[HistoryEntry]:
        lookups = self._lookups()
        if not isinstance(limit, int) or not 1 <= limit <= config.LOOKUP_PAGE:
            raise BadValue(f"a history has 1 to {config.LOOKUP_PAGE} entries")
        self._scope.charge(costs.LOOKUP * limit)
        return lookups.history(self._state_key(key), limit)

    def transaction(self, transaction_id: str) -> Mapping[str, Any] | None:
        lookups = self._lookups()
        self._scope.charge(costs.LOOKUP)
        return lookups.transaction(transaction_id)

    # ------------------------------------------------------------ shared

    def _writing(self, units: int) -> Scope:
        if not self._writes:
            raise WriteInQuery(f"{self._name}: a query changes nothing, publishes nothing and sets no timer")
        self._scope.charge(units)
        return self._scope

    def _lookups(self) -> Lookups:
        lookups = self._scope.block.lookups
        if lookups is None:
            raise HistoryInTransaction("history and transaction look-ups exist only in queries")
        return lookups

    def _items(self, low: bytes, high: bytes, type: Any, reverse: bool) -> Iterator[tuple[str, Any]]:
        scope, cut = self._scope, len(self._prefix)
        scope.charge(costs.SCAN + len(scope.state) // costs.OWN_WRITES_PER_UNIT)
        decode: Callable[[bytes], Any] = decode_value if type is None else lambda raw: decode_typed(raw, type)

        def read(item: tuple[bytes, bytes]) -> tuple[str, Any]:
            key, stored = item
            scope.charge(costs.SCANNED_ITEM + len(stored) // costs.READ_BYTES_PER_UNIT)
            return key[cut:].decode(), decode(value_of(stored))

        if low >= high:
            return iter(())
        # a plain map: a generator would show its frame, and with it the runtime
        return map(read, scope.state.scan(low, high, reverse=reverse, hidden=self._pass_hidden))

    def _pass_hidden(self) -> None:
        self._scope.charge(costs.SCANNED_ITEM)

    def _state_key(self, key: str) -> bytes:
        raw = _utf8(key)
        if not 0 < len(raw) <= self._scope.block.limits.key_bytes:
            raise BadKey(f"a key has 1 to {self._scope.block.limits.key_bytes} bytes of UTF-8, this one {len(raw)}")
        if SEPARATOR in key:
            split_composite(key)
        return self._prefix + raw

    def _bound(self, key: str) -> bytes:
        raw = _utf8(key)
        if SEPARATOR in key or len(raw) > self._scope.block.limits.key_bytes:
            raise BadKey("a range runs over simple keys: its ends are text without NUL")
        return raw


def _utf8(key: str) -> bytes:
    if type(key) is not str:
        raise BadKey("a key is text")
    try:
        return key.encode()
    except UnicodeEncodeError as error:
        raise BadKey("a key is text that UTF-8 can carry") from error
