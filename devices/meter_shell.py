"""A meter's shell: the core on a disk, with a key, in front of whatever carries its transactions.

Effects are performed in their order: records first, in one durable write; then what others see. Who takes transactions,
switches relays or shows the display is a `Surroundings`; the clock is a function. A meter's home:

    meter.json      what it is set to           meter.key        the meter's key, PEM
    hardware.secret 32 bytes, hex               meter.journal    what it knows

The home may be an identity's folder as well (`identity new`, `identity accept`): its `key.pem` is the meter's key then,
and its TLS files open the way to a gateway (`gateway_link`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from devices.journal import Journal
from devices.meter.core import Meter
from devices.meter.events import Alarm, Answer, Effects, Event, Started
from devices.meter.records import changes
from devices.meter.settings import Settings
from devices.meter.signing import signed
from devices.meter.state import State
from ledgernode.client import Signer
from ledgernode.errors import BadRequest
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.secret_file import create_secret, read_secret
from ledgernode.sts.keys import Secret
from ledgernode.sts.pan import read_pan
from ledgernode.wire.types import ChainId, IdentityId, identity_id
from ledgernode.wire.unreadable import UNREADABLE

if TYPE_CHECKING:
    from devices.traced import TracedMeter

SECRET_BYTES: Final = 32
QUESTION_BUDGET: Final = 20_000
METER_KEY: Final = "meter.key"
IDENTITY_KEY: Final = "key.pem"


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`meter.json`: what is no secret."""

    pan: str
    point: str
    chain_id: str
    phases: int = 1
    prepaid: bool = True
    reading_ms: int = 60_000
    send_ms: int = 300_000
    sample_ms: int = 5_000
    ask_ms: int = 0
    """Within so long it asks for prices where it knows none; 0: not at all, for its ledger has no `commands`."""
    direct: bool = False
    """On a bus of 12 V; one phase then."""
    identity: str = ""
    """The permanent id, hex, where a rotation has made it another than the key's hash."""

    def identity_of(self, public_key: bytes) -> IdentityId:
        return IdentityId(bytes.fromhex(self.identity)) if self.identity else identity_id(public_key)


class Surroundings(Protocol):
    """What a meter's effects reach."""

    def send(self, key: str, sequence: int, envelope: bytes) -> None: ...
    def answer(self, answer: Answer) -> None: ...
    def ask(self, pan: str) -> None: ...
    def request(self, certificate_request: str) -> None: ...
    def switch(self, relay: str, closed: bool) -> None: ...
    def show(self, first: str, second: str) -> None: ...
    def alarm(self, alarm: Alarm) -> None: ...


class MeterShell:
    """`traces` notes what is signed, where it is there."""

    def __init__(self, home: Path, surroundings: Surroundings, clock_ms: Callable[[], int]) -> None:
        self.traces: TracedMeter | None = None
        self.facts = read_facts(home)
        self._key = PrivateKey.load(_key_file(home))
        self.identity = self.facts.identity_of(self._key.public_key)
        settings = settings_of(self.facts, _secret(home))
        self._settings = msgspec.structs.replace(settings, identity=self.identity)
        self._surroundings = surroundings
        self._clock_ms = clock_ms
        self._journal = Journal(home / "meter.journal")
        self.meter = Meter.from_records(self._settings, self._journal.records)

    def start(self, *, clock_valid: bool = True, mains: bool = True) -> Effects:
        return self.step(Started(self._clock_ms(), os.urandom(SECRET_BYTES), clock_valid, mains))

    def step(self, event: Event) -> Effects:
        """One event and all that follows of it."""
        effects = self.meter.step(event)
        self._journal.write((record.key, record.content) for record in effects.persist)
        around = self._surroundings
        for outgoing in effects.send:
            began_ns = 0 if self.traces is None else self.traces.now_ns()
            envelope = signed(outgoing, self._key, self._settings.chain_id, self.identity)
            if self.traces is not None:
                self.traces.signed(envelope, began_ns)
            around.send(outgoing.key, outgoing.sequence, envelope)
        for answer in effects.answers:
            around.answer(answer)
        if effects.ask:
            around.ask(effects.ask)
        if effects.request:
            around.request(effects.request)
        for relay, closed in effects.relays:
            around.switch(relay, closed)
        if effects.display is not None:
            around.show(*effects.display)
        for alarm in effects.alarms:
            around.alarm(alarm)
        return effects

    def question(self, pan: str) -> bytes:
        """Whose number this is: signed by the meter, for whoever carries it to a node."""
        signer = Signer(self._key, self.identity, chain_id=self._settings.chain_id, clock_ms=self.now_ms)
        return signer.query("registry", "find_pan", {"pan": pan}, budget=QUESTION_BUDGET)

    def now_ms(self) -> int:
        """The meter's time."""
        return self._clock_ms() + self.meter.state.clock.offset_ms

    def close(self) -> None:
        self._journal.close()


def create_home(home: Path, facts: Facts, state: State) -> bytes:
    """A new meter with keys of its own, or with those of the identity that lives here; answers its public key.

    Refuses a home of a meter.
    """
    settings_of(facts, bytes(SECRET_BYTES))
    if (home / IDENTITY_KEY).exists():
        key = PrivateKey.load(home / IDENTITY_KEY)
    else:
        key = PrivateKey.generate()
        key.save(home / METER_KEY)
    create_secret(home / "hardware.secret", os.urandom(SECRET_BYTES).hex().encode())
    create_secret(home / "meter.json", msgspec.json.format(msgspec.json.encode(facts)) + b"\n")
    journal = Journal(home / "meter.journal")
    journal.write((record.key, record.content) for record in changes(None, state))
    journal.close()
    return key.public_key


def read_facts(home: Path) -> Facts:
    """Refuses a home that is none."""
    try:
        return msgspec.json.decode(read_secret(home / "meter.json"), type=Facts)
    except UNREADABLE as error:
        raise BadRequest(f"{home / 'meter.json'} does not say what a meter is set to: {error}") from error


def _key_file(home: Path) -> Path:
    return home / (IDENTITY_KEY if (home / IDENTITY_KEY).exists() else METER_KEY)


def _secret(home: Path) -> bytes:
    return bytes.fromhex(read_secret(home / "hardware.secret").decode())


def settings_of(facts: Facts, secret: bytes) -> Settings:
    """Refuses a meter number with a wrong check digit, a point without a utility, a chain id of another length."""
    try:
        chain_id = bytes.fromhex(facts.chain_id)
    except ValueError:
        chain_id = b""
    if len(chain_id) != SECRET_BYTES:
        raise BadRequest("a chain id is written as 64 hexadecimal digits")
    if not all(facts.point.partition(":")):
        raise BadRequest(f"a point is named <utility>:<name>, not {facts.point!r}")
    return Settings(
        pan=read_pan(facts.pan),
        point=facts.point,
        chain_id=ChainId(chain_id),
        hardware_secret=Secret(secret),
        phases=facts.phases,
        prepaid=facts.prepaid,
        reading_ms=facts.reading_ms,
        send_ms=facts.send_ms,
        ask_ms=facts.ask_ms,
    )
