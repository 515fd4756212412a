"""What the ledger has under a person's name, asked of the read model."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.scope import Holdings, Home, Let
from gateway.readmodel.queries import accounts, registry
from gateway.sessions.tickets import Person
from ledgernode.identity.records import Role


async def holdings_of(connection: AsyncConnection, person: Person) -> Holdings:
    """As of the connection's state."""
    currency = await accounts.currency(connection)
    issuer = currency.issuer if currency is not None else ""
    customer = ""
    homes: dict[str, Home] = {}
    if person.role is Role.CUSTOMER:
        customer = await registry.customer_of_wallet(connection, person.identity)
    if customer:
        points = await registry.points_of_customer(connection, customer)
        since_ms = await _since_ms(connection, customer)
        homes = {row.point: Home(row.premises, since_ms.get(row.premises, 0), row.meter) for row in points}
    return Holdings(customer, homes, await _lets(connection, person.identity), issuer)


async def _lets(connection: AsyncConnection, reader: str) -> dict[str, Let]:
    """Consents of those who live there now."""
    found: dict[str, Let] = {}
    for row in await registry.consents(connection, reader=reader) if reader else ():
        point = await registry.point(connection, row.point) if not row.withdrawn else None
        if point is None or not point.customer:
            continue
        giver = await registry.wallet(connection, row.given_by)
        if giver is None or giver.customer != point.customer:
            continue
        since_ms = (await _since_ms(connection, point.customer)).get(point.premises, 0)
        found[row.point] = Let(point.customer, frozenset(row.scopes.split(",")), row.until_ms, since_ms)
    return found


async def _since_ms(connection: AsyncConnection, customer: str) -> dict[str, int]:
    """Since when a customer lives in its premises: the latest time each."""
    found: dict[str, int] = {}
    for row in await registry.tenancies(connection, customer=customer):
        found.setdefault(row.premises, row.from_ms)
    return found
