"""Notices: what a person is to know without looking for it. For customers: credit that runs low, supply that is off,
bills that are due. For staff: what waits for a decision, and what alarms. Each is a row of the model with its place on
the ledger, so that a page which was told once asks only for what came since.

    low_credit      a prepaid meter says that it has little; until it says that it has more
    supply_off      two of the staff have switched a point off
    bill_due        a bill is due within two weeks
    bill_overdue    it was not paid in time
    key_changed     the key of one's own identity was rotated, or replaced by the utility; for thirty days
    proposal, claim, dispute, alert    waits for staff
"""

from __future__ import annotations

from typing import Final, TypedDict

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import Response

from gateway.api.answering import gives
from gateway.api.asking import Asking, Look, Viewer
from gateway.api.places import block_ms, own_places
from gateway.http.app import PREFIX
from gateway.readmodel.queries import billing, feeders, governance, ledger, prepaid, registry
from gateway.readmodel.queries.pages import Placed
from gateway.readmodel.zones import DAY_MS

SOON_MS: Final = 14 * DAY_MS
KEY_TOLD_MS: Final = 30 * DAY_MS
LIMIT: Final = 100
"""Of each kind."""


class Notice(Placed, frozen=True):
    """`about` is the point, bill, proposal, premises or feeder; what does not belong to a kind is null."""

    kind: str
    about: str
    since_ms: int
    due_ms: int | None = None
    amount_minor: int | None = None
    energy_mwh: int | None = None
    detail: str = ""


class Notices(msgspec.Struct, frozen=True):
    """The last change first."""

    items: tuple[Notice, ...]


def router(asking: Asking) -> APIRouter:
    routes, here = APIRouter(tags=["notices"]), Depends(asking.viewer)

    @routes.get(f"{PREFIX}/notices", responses=gives(Notices, "the last change first"))
    async def notices(viewer: Viewer = here) -> Response:
        """What the person is to know, and what waits for it."""

        async def found(look: Look) -> Notices:
            return Notices(await notices_since(look, -1))

        return await viewer.answer(found)

    return routes


async def notices_since(look: Look, height: int) -> tuple[Notice, ...]:
    """Those that blocks after this height have changed; -1: all that stand. For live pages."""
    found = await _of_key(look)
    if look.scope.customer:
        found += await _of_customer(look)
    if look.scope.staff_of:
        found += await _of_staff(look)
    fresh = (one for one in found if one.height > height)
    return tuple(sorted(fresh, key=lambda one: (-one.height, -one.position, one.kind, one.about)))


async def _of_key(look: Look) -> list[Notice]:
    """Who lost its phrase is told that the utility has put another key in place; and so is who has not."""
    keys = await governance.keys(look.connection, look.scope.identity) if look.scope.identity else ()
    if len(keys) < 2:
        return []
    newest = keys[-1]
    done = await ledger.transaction(look.connection, bytes.fromhex(newest.transaction))
    if done is None or done.row.time_ms < await block_ms(look) - KEY_TOLD_MS:
        return []
    return [Notice("key_changed", look.scope.identity, done.row.time_ms, detail=done.row.function, **_at(newest))]


async def _of_customer(look: Look) -> list[Notice]:
    found: list[Notice] = []
    for place in await own_places(look):
        row = await prepaid.prepaid(look.connection, place.row.point) if place.row.prepaid else None
        if row is None:
            continue
        at = _at(row)
        if row.low and row.balance_ms >= place.since_ms:
            found.append(Notice("low_credit", row.point, row.low_ms, energy_mwh=row.balance_mwh, **at))
        if row.supply_blocked:
            found.append(Notice("supply_off", row.point, row.balance_ms, **at))
    return found + await _bills(look, "", look.scope.customer)


async def _bills(look: Look, utility: str, customer: str) -> list[Notice]:
    now_ms = await block_ms(look)
    found = []
    for bill in await billing.due(look.connection, utility, now_ms + SOON_MS, customer=customer, size=LIMIT):
        left_minor = billing.open_of(bill)
        if left_minor > 0:
            kind = "bill_overdue" if bill.overdue or bill.due_ms < now_ms else "bill_due"
            notice = Notice(
                kind, bill.invoice, bill.issued_ms, due_ms=bill.due_ms, amount_minor=left_minor, **_at(bill)
            )
            found.append(notice)
    return found


async def _of_staff(look: Look) -> list[Notice]:
    """What a second person is to decide is told to all but the first."""
    connection, own = look.connection, look.scope.staff_of
    found = [
        Notice("proposal", row.proposal, row.proposed_ms, detail=f"{row.contract}.{row.function}", **_at(row))
        for row in (await governance.proposals(connection, organisation=own, size=LIMIT)).items
        if row.proposer != look.scope.identity
    ]
    claims = await registry.claims(connection, utility=own)
    found += [Notice("claim", row.premises, row.claimed_ms, detail=row.wallet, **_at(row)) for row in claims[:LIMIT]]
    disputes = await billing.invoices(connection, utility=own, disputed_only=True, size=LIMIT)
    found += [
        Notice(
            "dispute",
            row.invoice,
            row.issued_ms,
            detail=row.dispute_text,
            amount_minor=billing.open_of(row),
            **_at(row),
        )
        for row in disputes.items
    ]
    alerts = await feeders.alerts(connection, operator=own, size=LIMIT)
    return found + [Notice("alert", row.feeder, row.opened_ms, detail=row.kind, **_at(row)) for row in alerts.items]


class _At(TypedDict):
    height: int
    position: int
    transaction: str


def _at(row: Placed) -> _At:
    return {"height": row.height, "position": row.position, "transaction": row.transaction}
