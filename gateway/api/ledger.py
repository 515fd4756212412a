"""What a ledger is, and what happened on it: blocks, transactions, events, search.

Blocks are for whoever is signed in. Of a transaction or an event everybody sees that it was, where and when; who called
and what was said is for those whom `scope` names. A filter by what one may not see finds nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from gateway.api.answering import LARGEST, SIZE, TEXT, After, Filter, Size, gives, moment
from gateway.api.asking import Asking, Look, Viewer
from gateway.api.finding import search_for
from gateway.http.app import PREFIX
from gateway.readmodel.queries import accounts, governance, ledger, registry
from gateway.readmodel.queries.ledger import BlockDetail, BlockRow, CallRow, EventRow, TransactionDetail, TransactionRow
from gateway.readmodel.queries.pages import Page
from gateway.readmodel.queries.search import LONGEST, Found
from ledgernode.errors import BadRequest, LedgerError, Unavailable
from ledgernode.wire.parameters import Parameters

Hash = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
HeightOrHash = Annotated[str, Path(pattern="^([0-9]{1,18}|[0-9a-f]{64})$")]
Identity = Annotated[str, Query(pattern="^([0-9a-f]{64})?$", description="an identity, in hex")]
Height = Annotated[int | None, Query(ge=0, le=LARGEST)]
Words = Annotated[str, Query(min_length=1, max_length=LONGEST, pattern=TEXT)]
_ASKED_EVERY_MS: Final = 2_000
_WAIT_S: Final = 2.0
_NOTHING: Final = CallRow(msgspec.Raw(b"null"), 0, msgspec.Raw(b"null"), "")


class Standing(msgspec.Struct, frozen=True):
    """How the read model stands: `behind` is how many blocks the ledger is known to be ahead."""

    height: int
    time_ms: int
    state: str
    behind: int


class Ground(msgspec.Struct, frozen=True):
    """What energy and money are counted in; `zones` are the utilities' time zones, as data."""

    interval_ms: int
    currency: str
    digits: int
    zones: dict[str, msgspec.Raw]


class LedgerShown(msgspec.Struct, frozen=True):
    """`engine` and `parameters` are null while no node answers, `ground` while the database does not."""

    name: str
    chain_id: str
    engine: str | None
    parameters: Parameters | None
    ground: Ground | None
    model: Standing


class Shown(msgspec.Struct, frozen=True):
    """A transaction. `withheld`: that it was may be seen, and not what was said (arguments and result are null)."""

    row: TransactionRow
    call: CallRow
    events: tuple[EventRow, ...]
    withheld: bool


class Finds(msgspec.Struct, frozen=True):
    items: tuple[Found, ...]


def router(asking: Asking) -> APIRouter:
    routes = APIRouter(tags=["ledger"])
    here, anybody = Depends(asking.viewer), Depends(asking.anybody)
    facts = _Facts(asking)

    @routes.get(
        f"{PREFIX}/ledger",
        dependencies=[anybody],
        responses=gives(LedgerShown, "the ledger, and how the model of it stands"),
    )
    async def which() -> Response:
        """What this ledger is. Needs no session."""
        return moment(await facts.shown())

    @routes.get(f"{PREFIX}/blocks", responses=gives(Page[BlockRow], "newest first"))
    async def blocks(viewer: Viewer = here, size: Size = SIZE, after: After = "") -> Response:
        """Blocks."""
        return await viewer.answer(lambda look: ledger.blocks(look.connection, size=size, after=after))

    @routes.get(f"{PREFIX}/blocks/{{which}}", responses=gives(BlockDetail, "with its header and who has signed it"))
    async def block(which: HeightOrHash, viewer: Viewer = here) -> Response:
        """A block, by its height or by its header's hash."""
        key = bytes.fromhex(which) if len(which) == 64 else int(which)
        return await viewer.answer(lambda look: ledger.block(look.connection, key))

    @routes.get(f"{PREFIX}/transactions", responses=gives(Page[TransactionRow], "newest first"))
    async def transactions(
        *,
        viewer: Viewer = here,
        contract: Filter = "",
        function: Filter = "",
        creator: Identity = "",
        height: Height = None,
        refused: bool = False,
        size: Size = SIZE,
        after: After = "",
    ) -> Response:
        """Transactions and timers' calls. `creator` is empty where it is not for the person to know."""
        if function and not contract:
            raise BadRequest("a function is a contract's: ask for that contract as well")

        async def found(look: Look) -> Page[TransactionRow]:
            if creator and not await _sees_creator(look, creator):
                return Page(())
            page = await ledger.transactions(
                look.connection,
                contract=contract,
                function=function,
                creator=creator,
                height=height,
                refused=refused,
                size=size,
                after=after,
            )
            return Page(await _named(look, page.items), page.after)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/transactions/{{which}}", responses=gives(Shown, "with what was said and what came of it"))
    async def transaction(which: Hash, viewer: Viewer = here) -> Response:
        """A transaction or a timer's call, by its id."""

        async def found(look: Look) -> Shown | None:
            detail = await ledger.transaction(look.connection, bytes.fromhex(which))
            return None if detail is None else await shown(look, detail)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/events", responses=gives(Page[EventRow], "newest first"))
    async def events(
        *,
        viewer: Viewer = here,
        contract: Filter = "",
        name: Filter = "",
        subject: Filter = "",
        size: Size = SIZE,
        after: After = "",
    ) -> Response:
        """Events: of a contract, a name, or about something. Those of others have no subject and no payload."""

        async def found(look: Look) -> Page[EventRow]:
            if subject and not look.scope.concerns(subject, (await _organisations(look, [subject])).get(subject, "")):
                return Page(())
            page = await ledger.events(
                look.connection, contract=contract, name=name, subject=subject, size=size, after=after
            )
            begun_ms = look.scope.begun_ms(subject)
            items = tuple(row for row in page.items if row.time_ms >= begun_ms)
            return Page(await _told(look, items), page.after if len(items) == len(page.items) else "")

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/search", responses=gives(Finds, "up to five of each kind"))
    async def search(q: Words, viewer: Viewer = here) -> Response:
        """Find by a height, a hash or an id or how it begins, a name, a PAN."""

        async def found(look: Look) -> Finds:
            return Finds(await search_for(look, q))

        return await viewer.answer(found)

    return routes


