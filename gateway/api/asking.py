"""What every area is given, and what a request is to it.

    def router(asking: Asking) -> APIRouter:
        routes, here = APIRouter(tags=["registry"]), Depends(asking.viewer)

        @routes.get(f"{PREFIX}/points/{{point}}", responses=gives(PointRow, "a point"))
        async def point(point: Name, viewer: Viewer = here) -> Response:
            async def found(look: Look) -> PointRow | None:
                row = await registry.point(look.connection, point)
                return row if row is not None and look.scope.knows_point(row) else None

            return await viewer.answer(found)

A question is asked of one state of the read model: the scope, the rows and the height that the answer names are those
of one block. `None` is answered as if nothing was there, whatever the reason. A question whose answer the caller has
already (`If-None-Match`) is not asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from gateway.api import answering
from gateway.api.holdings import holdings_of
from gateway.api.scope import NOBODY, WORKING, Holdings, Scope
from gateway.naming import NameBook
from gateway.readmodel.following import Status
from gateway.readmodel.queries import ledger
from gateway.sessions.people import ENTERING, Ask
from gateway.sessions.router import Sessions
from gateway.sessions.tickets import Person
from ledgernode.client import Signed
from ledgernode.errors import AddressUnknown, RoleRefused, Unavailable
from ledgernode.wire.answers import Answer, LedgerFacts, Outcome, ReadLevel, Wait
from ledgernode.wire.types import ChainId, TransactionId

ANSWER_S: Final = 10.0
"""A question that takes longer is given up."""
_KEPT: Final = 10_000
_T = TypeVar("_T")


class Model(Protocol):
    """The read model: `gateway.readmodel.model.ReadModel` is one."""

    @property
    def status(self) -> Status: ...

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]: ...


class Ledger(Protocol):
    """The ledger behind: `LedgerClient` is one. What others have signed goes to it as it stands."""

    async def submit_signed(self, signed: Signed, *, wait: Wait = ..., raise_refused: bool = ...) -> Outcome: ...

    async def evaluate_signed(self, query: bytes, *, level: ReadLevel | str = ..., height: int = ...) -> Answer: ...

    async def proof(self, transaction_id: TransactionId, item: int | None = None) -> bytes: ...

    async def facts(self) -> LedgerFacts: ...


class Node(NamedTuple):
    """One node by its address, to be asked how it is."""

    address: str
    ledger: Ledger


class Look(NamedTuple):
    """One state of the read model, and what may be seen of it."""

    connection: AsyncConnection
    scope: Scope
    height: int
    now_ms: int


def _none(_credit: int) -> str:
    return ""


class Asking:
    """One ledger, asked by whoever is signed in. `ask` puts a question to a contract in the gateway's own name."""

    def __init__(
        self,
        name: str,
        chain_id: ChainId,
        *,
        model: Model,
        sessions: Sessions,
        ledger: Ledger,
        ask: Ask,
        clock_ms: Callable[[], int],
        nodes: tuple[Node, ...] = (),
        digits: Callable[[int], str] = _none,
        names: NameBook | None = None,
    ) -> None:
        """`digits` are those of a token that this gateway tells a meter, by its credit; '' of one that it does not."""
        self.name = name
        self.chain_id = chain_id
        self.model = model
        self.sessions = sessions
        self.ledger = ledger
        self.ask = ask
        self.clock_ms = clock_ms
        self.nodes = nodes
        self.digits = digits
        self.names = names or NameBook()
        self._known: dict[tuple[str, str, str], tuple[int, Holdings]] = {}

    async def viewer(self, request: Request) -> Viewer:
        """A route's dependency: who is there, with the question. Refuses who is not signed in, and devices."""
        answering.require_known_names(request)
        person = await self.sessions.present(request)
        if person.role not in ENTERING:
            raise RoleRefused(f"a {person.role} has ways of its own, and no pages")
        return Viewer(self, request, person)

    async def anybody(self, request: Request) -> Viewer:
        """The same for what needs no session: nobody sees nothing but what is public to all."""
        answering.require_known_names(request)
        return Viewer(self, request, None)

    async def scope(self, connection: AsyncConnection, person: Person | None, height: int) -> Scope:
        """What a person may see of the state at `height`, which the connection shows."""
        now_ms = self.clock_ms()
        if person is None:
            return NOBODY
        named = person.identity, person.organisation, str(person.role)
        known = self._known.pop(named, None)
        if known is None or known[0] != height:
            known = height, await holdings_of(connection, person)
        self._known[named] = known
        if len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        return Scope(person, known[1], now_ms)


class Viewer:
    """One request, by a person who is signed in (or by anybody)."""

    def __init__(self, asking: Asking, request: Request, person: Person | None) -> None:
        self.asking = asking
        self.request = request
        self.person = person

    @property
    def works_here(self) -> bool:
        """Staff of an organisation, or a regulator."""
        return self.person is not None and self.person.role in WORKING

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[Look]:
        """One state to ask several things of; for answers that are no JSON of rows (documents, exports)."""
        async with self.asking.model.reading() as connection:
            followed = await ledger.followed(connection)
            if followed is None:
                raise Unavailable("the read model has not begun yet")
            scope = await self.asking.scope(connection, self.person, followed.height)
            yield Look(connection, scope, followed.height, self.asking.clock_ms())

    async def answer(self, question: Callable[[Look], Awaitable[Any]]) -> Response:
        """What the question finds, as JSON; 304 where the caller has it; refuses (AddressUnknown) what is not there.

        The question's answer is a function of the ledger's state: what changes without a block is no such thing.
        """
        async with in_time(), self.looking() as look:
            headers = self.headers(look)
            if answering.has(self.request, headers):
                return Response(status_code=304, headers=headers)
            found = await question(look)
        if found is None:
            raise _nothing()
        return answering.answer(found, headers)

    async def asked(self, question: Callable[[Look], Awaitable[_T | None]]) -> _T:
        """What the question finds, for what is done with it when the connection is given back; refuses as `answer`."""
        async with in_time(), self.looking() as look:
            found = await question(look)
        if found is None:
            raise _nothing()
        return found

    def headers(self, look: Look) -> dict[str, str]:
        """Of an answer from this state: its ETag and how the model stands."""
        return answering.headers_of(
            self.request, self.asking.chain_id, look.scope, look.height, self.asking.model.status
        )


@asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """Refuses (Unavailable) what takes too long: that is no failure of ours, and whoever asks may ask for less."""
    try:
        async with asyncio.timeout(ANSWER_S):
            yield
    except TimeoutError as late:
        raise Unavailable(f"no answer within {ANSWER_S:.0f} s: ask for less at a time") from late


def _nothing() -> AddressUnknown:
    """The same words whether it is not there or somebody else's."""
    return AddressUnknown("nothing is here that this person may see")
