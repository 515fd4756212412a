"""What comes by way of a broker, and what is told there: the desk's third way in.

A message of QoS 1 is acknowledged to the broker when all of it has its answer: what was taken is on disk, what was
refused is answered. Before, the broker keeps it and sends it again, to us or, where gateways share, to who comes
instead. What a device believes is its answer, not the broker's acknowledgement: that one says only that the broker
has it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import structlog

from gateway.commands.dispatch import Dispatch
from gateway.intake.desk import Answer, Desk, refused
from gateway.intake.stream import Ask, answer_messages, observed, signers_of, welcome
from gateway.mqtt.connection import Access, Connection, Message, Will
from gateway.mqtt.flow import Acknowledgements, Refusals, pause_ms
from gateway.mqtt.outcomes import Outcomes
from gateway.mqtt.said import Said, read_said
from gateway.mqtt.topics import Device, Kind, Topics, read_device
from gateway.settings import BrokerSetting
from gateway.v1 import gateway_pb2 as pb
from ledgernode.errors import BadRequest, Broken, LedgerError, NodeStopping, RateLimited
from ledgernode.wire.receipt import OK

_WELCOME_LIFE_S: Final = 10
"""It says what time it is."""
_REPLY_LIFE_S: Final = 60
"""Nobody waits longer for it."""
_HEARD_KEPT: Final = 100_000
_LASTING_S: Final = 10.0
"""A connection that ends sooner has failed: another client under our name, for one, would throw us out at once."""
_STOP_S: Final = 3.0
_GONE: Final = msgspec.json.encode({"there": False})
_UNREAD: Final = "TOPIC_UNKNOWN"
_ANYBODY: Final[frozenset[bytes]] = frozenset()


class Heard:
    """A device that has said hello: it is told its commands, until it says goodbye or its will does."""

    def __init__(self, device: Device, devices: tuple[bytes, ...], tell: Callable[[Device, pb.Command], None]) -> None:
        self.device = device
        self.devices = devices
        self._tell = tell

    def tell_command(self, command: pb.Command) -> None:
        self._tell(self.device, command)


class BrokerIntake:
    """Runs until it is stopped; a broker that is away is waited for."""

    def __init__(
        self,
        setting: BrokerSetting,
        access: Callable[[], Access],
        ledger: str,
        desk: Desk,
        dispatch: Dispatch,
        *,
        ask: Ask,
        trade_said: Callable[[str, Mapping[str, str]], None] | None = None,
        teller_said: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self.topics = Topics(ledger)
        self._setting = setting
        self._ledger = ledger
        self._desk = desk
        self._limits = desk.limits
        self._dispatch = dispatch
        self._ask = ask
        self._asking: dict[Device, asyncio.Task[None]] = {}
        self._trade_said = trade_said
        self._teller_said = teller_said
        self._read_access = access
        self._access = access()
        self._status_topic = self.topics.gateway(self._access.client)
        self._carrying = frozenset(read_device(one) for one in setting.concentrators)
        self._connection: Connection | None = None
        self._caught_up_with: Connection | None = None
        self._working: set[asyncio.Task[None]] = set()
        self._heard: dict[Device, Heard] = {}
        self._only: dict[Device, frozenset[bytes]] = {}
        self.outcomes = Outcomes(self._tell_outcomes)
        self._stopping = asyncio.Event()
        self.refusals = Refusals(self._limits.refusals_said_ms)
        self.taken = 0
        self.connects = 0
        self._log: Any = structlog.get_logger("gateway.mqtt")

    @property
    def is_up(self) -> bool:
        """Is it at the broker, and has it heard what was kept for it?"""
        return self._caught_up_with is not None

    # ------------------------------------------------------------ its life

    async def run(self) -> None:
        telling = asyncio.create_task(self.outcomes.run())
        failures = 0
        try:
            while not self._stopping.is_set():
                begun_s = asyncio.get_running_loop().time()
                try:
                    await self._connect()
                    lasted_s = asyncio.get_running_loop().time() - begun_s
                    failures = 0 if lasted_s >= _LASTING_S else failures + 1
                except LedgerError as error:
                    self._log.warning("the broker is not there", code=error.code, reason=str(error))
                    failures += 1
                dice = random.getrandbits(20)  # to come back out of step, not to keep a secret
                await self._pause(pause_ms(failures, self._limits, dice))
        finally:
            telling.cancel()

    async def _pause(self, wait_ms: int) -> None:
        try:
            async with asyncio.timeout(wait_ms / 1_000):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _connect(self) -> None:
        """One connection, from its beginning to its end."""
        self._reach_anew()
        connection: Connection
        acknowledgements = Acknowledgements(2 * self._limits.broker_in_flight)

        def took(message: Message) -> None:
            self._took(connection, acknowledgements, message)

        connection = Connection(self._access, took)
        self._connection = connection  # a session that was kept begins to talk at once
        try:
            await connection.open()
            self.connects += 1
            await connection.subscribe(self._filters(connection))
            self._log.info("at the broker", session=connection.session_present, shared=connection.shares)
            await self._caught_up(connection)
            await self._say_status_until_it_ends(connection)
            if not self._stopping.is_set():
                self._log.warning("the broker is gone", reason=connection.ended.result())
        finally:
            self._connection = self._caught_up_with = None
            await connection.close()

    def _reach_anew(self) -> None:
        """Passwords, certificates and roots as they are now; as they were, where that cannot be read."""
        try:
            self._access = self._read_access()
        except (LedgerError, OSError) as error:
            self._log.warning("how to reach the broker cannot be read", reason=str(error))
        self._access = msgspec.structs.replace(self._access, will=Will(self._status_topic, _GONE))

    async def _caught_up(self, connection: Connection) -> None:
        """What the broker has kept for us comes before it answers this: then we know which trades have been told."""
        taken = connection.publish(self._status_topic, self._status(), retain=True)
        if taken is not None:
            await asyncio.wait((taken, connection.ended), return_when=asyncio.FIRST_COMPLETED)
            self._caught_up_with = connection

    async def _say_status_until_it_ends(self, connection: Connection) -> None:
        stopping = asyncio.ensure_future(self._stopping.wait())
        status_s = self._limits.broker_status_ms / 1_000
        try:
            while not (connection.ended.done() or stopping.done()):
                waiting = (connection.ended, stopping)
                await asyncio.wait(waiting, timeout=status_s, return_when=asyncio.FIRST_COMPLETED)
                connection.publish(self._status_topic, self._status(), retain=True)
            if stopping.done() and self._setting.share and connection.shares:
                connection.unsubscribe(self._shared(connection))  # the others take all of it from now on
            if stopping.done() and self._working:
                await asyncio.wait(set(self._working), timeout=_STOP_S)
            connection.publish(self._status_topic, _GONE, retain=True)
        finally:
            stopping.cancel()

    def _status(self) -> bytes:
        """What an operator sees of this gateway at the broker."""
        counts = dict(sorted(self.refusals.counts.items()))
        said = {"there": True, "trades": self._trade_said is not None, "taken": self.taken, "refused": counts}
        return msgspec.json.encode({**said, "devices": len(self._heard)})

    def stop(self) -> None:
        """Take nothing more; what comes now stays with the broker."""
        self._stopping.set()

    def _shared(self, connection: Connection) -> list[str]:
        """Any gateway's to take, where gateways share."""
        prefix = f"$share/{self._setting.share}/" if self._setting.share and connection.shares else ""
        return [f"{prefix}{self.topics.said(kind)}" for kind in (Kind.TRANSACTIONS, Kind.QUESTIONS)]

    def _filters(self, connection: Connection) -> list[str]:
        """The rest is each gateway's own to hear."""
        topics = self.topics
        return [
            *self._shared(connection),
            *(topics.said(kind) for kind in (Kind.HELLO, Kind.READINGS, Kind.RECEIVED)),
            *((topics.all_trades(), topics.all_gateways()) if self._trade_said is not None else ()),
            *self._setting.formats,
        ]

    # ------------------------------------------------------------ messages in

    def _took(self, connection: Connection, acknowledgements: Acknowledgements, message: Message) -> None:
        if self._stopping.is_set():
            return  # not acknowledged: the broker keeps it
        if len(self._working) >= 2 * self._limits.broker_in_flight:
            if message.number:
                connection.abort("the broker sends more than it may")
            else:
                self._refused(RateLimited.code)
            return
        if message.number and not acknowledgements.arrived(message.number):
            connection.abort("the broker sends more than it may")
            return
        task = asyncio.create_task(self._deal(connection, acknowledgements, message))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _deal(self, connection: Connection, acknowledgements: Acknowledgements, message: Message) -> None:
        try:
            kept = await self._take(message)
        except Exception as error:  # noqa: BLE001  # ours; the device has no answer, and sends again
            self._refused(Broken.code, error)
            kept = True
        if message.number and kept:
            for number in acknowledgements.done(message.number):
                connection.acknowledge(number)

    async def _take(self, message: Message) -> bool:
        """Deal with it. False: we stop before it was, and it stays with the broker."""
        topic = message.topic
        found = self.topics.read(topic)
        if found is None:
            if (feeder := self.topics.feeder_of(topic)) is not None:
                if self._trade_said is not None:
                    self._trade_said(feeder, dict(message.properties))
                return True
            if (name := self.topics.gateway_of(topic)) is not None:
                if self._teller_said is not None:
                    self._teller_said(name, message.payload)
                return True
            if self.topics.belongs(topic) or not topic:
                self._refused(_UNREAD)
                return True
            return self._count(await self._desk.message(topic, message.payload))
        device, kind = found
        if kind is Kind.HELLO and not message.payload:
            self._goodbye(device)
            return True
        carries = device in self._carrying
        try:
            said = read_said(kind, message.payload, self._limits, carries=carries)
        except BadRequest as refusal:
            self._answer(device, message, 0, [refused(refusal)])
            self._refused(refusal.code)
            return True
        return await self._answered(device, said, message, carries=carries)

    async def _answered(self, device: Device, said: Said, message: Message, *, carries: bool) -> bool:
        sender = device.sender(carries=carries)
        if isinstance(said, pb.Hello):
            self._hello(device, said, message)
            return True
        if isinstance(said, pb.CommandReceived):
            heard = self._heard.get(device)
            if heard is not None and said.device in heard.devices:
                self._dispatch.received(heard, said)
            return True
        if isinstance(said, pb.Question):
            self._question(device, said, message)
            return True
        self.outcomes.remember(sender.account, device)
        if isinstance(said, pb.Readings):
            found = await self._desk.readings(sender, said.meter, observed(said.readings), by="broker")
        else:
            only = _ANYBODY if carries else signers_of(self._only.get(device, _ANYBODY), said.envelopes)
            found = await self._desk.relay(sender, said.envelopes, only=only, by="broker")
            if not carries and any(one.code == OK for one in found) and len(self._only) < _HEARD_KEPT:
                self._only[device] = only
        if self._stopping.is_set() and any(one.code == NodeStopping.code for one in found):
            return False
        self._answer(device, message, said.number, found)
        return self._count(found)

    def _count(self, answers: list[Answer]) -> bool:
        """What came of them, for operators. False: some stay with the broker, for we stop."""
        for one in answers:
            if one.code == OK:
                self.taken += 1
            elif one.code == NodeStopping.code:
                return False
            else:
                self._refused(one.code)
        return True

    def _refused(self, code: str, error: Exception | None = None) -> None:
        said = self.refusals.note(code, self._desk.now_ms())
        if said:
            self._log.warning("refused at the broker", **said, exc_info=error)

    def _question(self, device: Device, question: pb.Question, message: Message) -> None:
        """Its answer may take long, and holds nobody up; of a device one at a time is under way."""
        if device in self._asking or len(self._asking) >= self._limits.broker_questions:
            self._refused(RateLimited.code)
            self._reply(device, pb.Reply(number=question.number, code=RateLimited.code), message)
            return
        task = asyncio.create_task(self._asked(device, question, message))
        self._asking[device] = task
        task.add_done_callback(lambda _done: self._asking.pop(device))

    async def _asked(self, device: Device, question: pb.Question, message: Message) -> None:
        reply = pb.Reply(number=question.number, code=OK)
        try:
            reply.result, reply.height = await self._ask(question.query)
        except LedgerError as refusal:
            reply.code = refusal.code
        except Exception as error:  # noqa: BLE001  # ours; the device may ask again
            self._refused(Broken.code, error)
            reply.code = Broken.code
        self._reply(device, reply, message)

    def _reply(self, device: Device, reply: pb.Reply, message: Message) -> None:
        self._publish(device, Kind.REPLIES, reply, life_s=_REPLY_LIFE_S, to=message)

    # ------------------------------------------------------------ who is there

    def _hello(self, device: Device, hello: pb.Hello, message: Message) -> None:
        if hello.ledger not in ("", self._ledger):
            self._refused("LEDGER_UNKNOWN")
            return
        if device not in self._heard and len(self._heard) >= self._limits.streams:
            self._refused(RateLimited.code)
            return
        self._goodbye(device)
        self._only.pop(device, None)
        heard = Heard(device, tuple(hello.devices), self._tell_command)
        self._heard[device] = heard
        self._dispatch.devices(heard, True)
        self._publish(device, Kind.WELCOME, welcome(self._ledger, self._desk), life_s=_WELCOME_LIFE_S, to=message)

    def _goodbye(self, device: Device) -> None:
        heard = self._heard.pop(device, None)
        if heard is not None:
            self._dispatch.devices(heard, False)

    # ------------------------------------------------------------ told

    def _answer(self, device: Device, message: Message, number: int, found: list[Answer]) -> None:
        answers = pb.Answers(number=number, answers=answer_messages(found), time_ms=self._desk.now_ms())
        self._publish(device, Kind.ANSWERS, answers, life_s=self._limits.answer_life_s, to=message)

    def _publish(
        self, device: Device, kind: Kind, content: Any, *, life_s: int, to: Message | None = None
    ) -> asyncio.Future[int] | None:
        connection = self._connection
        if connection is None:
            return None
        topic, correlation = self.topics.of(device, kind), b""
        if to is not None:
            correlation = to.correlation
            if kind is Kind.ANSWERS:
                topic = self.topics.answer_topic(device, to.response_topic)
        return connection.publish(topic, content.SerializeToString(), life_s=life_s, correlation=correlation)

    def publish_line(self, feeder: str, line: str, said: Mapping[str, str]) -> asyncio.Future[int] | None:
        """A trade's line, kept by the broker as the feeder's last one."""
        connection = self._caught_up_with
        if connection is None:
            return None
        return connection.publish(self.topics.trades(feeder), line.encode(), retain=True, said=tuple(said.items()))

    def _tell_command(self, device: Device, command: pb.Command) -> None:
        """It is told again before the broker throws this one away, so that few wait there for a device that is away."""
        life_s = max(1, 2 * self._limits.command_again_ms // 1_000)
        self._publish(device, Kind.COMMANDS, command, life_s=life_s)

    def _tell_outcomes(self, device: Device, outcomes: pb.Settled) -> None:
        self._publish(device, Kind.SETTLED, outcomes, life_s=self._limits.answer_life_s)
