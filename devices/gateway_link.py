"""A meter's way to the ledger and back: the first bearer of a list that serves it, and the next when that one fails.

A bearer (`bearers`) is a gateway's own stream, or a broker with gateways behind it; the link knows no difference.

    out   what the core has signed, in its order, in messages of the size that the gateway takes
    in    whether each is safe there, what became of it on the ledger, commands, the time

A gateway is trusted with delivery only. What it says becomes an event of the core, which decides:

    OK                                  it is on the gateway's disk; kept here until its receipt
    can never be right (`FOR_GOOD`)     a receipt with that code: the core gives it up, and says so
    its number stands for another       likewise: the core signs it again under a new number
    of another ledger, of another role  this gateway is the wrong one: the next
    anything else                       later, after the pause that was advised

What is lost on the way costs nothing: the core hands everything out again when the link is back, and once a minute.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from devices.bearers import Bearer, Line
from devices.meter.events import ClockSynced, Effects, Event, LinkDown, LinkUp, Receipted, RecipientFound, Told
from gateway.v1 import gateway_pb2 as pb
from ledgernode.errors import BadProof, BadRequest, LedgerError, NodeUnreachable, WrongChain, by_code
from ledgernode.wire.receipt import OK
from ledgernode.wire.transaction import parse_transaction
from ledgernode.wire.types import ChainId, IdentityId
from ledgernode.wire.unreadable import UNREADABLE

if TYPE_CHECKING:
    from devices.traced import TracedMeter

FOR_GOOD: Final = frozenset(
    {"TRANSACTION_MALFORMED", "TRANSACTION_TOO_LARGE", "SIGNATURE_INVALID", "SEQUENCE_NEEDED", "SEQUENCE_CONFLICT"}
)
WRONG_GATEWAY: Final = frozenset({"WRONG_CHAIN", "ROLE_REFUSED"})
NOT_OURS: Final = frozenset({"COMMAND_UNPROVEN", "COMMAND_FOREIGN"})
FULL: Final = "OUTBOX_FULL"
DISPLAY: Final = "display"
INVENTED: Final = 3
"""Commands without proof after which another gateway is looked for."""
RETURN_MS: Final = 3_600_000
PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 30.0
LATER_MS: Final = (1_000, 60_000)
MESSAGE_BYTES: Final = 512 * 1024
SENT_KEPT: Final = 4_096
_METER: Final = "meter"


class Sent(NamedTuple):
    """A transaction on its way: whose key has signed it, its number there, its bytes."""

    key: str
    sequence: int
    envelope: bytes


class Way(NamedTuple):
    """Who wants to get where: a meter on a ledger, its bearers in the order of preference."""

    identity: IdentityId
    chain_id: ChainId
    bearers: tuple[Bearer, ...]
    question: Callable[[str], bytes]
    """Whose number this is, as the meter asks it."""
    return_ms: int = RETURN_MS
    """After so long at another bearer the first is tried again: a second one may cost by the byte."""


class GatewayLink:
    """Runs until it is cancelled. `step` is the meter's; `told` hears which bearer serves ('' none), and why not."""

    def __init__(
        self,
        way: Way,
        step: Callable[[Event], Effects],
        clock_ms: Callable[[], int],
        told: Callable[[str, str], None] = lambda _gateway, _reason: None,
        *,
        traces: TracedMeter | None = None,
    ) -> None:
        self._traces = traces
        if not way.bearers:
            raise BadRequest("a meter needs the address of a gateway")
        self._way = way
        self._step = step
        self._clock_ms = clock_ms
        self._told = told
        self._waiting: dict[bytes, Sent] = {}
        self._sent: dict[bytes, Sent] = {}
        self._work = asyncio.Event()
        self._welcomed = False
        self._invented = 0
        self._line: Line | None = None
        self._asking: set[asyncio.Task[None]] = set()

    def send(self, key: str, sequence: int, envelope: bytes) -> None:
        """What the core wants sent. What it names again is sent again."""
        self._waiting[bytes(parse_transaction(envelope).id)] = Sent(key, sequence, envelope)
        self._work.set()

    def ask(self, pan: str) -> None:
        """Find out whom a meter number belongs to. Without an answer the keypad goes on by itself, after a while."""
        if self._line is not None:
            task = asyncio.create_task(self._asked(self._line, pan))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def run(self) -> None:
        """From bearer to bearer; when none of them serves, a pause that grows."""
        pause_s, at = PAUSE_S, 0
        while True:
            self._welcomed = False
            try:
                await self._served(self._way.bearers[at], None if at == 0 else self._way.return_ms / 1_000)
                at = 0
                continue
            except (LedgerError, TimeoutError, OSError) as error:
                self._told("", getattr(error, "code", type(error).__name__))
            at = (at + 1) % len(self._way.bearers)
            if self._welcomed:
                pause_s = PAUSE_S
            if at == 0 or not self._welcomed:
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  # a town's meters at different times
            if at == 0 and not self._welcomed:
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _served(self, bearer: Bearer, limit_s: float | None) -> None:
        """Over one bearer, until that ends; raises why. Returns when the time is over."""
        async with bearer.open() as line:
            welcome = await line.connect(devices=[self._way.identity])
            if welcome.chain_id != self._way.chain_id:
                raise WrongChain(f"{bearer.name} serves another ledger")
            self._welcomed, self._invented = True, 0
            self._told(bearer.name, "")
            self._synced(welcome.time_ms)
            self._step(LinkUp(self._clock_ms()))
            self._line = line
            tasks: list[asyncio.Task[Any]] = [
                asyncio.create_task(self._bring(line, max(1, welcome.items))),
                asyncio.create_task(self._hear(line)),
                asyncio.create_task(line.ended()),
            ]
            try:
                await asyncio.wait(tasks, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self._line = None
                self._waiting.clear()
                self._step(LinkDown(self._clock_ms()))
            for task in tasks:
                if not task.cancelled():
                    ended = task.result()
                    raise ended if isinstance(ended, Exception) else NodeUnreachable(f"{bearer.name} ended")

    # ------------------------------------------------------------ out

    async def _bring(self, line: Line, items: int) -> None:
        while True:
            await self._work.wait()
            batch = dict(self._batch(items))
            if not batch:
                self._work.clear()
                continue
            for named in batch:
                del self._waiting[named]
            self._remember(batch)
            began_ns = 0 if self._traces is None else self._traces.now_ns()
            message = await line.brought([one.envelope for one in batch.values()])
            if self._traces is not None:
                self._traces.brought(batch, began_ns)
            answers = message.answers
            if len(answers) != len(batch):
                raise NodeUnreachable("the gateway answered another number of transactions than it was given")
            self._synced(message.time_ms)
            later_ms = self._answered(batch, answers)
            if later_ms:
                await asyncio.sleep(later_ms / 1_000)

    def _batch(self, items: int) -> Iterator[tuple[bytes, Sent]]:
        """The first that wait, as many as one message takes."""
        size = 0
        for number, (named, one) in enumerate(self._waiting.items()):
            size += len(one.envelope)
            if number == items or (number and size > MESSAGE_BYTES):
                return
            yield named, one

    def _answered(self, batch: dict[bytes, Sent], answers: Sequence[pb.Answer]) -> int:
        """What the gateway says of each; answers how long to wait before any of them is tried again."""
        back: dict[bytes, Sent] = {}
        later_ms = 0
        for (named, one), answer in zip(batch.items(), answers, strict=True):
            if answer.code == OK:
                continue
            if answer.code in FOR_GOOD:
                self._step(Receipted(self._clock_ms(), one.sequence, answer.code, one.key))
            elif answer.code in WRONG_GATEWAY and one.key == _METER:
                raise by_code(answer.code)(answer.message)
            else:
                back[named] = one
                later_ms = max(later_ms, min(max(answer.retry_ms, LATER_MS[0]), LATER_MS[1]))
        if back:
            self._waiting = {**back, **self._waiting}
            self._work.set()
        return later_ms

    def _remember(self, batch: dict[bytes, Sent]) -> None:
        """Whose key signed what: the ledger's word names a transaction."""
        self._sent |= batch
        while len(self._sent) > SENT_KEPT:
            del self._sent[next(iter(self._sent))]

    # ------------------------------------------------------------ in

    async def _hear(self, line: Line) -> None:
        async for message in line.told():
            match message.WhichOneof("content"):
                case "settled":
                    for outcome in message.settled.outcomes:
                        self._settled(outcome)
                case "command":
                    await self._commanded(line, message.command)

    async def _asked(self, line: Line, pan: str) -> None:
        with suppress(LedgerError, TimeoutError, *UNREADABLE):
            found = msgspec.json.decode(await line.ask(self._way.question(pan)), type=_Found | None)
            self._step(RecipientFound(self._clock_ms(), pan, masked(found.point) if found is not None else ""))

    def _settled(self, outcome: pb.Outcome) -> None:
        named = bytes(outcome.transaction_id)
        self._waiting.pop(named, None)
        if self._traces is not None:
            self._traces.settled(named, outcome.code, outcome.height)
        one = self._sent.pop(named, None)
        if one is not None:
            self._step(Receipted(self._clock_ms(), one.sequence, outcome.code, one.key))
        elif outcome.creator == self._way.identity:  # sent by the process before this one
            self._step(Receipted(self._clock_ms(), outcome.sequence, outcome.code))

    async def _commanded(self, line: Line, command: pb.Command) -> None:
        """The core judges it. What it cannot take yet is told again; a gateway that invents is left. (What a service
        wants displayed invents nothing: this meter does not show it, and that is all.)"""
        told = Told(self._clock_ms(), command.kind, command.number, command.payload, command.evidence)
        code = self._obeyed(command, told)
        if code in NOT_OURS and command.kind != DISPLAY:
            self._invented += 1
            if self._invented >= INVENTED:
                raise BadProof(f"{code}: this gateway tells what the ledger has not said to this meter")
        elif code != FULL:
            await line.received(command)

    def _obeyed(self, command: pb.Command, told: Told) -> str:
        """What the core says of it."""
        if self._traces is None:
            return self._step(told).answers[-1].code
        cause, began_ns = bytes(command.transaction_id), self._traces.now_ns()
        self._traces.obeying(cause, command.kind, command.number)
        code = self._step(told).answers[-1].code
        self._traces.obeyed(cause, command.kind, command.number, began_ns, code)
        return code

    def _synced(self, time_ms: int) -> None:
        if time_ms:
            self._step(ClockSynced(self._clock_ms(), time_ms))


class _Found(msgspec.Struct, frozen=True):
    """What the registry says of a meter number."""

    point: str


def masked(point: str) -> str:
    """A point as somebody may see it who would send something there: `north:high-street-7` is `h***-s*****-7`."""
    words = point.partition(":")[2].split("-")
    return "-".join(word[:1] + "*" * (len(word) - 1) for word in words)
