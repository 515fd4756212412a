"""`GET /api/v1/live`: what happens, as it happens (server-sent events).

    retry: 2000
    id: 812                      event: hello   {"state": "following", "height": 812, …}    what follows is beyond it
    id: 813.0                    event: block   {"topics": ["blocks"], "block": {…}}
    id: 813.7                    event: news    {"topics": ["points:north:h1"], "contract": "metering", …}
    id: 813                                     nothing new, and all of block 813 was told: every few seconds
                                 event: state   {"state": "ledger away", …}                  and when that is over
    id: 2000                     event: reset   too much was missed: read the pages anew, then go on from here
                                 event: end     {"code": "TICKET_INVALID", …}                nothing more comes

Who comes back sends the last id (`Last-Event-ID`, which browsers do by themselves; or `after`) and is told what it has
missed before what comes next. It ends with the ticket, with the identity, when a topic may not be seen any more, when
the reader does not keep up, and when the gateway stops; `end` says which, and whether to come back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as Asgi

from gateway.api.asking import Asking, Look, Viewer
from gateway.api.news import (
    ALL,
    BLOCKS,
    NOTICES,
    Permit,
    Place,
    keys_of_notices,
    named,
    permits_of_point,
    read_place,
    read_topics,
)
from gateway.api.newsroom import Item, Listener, Newsroom, Standing
from gateway.api.scope import Scope
from gateway.http.app import PREFIX, schema_of
from gateway.http.door import waits
from gateway.readmodel.queries import feeders, market, registry
from gateway.readmodel.queries.ledger import BlockRow
from gateway.sessions.tickets import Person
from ledgernode.errors import AddressUnknown, Broken, LedgerError, NodeStopping, ReaderSlow, Unavailable

CHECK_S: Final = 5.0
"""So often it is asked whether the listener may still listen, and a quiet line says that it lives."""
RETRY_MS: Final = 2_000
_ANEW_MS: Final = 60_000
"""So old may be what a listener was found to see: consents end by themselves."""
_BACK: Final = (Broken, NodeStopping, ReaderSlow, Unavailable)
"""After these a listener comes back."""
_HEADERS: Final = {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
}
Permits = dict[str, Permit]


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """Data of `block` and `news`. `payload` is what the listener may see of the event; none where it is nothing."""

    topics: tuple[str, ...]
    height: int
    number: int
    time_ms: int
    contract: str = ""
    name: str = ""
    transaction: str = ""
    payload: Mapping[str, Any] | None = None
    block: BlockRow | None = None


class Ended(msgspec.Struct, frozen=True):
    """Data of `end` and `reset`."""

    code: str
    reason: str
    come_back: bool


def router(asking: Asking, newsroom: Newsroom) -> APIRouter:
    routes, here = APIRouter(tags=["live"]), Depends(asking.viewer)

    @routes.get(
        f"{PREFIX}/live",
        responses={
            200: {
                "description": "events, until either side ends them",
                "content": {"text/event-stream": {"schema": schema_of(Told)}},
            }
        },
    )
    async def live(
        request: Request,
        topics: Annotated[str, Query(max_length=4_000, description="blocks, notices, points:ID, market:ID, feeder:ID")],
        after: Annotated[str, Query(max_length=40, description="the last id that was told, where none is sent")] = "",
        viewer: Viewer = here,
    ) -> Response:
        """Listen to topics, separated by commas; from now on, or from the last id on."""
        assert viewer.person is not None, "who is there was asked"
        wanted = read_topics(topics)
        last = request.headers.get("last-event-id", "") or after
        place = read_place(last) if last else None
        newsroom.require_room(viewer.person.identity)
        async with viewer.looking() as look:
            permits = await permitted(look, wanted)
        waits(request)
        return Line(asking, newsroom, request, Wanted(viewer.person, wanted, permits, place))

    return routes


async def permitted(look: Look, topics: tuple[str, ...]) -> Permits:
    """What the person may be told of these topics, by key. Refuses (AddressUnknown) one that it may not know of."""
    found: Permits = {}
    for topic in topics:
        kind, which = named(topic)
        if topic == BLOCKS:
            found[topic] = Permit(topic)
        elif topic == NOTICES:
            whole = bool(look.scope.staff_of) or look.scope.sees_all
            found |= {key: Permit(topic, whole=whole) for key in keys_of_notices(look.scope)}
        elif (permit := await _PERMITS[kind](look, which)) is not None:
            found[topic] = permit
        else:
            raise AddressUnknown(f"nothing that this person may see is {topic}")
    return found


async def _of_point(look: Look, which: str) -> Permit | None:
    row = await registry.point(look.connection, which)
    return None if row is None else permits_of_point(look.scope, row)


async def _of_market(look: Look, which: str) -> Permit | None:
    """Of its utility's staff and regulators the whole; of everybody else what names nobody."""
    if not any(row.market == which for row in await market.markets(look.connection)):
        return None
    return Permit(f"market:{which}", whole=_sees(look.scope, which))


