"""Who orders and certifies: validators by epoch, how each node is at this moment, and evidence against any of them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from gateway.api.answering import SIZE, After, Size, gives, moment
from gateway.api.asking import Asking, Look, Node, Viewer
from gateway.http.app import PREFIX
from gateway.readmodel.queries import governance
from gateway.readmodel.queries.governance import Epoch, FaultRow
from gateway.readmodel.queries.pages import Page
from ledgernode.errors import LedgerError, NodeUnreachable

_WAIT_S: Final = 2.0
_ASKED_EVERY_MS: Final = 1_000
Epochs = Annotated[int, Query(ge=1, le=50, description="how many epochs")]


class NodeShown(msgspec.Struct, frozen=True):
    """A node as the gateway reaches it. `address` is told to staff and regulators; of one that does not answer `code`
    says why, and the rest is zero."""

    number: int
    address: str
    answers: bool
    code: str
    height: int
    time_ms: int
    epoch: int
    engine: str
    validators: int
    latency_ms: int
    view: int | None
    leader: str
    """Of PBFT: the view that the node is in, and the identity of who leads it."""


class Nodes(msgspec.Struct, frozen=True):
    items: tuple[NodeShown, ...]
    asked_ms: int


def router(asking: Asking) -> APIRouter:
    routes, here = APIRouter(tags=["consensus"]), Depends(asking.viewer)
    nodes = _Nodes(asking)

    @routes.get(f"{PREFIX}/validators", responses=gives(Page[Epoch], "sets of validators, newest first"))
    async def validators(viewer: Viewer = here, size: Epochs = 10) -> Response:
        """Who validates, epoch by epoch, and how many must agree."""

        async def found(look: Look) -> Page[Epoch]:
            return Page(await governance.epochs(look.connection, size=size))

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/consensus", responses=gives(Nodes, "every node that the gateway knows, asked just now"))
    async def live(viewer: Viewer = here) -> Response:
        """How each node is at this moment."""
        found = await nodes.shown()
        return moment(found if viewer.works_here else _without_addresses(found))

    @routes.get(f"{PREFIX}/evidence", responses=gives(Page[FaultRow], "newest first"))
    async def evidence(viewer: Viewer = here, size: Size = SIZE, after: After = "") -> Response:
        """Validators that have signed two things that contradict each other."""
        return await viewer.answer(lambda look: governance.faults(look.connection, size=size, after=after))

    return routes


class _Nodes:
    """Each is asked at most once a second, however many look."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._asked: asyncio.Task[Nodes] | None = None
        self._asked_ms = 0

    async def shown(self) -> Nodes:
        now_ms = self._asking.clock_ms()
        if self._asked is None or (self._asked.done() and abs(now_ms - self._asked_ms) >= _ASKED_EVERY_MS):
            self._asked_ms = now_ms
            self._asked = asyncio.create_task(self._ask(now_ms))
        return await asyncio.shield(self._asked)

    async def _ask(self, now_ms: int) -> Nodes:
        found = await asyncio.gather(*(_status(number, node) for number, node in enumerate(self._asking.nodes, 1)))
        return Nodes(tuple(found), now_ms)


async def _status(number: int, node: Node) -> NodeShown:
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    try:
        async with asyncio.timeout(_WAIT_S):
            facts = await node.ledger.facts()
    except LedgerError as error:
        return _silent(number, node.address, error.code)
    except TimeoutError:
        return _silent(number, node.address, NodeUnreachable.code)
    return NodeShown(
        number=number,
        address=node.address,
        answers=True,
        code="",
        height=int(facts.height),
        time_ms=int(facts.time_ms),
        epoch=int(facts.epoch),
        engine=facts.engine,
        validators=facts.validators,
        latency_ms=round((loop.time() - begun_s) * 1_000),
        view=facts.view if facts.leader else None,
        leader=facts.leader.hex(),
    )


def _silent(number: int, address: str, code: str) -> NodeShown:
    return NodeShown(number, address, False, code, 0, 0, 0, "", 0, 0, None, "")


def _without_addresses(found: Nodes) -> Nodes:
    return Nodes(tuple(msgspec.structs.replace(node, address="") for node in found.items), found.asked_ms)
