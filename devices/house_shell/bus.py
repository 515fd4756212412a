"""The village's server: houses tell it what their ties show, and it answers how their relays are to be.

    POST /ties/<house>      a house's message (`tie.Message`), its token          -> `tie.Word`
    POST /lines             "New Transaction #n: energy from a → b", and its Wh    the operator's token
    POST /stop              {"number": n}, or {"newest": count}                    the operator's token
    GET  /houses/<house>    its page, live; /houses/<house>.json the same as data
    GET  /demands           who wants how much and has no trade yet

What was counted is on the disk before a house is answered: a server that is killed goes on where registers are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from devices.house import transfer
from devices.house.tie import LARGEST_MWH, Message, Word
from devices.house.transfer import Bus, Dispute, Effects, State, Trade
from devices.house_shell.http import Request, Response, holds, serve
from devices.house_shell.page import html
from devices.slot_file import SlotFile
from ledgernode.errors import BadRequest
from ledgernode.wire.unreadable import UNREADABLE

SLOT_BYTES: Final = 1 << 20
SILENT_MS: Final = 5_000
"""So long after its last message a house counts as away: half of what makes it open by itself."""
TICK_S: Final = 0.5
_FOREVER_MS: Final = 1 << 62
_Form = TypeVar("_Form")


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A trade to be delivered."""

    line: str
    energy_mwh: int
    until_ms: int = _FOREVER_MS


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    number: int = 0
    newest: int = 0


class BusServer:
    """`tokens`: of each house. Who ends and who is disputed is told to `ended` and `disputed`."""

    def __init__(
        self,
        path: Path,
        bus: Bus,
        tokens: Mapping[str, str],
        operator_token: str,
        *,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        ended: Callable[[Trade], None] = lambda trade: None,  # noqa: ARG005
        disputed: Callable[[Dispute], None] = lambda dispute: None,  # noqa: ARG005
    ) -> None:
        self._bus, self._tokens, self._operator_token = bus, tokens, operator_token
        self._clock_ms, self._ended, self._disputed = clock_ms, ended, disputed
        if not path.exists():
            SlotFile.create(path, _encode(State()), slot_bytes=SLOT_BYTES)
        self._file = SlotFile.open(path, slot_bytes=SLOT_BYTES)
        self.state = _decode(self._file.payload)
        self.demands: dict[str, int] = {}
        self._do(transfer.Started(clock_ms()))

    async def run(
        self,
        host: str,
        port: int,
        *,
        ready: Callable[[int], None] = lambda port: None,  # noqa: ARG005
        beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        """Serve until it is cancelled, and do beside it what brings lines another way."""
        server = await serve(host, port, self.answer)
        ready(server.sockets[0].getsockname()[1])
        try:
            async with server, asyncio.TaskGroup() as tasks:
                if beside is not None:
                    tasks.create_task(beside())
                while True:
                    await asyncio.sleep(TICK_S)
                    self._watch()
        finally:
            self._file.close()

    async def answer(self, request: Request) -> Response:
        match request.method, request.path.split("/")[1:]:
            case "POST", ["ties", house]:
                return self._told(request, house)
            case "POST", ["lines"]:
                return self._traded(request)
            case "POST", ["stop"]:
                return self._stopped(request)
            case "GET", ["houses", name] if name.removesuffix(".json") in self._tokens:
                page = transfer.page(self.state, name.removesuffix(".json"))
                if name.endswith(".json"):
                    return Response(200, msgspec.json.encode(page))
                return Response(200, html(page), "text/html; charset=utf-8")
            case "GET", ["demands"]:
                return Response(200, msgspec.json.encode(self.demands))
        return Response(404, b"{}")

    # ------------------------------------------------------------ what is said

    def _told(self, request: Request, house: str) -> Response:
        if house not in self._tokens or not holds(request, self._tokens[house]):
            return Response(401, b"{}")
        message = _read(request.body, Message)
        if min(message.out_mwh, message.in_mwh) < 0 or not 0 <= message.demand_mwh <= LARGEST_MWH:
            raise BadRequest("registers and demands are not below zero")
        if message.demand_mwh:
            self.demands[house] = message.demand_mwh
        else:
            self.demands.pop(house, None)
        fields = {name: getattr(message, name) for name in transfer.Read.__struct_fields__[2:]}
        self._do(transfer.Read(self._clock_ms(), house, **fields))
        page = transfer.page(self.state, house)
        word = Word(page.relay_in, page.relay_out, page.trade, page.demand_mwh, page.energy_mwh, page.text)
        return Response(200, msgspec.json.encode(word))

    def _traded(self, request: Request) -> Response:
        if not holds(request, self._operator_token):
            return Response(401, b"{}")
        said = _read(request.body, Line)
        found = transfer.announced(said.line, self._clock_ms())
        self.agree(msgspec.structs.replace(found, energy_mwh=said.energy_mwh, until_ms=said.until_ms))
        return Response(200, b"{}")

    def agree(self, agreed: transfer.Agreed) -> None:
        """A trade to be delivered; on disk when this returns. The same number again changes nothing."""
        if not {agreed.seller, agreed.buyer} <= set(self._tokens) or not 0 < agreed.energy_mwh <= LARGEST_MWH:
            raise BadRequest("a trade is of some energy, between two houses of this bus")
        self._do(agreed)

    def _stopped(self, request: Request) -> Response:
        if not holds(request, self._operator_token):
            return Response(401, b"{}")
        said = _read(request.body, Stop)
        if said.number:
            self._do(transfer.Stopped(self._clock_ms(), said.number))
        elif said.newest > 0:
            self._do(transfer.Curtailed(self._clock_ms(), said.newest))
        return Response(200, b"{}")

    # ------------------------------------------------------------ what is done

    def _watch(self) -> None:
        """Houses that have gone silent are away; time passes."""
        now_ms = self._clock_ms()
        for house, tie in sorted(self.state.ties.items()):
            if tie.linked and tie.last is not None and now_ms - tie.last.now_ms >= SILENT_MS:
                self._do(transfer.LinkChanged(now_ms, house, False))
        self._do(transfer.Ticked(now_ms))

    def _do(self, event: transfer.Event) -> Effects:
        effects = transfer.step(self._bus, self.state, event)
        if effects.state.trades != self.state.trades:
            self._file.write(_encode(effects.state))
        self.state = effects.state
        for trade in effects.ended:
            self._ended(trade)
        for dispute in effects.disputes:
            self._disputed(dispute)
        return effects


def _read(body: bytes, form: type[_Form]) -> _Form:
    try:
        return msgspec.json.decode(body, type=form)
    except UNREADABLE as error:
        raise BadRequest(f"not a {form.__name__}: {error}") from error


def _encode(state: State) -> bytes:
    """Trades alone: what ties show is read anew."""
    return msgspec.msgpack.encode(State(trades=state.trades))


def _decode(content: bytes) -> State:
    return msgspec.msgpack.decode(content, type=State)