async def _of_feeder(look: Look, which: str) -> Permit | None:
    row = await feeders.feeder(look.connection, which)
    if row is None or not look.scope.sees_organisation(row.operator):
        return None
    return Permit(f"feeder:{which}", whole=True)


def _sees(scope: Scope, which: str) -> bool:
    return scope.sees_organisation(which.partition(":")[0])


_PERMITS: Final[Mapping[str, Callable[[Look, str], Awaitable[Permit | None]]]] = {
    "points": _of_point,
    "market": _of_market,
    "feeder": _of_feeder,
}


class Wanted(NamedTuple):
    """Who listens to what, and from where on; None: from now on."""

    person: Person
    topics: tuple[str, ...]
    permits: Permits
    after: Place | None


class Line(Response):
    """One listener's answer, which lasts."""

    def __init__(self, asking: Asking, newsroom: Newsroom, request: Request, wanted: Wanted) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._asking = asking
        self._newsroom = newsroom
        self._request = request
        self._wanted = wanted
        after = wanted.after or Place(newsroom.height, ALL)
        self._listener = Listener(wanted.person.identity, wanted.permits, after)
        self._moved = newsroom.moved
        self._found_ms = asking.clock_ms()

    async def __call__(self, _scope: Asgi, receive: Receive, send: Send) -> None:
        """Until the listener leaves, or is told that it has ended."""

        async def left() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        telling, leaving = asyncio.create_task(self._tell(send)), asyncio.create_task(left())
        try:
            await asyncio.wait((telling, leaving), return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()
        finally:
            self._newsroom.leave(self._listener)
            telling.cancel()
            leaving.cancel()
            await asyncio.gather(telling, leaving, return_exceptions=True)

    async def _tell(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

        async def say(text: bytes) -> None:
            await send({"type": "http.response.body", "body": text, "more_body": True})

        try:
            await self._say_all(say)
        except LedgerError as error:
            ended = Ended(error.code, str(error), isinstance(error, _BACK))
            await say(_event("end", ended))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _say_all(self, say: Callable[[bytes], Awaitable[None]]) -> None:
        listener, newsroom = self._listener, self._newsroom
        height = newsroom.enter(listener)
        await say(b"retry: %d\n\n" % RETRY_MS)
        if self._wanted.after is None or newsroom.is_lost(self._wanted.after):
            listener.after = Place(height, ALL)
            if self._wanted.after is not None:
                lost = Ended("RESET", "too much was missed to be told: read anew, then go on", come_back=False)
                await say(_event("reset", lost, listener.after))
        standing = newsroom.standing
        listener.knows = standing.state
        await say(_event("hello", standing, listener.after))
        async for item in newsroom.missed(listener, height):
            await say(_said(item))
        loop = asyncio.get_running_loop()
        checked = loop.time()
        while True:
            try:
                async with asyncio.timeout_at(checked + CHECK_S):
                    came = await listener.next()
            except TimeoutError:
                came = None
            if came is not None:
                await say(_event("state", came) if isinstance(came, Standing) else _said(came))
            if loop.time() >= checked + CHECK_S:
                await self._check()
                checked = loop.time()
                if listener.has_all and newsroom.height >= listener.after.height:
                    await say(_line_of(Place(newsroom.height, ALL)))

    async def _check(self) -> None:
        """May this person still listen to this? Raises where not. Who cannot be asked now is asked the next time: as
        long as ledger or model are away, there is no news either.
        """
        with suppress(Unavailable):
            person = await self._asking.sessions.still(self._request)
            moved, now_ms = self._newsroom.moved, self._asking.clock_ms()
            if moved == self._moved and now_ms < self._found_ms + _ANEW_MS:
                return
            async with Viewer(self._asking, self._request, person).looking() as look:
                permits = await permitted(look, self._wanted.topics)
            self._newsroom.permit(self._listener, permits)
            self._moved, self._found_ms = moved, now_ms


def _said(item: Item) -> bytes:
    news = item.news
    told = Told(
        item.topics,
        *news.place,
        news.time_ms,
        contract=news.contract,
        name=news.name,
        transaction=news.transaction,
        payload=item.payload,
        block=news.block,
    )
    return _event("block" if news.block is not None else "news", told, news.place)


def _event(name: str, data: object, place: Place | None = None) -> bytes:
    """JSON has no line ends of its own."""
    head = f"id: {place}\n" if place is not None else ""
    return f"{head}event: {name}\ndata: ".encode() + msgspec.json.encode(data) + b"\n\n"


def _line_of(place: Place) -> bytes:
    """Moves the place that a browser comes back with, and is no event."""
    return f"id: {place}\n\n".encode()
