"""Tables to take away, as CSV and Parquet: for regulators all of them, for staff what is of their organisation.

They leave as they are read, one state of the model from the first row to the last, a million rows at most. Two at a
time, for each holds a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Final, NamedTuple

import msgspec
from fastapi import APIRouter, Depends, Path
from starlette.responses import Response, StreamingResponse

from gateway.api.answering import FromMs, gives
from gateway.api.asking import Asking, Look, Viewer
from gateway.api.places import UntilMs
from gateway.documents.tabular import CSV_TYPE, PARQUET_TYPE, Column, CsvTable, ParquetTable, Written
from gateway.http.app import PREFIX
from gateway.readmodel.bounds import EXPORT_LIMIT
from gateway.readmodel.queries import exports
from gateway.readmodel.queries.exports import EXPORTS, Exported
from ledgernode.errors import AddressUnknown, BadRequest, RateLimited

Named = Annotated[str, Path(pattern="^[a-z_]{1,40}$")]
AT_ONCE: Final = 2
LONGEST_S: Final = 600.0
COUNTING_S: Final = 10.0
_EVER: Final = 1 << 60


class Table(msgspec.Struct, frozen=True):
    name: str
    columns: tuple[Column, ...]


class Tables(msgspec.Struct, frozen=True):
    items: tuple[Table, ...]


class _Stretch(NamedTuple):
    from_ms: int
    until_ms: int


class _Choice(NamedTuple):
    which: Exported
    organisation: str
    from_ms: int
    until_ms: int


def router(asking: Asking) -> APIRouter:
    routes, here = APIRouter(tags=["exports"]), Depends(asking.viewer)
    turns = asyncio.Semaphore(AT_ONCE)

    @routes.get(f"{PREFIX}/exports", responses=gives(Tables, "what can be taken away"))
    async def tables(viewer: Viewer = here) -> Response:
        """Tables and their columns."""

        async def found(look: Look) -> Tables | None:
            if not (look.scope.sees_all or look.scope.staff_of):
                return None
            return Tables(tuple(Table(name, _columns(which)) for name, which in EXPORTS.items()))

        return await viewer.answer(found)

    @routes.get(
        f"{PREFIX}/exports/{{table}}.csv",
        response_class=Response,
        responses={200: {"description": "streamed", "content": {"text/csv": {}}}},
    )
    async def as_csv(table: Named, viewer: Viewer = here, from_ms: FromMs = 0, until_ms: UntilMs = 0) -> Response:
        """A table as CSV: rows of a stretch of time."""
        return await _export(viewer, turns, table, "csv", _Stretch(from_ms, until_ms))

    @routes.get(
        f"{PREFIX}/exports/{{table}}.parquet",
        response_class=Response,
        responses={200: {"description": "streamed", "content": {PARQUET_TYPE: {}}}},
    )
    async def as_parquet(table: Named, viewer: Viewer = here, from_ms: FromMs = 0, until_ms: UntilMs = 0) -> Response:
        """A table as Parquet, numbers as 64-bit integers."""
        return await _export(viewer, turns, table, "parquet", _Stretch(from_ms, until_ms))

    return routes


def _columns(which: Exported) -> tuple[Column, ...]:
    return tuple(Column(name, "integer" if is_number else "text") for name, is_number in which.columns)


async def _export(viewer: Viewer, turns: asyncio.Semaphore, table: str, ending: str, stretch: _Stretch) -> Response:
    """All is refused that is to be refused before the first byte leaves."""
    async with AsyncExitStack() as held:
        if turns.locked():
            raise RateLimited("others are taking tables away: try again in a moment", retry_ms=5_000)
        await held.enter_async_context(turns)
        look = await held.enter_async_context(viewer.looking())
        choice = await _chosen(look, table, stretch)
        headers = viewer.headers(look)
        del headers["etag"]
        headers["content-disposition"] = f'attachment; filename="{table}-{look.height}.{ending}"'
        facts = {"ledger": viewer.asking.chain_id.hex(), "height": str(look.height), "table": table}
        columns = _columns(choice.which)
        out: Written = CsvTable(columns) if ending == "csv" else ParquetTable(columns, facts)
        media_type = CSV_TYPE if ending == "csv" else PARQUET_TYPE
        return _Stream(held.pop_all(), _leaving(look, choice, out), media_type=media_type, headers=headers)


async def _chosen(look: Look, table: str, stretch: _Stretch) -> _Choice:
    which = EXPORTS.get(table)
    if which is None or not (look.scope.sees_all or look.scope.staff_of):
        raise AddressUnknown("nothing is here that this person may see")
    choice = _Choice(which, look.scope.staff_of, stretch.from_ms, stretch.until_ms or _EVER)
    async with asyncio.timeout(COUNTING_S):
        if await exports.are_too_many(look.connection, *choice):
            raise BadRequest(f"these are more than {EXPORT_LIMIT:,} rows: take a shorter stretch of time")
    return choice


async def _leaving(look: Look, choice: _Choice, out: Written) -> AsyncIterator[bytes]:
    yield out.begin()
    async for rows in exports.batches(look.connection, *choice):
        yield await asyncio.to_thread(out.add, rows)
    yield out.end()


class _Stream(StreamingResponse):
    """Gives back what it holds when it ends, also when the caller goes away first; and ends in ten minutes."""

    def __init__(
        self, stack: AsyncExitStack, content: AsyncIterator[bytes], *, media_type: str, headers: dict[str, str]
    ) -> None:
        super().__init__(content, media_type=media_type, headers=headers)
        self._stack = stack

    async def __call__(self, scope: object, receive: object, send: object) -> None:
        async with self._stack, asyncio.timeout(LONGEST_S):
            await super().__call__(scope, receive, send)  # type: ignore[arg-type]
