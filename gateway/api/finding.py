"""Search, for what a person may see: what is found and is somebody else's is left out as if it was not there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Final

from gateway.api.asking import Look
from gateway.api.scope import organisation_of
from gateway.readmodel.queries import billing, governance, market, registry
from gateway.readmodel.queries.search import OF_A_KIND, Found, search

_LOOKED_THROUGH: Final = 20
"""Of each kind: so many of somebody else's may stand before the person's own."""
_PUBLIC: Final = frozenset({"block", "transaction", "market", "area", "tariff"})


async def search_for(look: Look, text: str) -> tuple[Found, ...]:
    """Up to five of each kind. What is the customer's own is found however much of others' begins alike."""
    found = _own(look, text.strip())
    found += await search(look.connection, text, of_a_kind=OF_A_KIND if look.scope.sees_all else _LOOKED_THROUGH)
    chosen: list[Found] = []
    for _, alike in groupby(sorted(dict.fromkeys(found), key=_ORDER), _ORDER):
        left = OF_A_KIND
        for one in alike:
            if left and await _may_find(look, one):
                chosen.append(one)
                left -= 1
    return tuple(chosen)


_ORDER: Final = attrgetter("kind")


def _own(look: Look, text: str) -> list[Found]:
    if len(text) < 2 or not look.scope.customer:
        return []
    named = [("customer", look.scope.customer), *(("point", point) for point in look.scope.points)]
    return [Found(kind, name, name) for kind, name in named if name.startswith(text)]


async def _may_find(look: Look, found: Found) -> bool:
    return look.scope.sees_all or found.kind in _PUBLIC or await _JUDGED[found.kind](look, found.id)


async def _identity(look: Look, which: str) -> bool:
    row = await governance.identity(look.connection, which)
    return row is not None and look.scope.sees_name(which, row.organisation, row.role)


async def _account(look: Look, which: str) -> bool:
    row = await governance.identity(look.connection, which)
    organisation, role = (row.organisation, row.role) if row is not None else ("", "")
    return look.scope.sees_account(which, organisation, role)


async def _wallet(look: Look, which: str) -> bool:
    return look.scope.is_self(which) or look.scope.sees_customer(
        await registry.customer_of_wallet(look.connection, which)
    )


async def _customer(look: Look, which: str) -> bool:
    return look.scope.sees_customer(which)


async def _premises(look: Look, which: str) -> bool:
    own = any(home.premises == which for home in look.scope.holdings.homes.values())
    return (own and bool(look.scope.customer)) or look.scope.sees_organisation(organisation_of(which))


async def _point(look: Look, which: str) -> bool:
    row = await registry.point(look.connection, which)
    return row is not None and look.scope.knows_point(row)


async def _meter(look: Look, which: str) -> bool:
    row = await registry.meter(look.connection, which)
    return row is not None and await _point(look, row.point)


async def _organisations(look: Look, which: str) -> bool:
    return look.scope.sees_organisation(organisation_of(which))


async def _invoice(look: Look, which: str) -> bool:
    row = await billing.invoice(look.connection, which)
    return row is not None and (
        look.scope.sees_customer(row.customer) or look.scope.is_let(row.point, "bills", row.customer)
    )


async def _order(look: Look, which: str) -> bool:
    row = await market.order(look.connection, int(which))
    return row is not None and look.scope.sees_customer(row.customer)


async def _trade(look: Look, which: str) -> bool:
    row = await market.trade(look.connection, int(which))
    return row is not None and (await _point(look, row.seller_point) or await _point(look, row.buyer_point))


_JUDGED: Final[Mapping[str, Callable[[Look, str], Awaitable[bool]]]] = {
    "identity": _identity,
    "account": _account,
    "wallet": _wallet,
    "customer": _customer,
    "premises": _premises,
    "point": _point,
    "meter": _meter,
    "feeder": _organisations,
    "transformer": _organisations,
    "invoice": _invoice,
    "order": _order,
    "trade": _trade,
}