class _Facts:
    """What a node says of its ledger: asked now and then, and remembered while none answers."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._asked_ms = -_ASKED_EVERY_MS
        self._known: tuple[str, Parameters] | None = None

    async def shown(self) -> LedgerShown:
        asking, status = self._asking, self._asking.model.status
        engine, parameters = await self._facts() or (None, None)
        try:
            async with asyncio.timeout(_WAIT_S), asking.model.reading() as connection:
                ground = await _ground(connection)
        except (Unavailable, TimeoutError):
            ground = None
        standing = Standing(status.height, status.time_ms, str(status.state), status.behind)
        return LedgerShown(asking.name, asking.chain_id.hex(), engine, parameters, ground, standing)

    async def _facts(self) -> tuple[str, Parameters] | None:
        now_ms = self._asking.clock_ms()
        if abs(now_ms - self._asked_ms) >= _ASKED_EVERY_MS:
            self._asked_ms = now_ms
            with contextlib.suppress(LedgerError, TimeoutError):  # both change by governance alone
                async with asyncio.timeout(_WAIT_S):
                    facts = await self._asking.ledger.facts()
                self._known = facts.engine, facts.parameters
        return self._known


async def _ground(connection: AsyncConnection) -> Ground | None:
    found = await registry.ground(connection)
    if found is None:
        return None
    currency = await accounts.currency(connection)
    zones = {row.organisation: row.zone for row in await registry.utilities(connection)}
    return Ground(found.interval_ms, currency.code if currency is not None else "", found.digits, zones)


# ---------------------------------------------------------------- what is shown of it


async def _organisations(look: Look, identities: Collection[str]) -> dict[str, str]:
    """Of those among these that are identities. Asked for staff alone: nobody else is judged by it."""
    if not look.scope.staff_of:
        return {}
    return await governance.organisations_of(look.connection, {one for one in identities if one})


async def _sees_creator(look: Look, creator: str) -> bool:
    return look.scope.sees_call("", creator, (await _organisations(look, [creator])).get(creator, ""))


async def _named(look: Look, rows: tuple[TransactionRow, ...]) -> tuple[TransactionRow, ...]:
    """With the creators that the person may know."""
    organisations = await _organisations(look, [row.creator for row in rows])
    return tuple(
        row
        if look.scope.sees_call(row.contract, row.creator, organisations.get(row.creator, ""), row.time_ms)
        else msgspec.structs.replace(row, creator="")
        for row in rows
    )


async def _told(look: Look, rows: tuple[EventRow, ...]) -> tuple[EventRow, ...]:
    """With the subjects and payloads that are for the person: about it, of a public contract, or of its own call."""
    wanted = [row.subject for row in rows]
    organisations = await _organisations(look, wanted)
    return tuple(row if _is_for(look, row, organisations.get(row.subject, "")) else _silent(row) for row in rows)


def _is_for(look: Look, row: EventRow, organisation: str) -> bool:
    return look.scope.sees_call(row.contract, "", "") or look.scope.concerns(row.subject, organisation, row.time_ms)


def _silent(row: EventRow) -> EventRow:
    return msgspec.structs.replace(row, subject="", payload=msgspec.Raw(b"null"))


async def shown(look: Look, found: TransactionDetail) -> Shown:
    """The whole to its creator, its utility and whom alone it is about; else without what was said and by whom."""
    row = found.row
    organisation = (await _organisations(look, [row.creator])).get(row.creator, "")
    if look.scope.sees_call(row.contract, row.creator, organisation, row.time_ms):
        return Shown(row, found.call, found.events, withheld=False)
    events = await _told(look, found.events)
    if events and events == found.events:
        return Shown(msgspec.structs.replace(row, creator=""), found.call, events, withheld=False)
    return Shown(msgspec.structs.replace(row, creator=""), _NOTHING, events, withheld=True)
