"""Conservation, recomputed: what `ledgernode audit` does.

`verify` shows that the blocks are what the contracts made of the transactions; an audit shows that what
they made adds up. A check is a function of the chain that answers what it found, or names the first break;
every contract that keeps money or energy registers its own. Nothing is taken from a contract's word where it
can be summed anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from ledgernode import config
from ledgernode.errors import AuditFailed
from ledgernode.store.chain import ChainStore
from ledgernode.store.state import StateView, value_of
from ledgernode.wire.keys import composite_key, split_composite, split_state_key, state_key
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.types import Height

Progress = Callable[[int, int], None]
"""(blocks done, blocks in all)"""


class Range(msgspec.Struct, frozen=True):
    """The events of blocks `first` to `last` are summed; the balances are those after `last`."""

    first: Height
    last: Height


class Finding(msgspec.Struct, frozen=True):
    """A law that holds, with the sums that show it."""

    law: str
    sums: dict[str, int]


class AuditReport(msgspec.Struct, frozen=True):
    first: Height
    last: Height
    findings: tuple[Finding, ...]


Check = Callable[[ChainStore, Range, Progress], Finding | None]
"""None where the contract is not there yet. Raises AuditFailed, naming the first break."""


def _silent(_done: int, _total: int) -> None:
    """Nobody watches."""


def audit(
    chain: ChainStore,
    *,
    first: Height | None = None,
    checks: Mapping[str, Check] | None = None,
    progress: Progress = _silent,
) -> AuditReport:
    """Run every check over the blocks from `first` (the earliest possible if not given) to the head.

    Refuses with AuditFailed, naming the law and the first break, and with Pruned where the state before
    `first` is no longer readable.
    """
    last = chain.head.height
    if first is None:
        first = Height(1) if chain.base == 0 else Height(max(chain.base, last - config.READABLE_PAST_HEIGHTS) + 1)
    span = Range(first, last)
    found = [check(chain, span, progress) for _, check in sorted((checks or CHECKS).items())]
    return AuditReport(first, last, tuple(finding for finding in found if finding is not None))


# ---------------------------------------------------------------- the currency


CURRENCY: Final = "currency"
_LAW: Final = "currency: supply = sum of all accounts = minted - burned"
_BOOK: Final = state_key(CURRENCY, "book")


def check_currency(chain: ChainStore, span: Range, progress: Progress) -> Finding | None:
    """The supply is the sum of all accounts; what is in escrow is there twice alike; events explain the supply."""
    with chain.state_at(span.last) as view:
        if view.get(_BOOK) is None:
            return None
        supply = _supply(view)
        available, escrow = _sum_of_accounts(view)
    if available + escrow != supply:
        raise AuditFailed(f"{_LAW}: the book says {supply}, the accounts hold {available} + {escrow} in escrow")
    issued = _issued(chain, span, progress)
    _require_explained(chain, span, issued)
    return Finding(
        _LAW,
        {
            "supply_minor": supply,
            "available_minor": available,
            "escrow_minor": escrow,
            "issued_minor": sum(issued.values()),
        },
    )


CHECKS: Final[Mapping[str, Check]] = {CURRENCY: check_currency}


def _sum_of_accounts(view: StateView) -> tuple[int, int]:
    """(available, escrow) of all accounts; refuses a negative one, and one whose escrows hold another sum."""
    held: dict[str, int] = {}
    for (owner, _), record in _records(view, "escrow"):
        held[owner] = held.get(owner, 0) + record["amount_minor"]
    available = escrow = 0
    for (account,), record in _records(view, "account"):
        if record["available_minor"] < 0 or record["escrow_minor"] < 0:
            raise AuditFailed(f"{_LAW}: account {account} is below zero")
        if record["escrow_minor"] != held.pop(account, 0):
            raise AuditFailed(
                f"{_LAW}: account {account} has {record['escrow_minor']} in escrow, its escrows another sum"
            )
        available += record["available_minor"]
        escrow += record["escrow_minor"]
    for owner in sorted(held):
        raise AuditFailed(f"{_LAW}: there is an escrow of {owner}, who has no account")
    return available, escrow


def _issued(chain: ChainStore, span: Range, progress: Progress) -> dict[int, int]:
    """Minted less burned in each block that says so in its events."""
    issued: dict[int, int] = {}
    for done, height in enumerate(range(span.first, span.last + 1), 1):
        for raw in chain.receipts(Height(height)):
            for event in parse_receipt(raw).events:
                if event.contract == CURRENCY and event.name in ("Minted", "Burned"):
                    amount = msgspec.json.decode(event.payload)["amount_minor"]
                    issued[height] = issued.get(height, 0) + (amount if event.name == "Minted" else -amount)
        progress(done, span.last - span.first + 1)
    return issued


def _require_explained(chain: ChainStore, span: Range, issued: Mapping[int, int]) -> None:
    """The events of the range explain how the supply changed; names the first block after which they do not."""
    before = 0 if span.first == 1 and chain.base == 0 else _supply_at(chain, span.first - 1)

    def explained(height: int) -> bool:
        return _supply_at(chain, height) == before + sum(amount for at, amount in issued.items() if at <= height)

    if span.first > span.last or explained(span.last):
        return
    holds, breaks = int(span.first) - 1, int(span.last)
    oldest = max(holds, chain.base, chain.head.height - config.READABLE_PAST_HEIGHTS)
    if holds < oldest < breaks and explained(oldest):
        holds = oldest
    while breaks - holds > 1 and breaks > oldest:
        middle = max((holds + breaks) // 2, oldest)
        holds, breaks = (middle, breaks) if explained(middle) else (holds, middle)
    where = f"after block {breaks}" if breaks - holds == 1 else f"after block {breaks} or one before it"
    raise AuditFailed(
        f"{_LAW}: {where} the book says {_supply_at(chain, breaks)}, and the events do not explain it", height=breaks
    )


def _supply_at(chain: ChainStore, height: int) -> int:
    with chain.state_at(Height(height)) as view:
        return _supply(view)


def _supply(view: StateView) -> int:
    book = view.get(_BOOK)
    return 0 if book is None else int(msgspec.msgpack.decode(value_of(book))["supply_minor"])


def _records(view: StateView, kind: str) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """(parts of the key, record) of everything of a kind, in key order."""
    start = state_key(CURRENCY, composite_key(kind))
    for key, stored in view.scan(start, start[:-1] + b"\x01"):
        yield split_composite(split_state_key(key)[1])[1:], msgspec.msgpack.decode(value_of(stored))
