"""Every topic of ours. A device has a branch of its own, and the broker lets nobody else in.

    ledgernode/<ledger>/<organisation>/<device>/hello          Hello, retained; empty: the device is gone (its will)
                                                welcome        Welcome
                                                transactions   Transactions: what the device has signed
                                                readings       Readings: of a device that cannot sign
                                                questions      Question to the ledger, signed
                                                answers        Answers: a code for each item
                                                settled        Settled: what became of them on the ledger
                                                replies        Reply: the ledger's, by a node of the gateway's
                                                commands       Command
                                                received       CommandReceived
    ledgernode/<ledger>/trades/<feeder>                        a line of text, retained
    ledgernode/<ledger>/gateways/<gateway>                     JSON: is it there, what has it refused; retained

Payloads are the messages of `proto/gateway/v1/`. Who speaks is said by the topic alone; a topic that is not in this
form, or names what no certificate could name, is nobody's.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

from gateway.outbox.entry import Sender
from ledgernode.errors import BadRequest
from ledgernode.identity.certificate_profile import NAME_FORM, ORGANISATION_FORM

ROOT: Final = "ledgernode"
TRADES: Final = "trades"
GATEWAYS: Final = "gateways"
_UNFIT: Final = re.compile(r"[\x00-\x1f/+#]")
"""What no level of a topic may hold."""
LEVEL_CHARACTERS: Final = 200


class Kind(StrEnum):
    """What is said on a topic of a device's branch."""

    HELLO = "hello"
    WELCOME = "welcome"
    TRANSACTIONS = "transactions"
    READINGS = "readings"
    QUESTIONS = "questions"
    ANSWERS = "answers"
    SETTLED = "settled"
    REPLIES = "replies"
    COMMANDS = "commands"
    RECEIVED = "received"


SAID: Final = (Kind.HELLO, Kind.TRANSACTIONS, Kind.READINGS, Kind.QUESTIONS, Kind.RECEIVED)
"""By devices."""
TOLD: Final = (Kind.WELCOME, Kind.ANSWERS, Kind.SETTLED, Kind.REPLIES, Kind.COMMANDS)
"""By gateways."""


class Device(NamedTuple):
    """Whose branch it is."""

    organisation: str
    name: str

    def __str__(self) -> str:
        return f"{self.organisation}/{self.name}"

    def sender(self, *, carries: bool = False) -> Sender:
        """As over any other way in: one account, one lane."""
        return Sender(self.organisation, "gateway" if carries else "meter", self.name)


def read_device(text: str) -> Device:
    """`organisation/name`. Refuses what no certificate could say."""
    organisation, _, name = text.partition("/")
    if not ORGANISATION_FORM.fullmatch(organisation) or not NAME_FORM.fullmatch(name):
        raise BadRequest(f"a device is named organisation/name, not {text!r}")
    return Device(organisation, name)


class Topics:
    """Of one ledger."""

    def __init__(self, ledger: str) -> None:
        self._root = f"{ROOT}/{ledger}"

    def branch(self, device: Device) -> str:
        return f"{self._root}/{device.organisation}/{device.name}"

    def of(self, device: Device, kind: Kind) -> str:
        return f"{self.branch(device)}/{kind.value}"

    def said(self, kind: Kind) -> str:
        """The filter for what all devices say of this kind."""
        return f"{self._root}/+/+/{kind.value}"

    def told(self, device: Device) -> str:
        """The filter for everything that a device is told, as it subscribes in one step."""
        return f"{self.branch(device)}/+"

    def belongs(self, topic: str) -> bool:
        return topic.startswith(f"{self._root}/")

    def read(self, topic: str) -> tuple[Device, Kind] | None:
        """Who says what kind of thing; None where the topic is nobody's."""
        levels = topic.split("/")
        if len(levels) != 5 or not self.belongs(topic) or levels[4] not in SAID:
            return None
        try:
            return read_device(f"{levels[2]}/{levels[3]}"), Kind(levels[4])
        except BadRequest:
            return None

    def answer_topic(self, device: Device, asked: str) -> str:
        """Where an answer goes: where the device asked for it, as long as that is among its own answers."""
        usual = self.of(device, Kind.ANSWERS)
        own = asked.startswith(f"{usual}/") and not ("+" in asked or "#" in asked)
        return asked if own else usual

    def trades(self, feeder: str) -> str:
        """A feeder's name may hold what a level may not: that becomes an underscore."""
        return f"{self._root}/{TRADES}/{level(feeder)}"

    def all_trades(self) -> str:
        """The filter for every feeder's."""
        return f"{self._root}/{TRADES}/+"

    def feeder_of(self, topic: str) -> str | None:
        """Whose trades are published there; None for other topics."""
        head, _, feeder = topic.rpartition("/")
        return feeder if head == f"{self._root}/{TRADES}" else None

    def all_gateways(self) -> str:
        return f"{self._root}/{GATEWAYS}/+"

    def gateway(self, name: str) -> str:
        return f"{self._root}/{GATEWAYS}/{level(name)}"

    def gateway_of(self, topic: str) -> str | None:
        """Whose status stands there; None for other topics."""
        head, _, name = topic.rpartition("/")
        return name if head == f"{self._root}/{GATEWAYS}" else None


def level(name: str) -> str:
    return _UNFIT.sub("_", name[:LEVEL_CHARACTERS]) or "_"
