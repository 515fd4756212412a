"""A point as a person may look at it: whether, and from when on. What areas about points have in common."""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

from fastapi import Query

from gateway.api.answering import LARGEST
from gateway.api.asking import Look
from gateway.api.scope import What
from gateway.readmodel.queries import ledger, registry
from gateway.readmodel.queries.registry import PointRow
from gateway.readmodel.zones import UTC, Zone, read_zone

UntilMs = Annotated[int, Query(ge=0, le=LARGEST, description="UTC, milliseconds; 0: up to now")]
SOON_MS: Final = 60_000


class Place(NamedTuple):
    """`since_ms`: nothing from before may be seen, for somebody else lived there."""

    row: PointRow
    since_ms: int


async def place_of(look: Look, point: str, what: What) -> Place | None:
    """None where there is no such point, and where the person may not see this of it."""
    row = await registry.point(look.connection, point)
    if row is None or not look.scope.sees_point(row, what):
        return None
    return Place(row, look.scope.since_ms(row))


async def own_places(look: Look) -> list[Place]:
    """The points of the customer that the person speaks for."""
    if not look.scope.customer:
        return []
    rows = await registry.points_of_customer(look.connection, look.scope.customer)
    return [Place(row, look.scope.since_ms(row)) for row in rows]


async def zone_of(look: Look, utility: str) -> Zone:
    """The utility's local time."""
    row = next((one for one in await registry.utilities(look.connection) if one.organisation == utility), None)
    return read_zone(bytes(row.zone).decode()) if row is not None and bytes(row.zone) != b"null" else UTC


async def block_ms(look: Look) -> int:
    """The time of the block whose state is looked at: "now", as far as the ledger knows."""
    found = await ledger.followed(look.connection)
    assert found is not None, "what is looked at has a block"
    return found.time_ms
