"""A ledger that says things to meters, and can show that it has said them."""

from __future__ import annotations

from itertools import count
from typing import Any

import msgspec

from devices.meter.events import Told
from gateway.commands.evidence import evidence_of
from ledgernode.proof import build_transaction_proof
from ledgernode.wire.answers import NumberedEvent
from ledgernode.wire.receipt import Event, Origin, Receipt
from ledgernode.wire.types import ChainId, IdentityId, TransactionId, sha256
from ledgernode.wire.validators import ValidatorSet
from tests.devices.meter.house import House
from tests.handmade import HandmadeChain, HandmadeNetwork

IDENTITY = IdentityId(b"\xab" * 32)
METER = IDENTITY.hex()


class Saying:
    """Four validators that certify whatever a test wants said."""

    def __init__(self) -> None:
        self.network = HandmadeNetwork(4)
        self.chain = HandmadeChain(self.network)
        self.founders: ValidatorSet = self.chain.current
        self._numbers = count()

    @property
    def chain_id(self) -> ChainId:
        return self.network.chain_id

    def receipt(self, *events: Event) -> Receipt:
        name = TransactionId(sha256(b"saying %d" % next(self._numbers)))
        return Receipt(name, Origin.TIMER, "OK", "", b"null", events, 1)

    def say(self, name: str, contract: str = "commands", **payload: Any) -> tuple[bytes, int]:
        """Evidence of one event, and its place; another one stands before it in its receipt, another receipt too."""
        event = Event(contract, name, msgspec.json.encode(payload))
        said = self.receipt(Event("other", "Before", b"{}"), event)
        height = self.chain.append([self.network.envelope()], timers=[self.receipt(), said])
        return self.shown(said, event, int(height))

    def shown(self, said: Receipt, event: Event, height: int) -> tuple[bytes, int]:
        proof = build_transaction_proof(self.chain.store, self.network.genesis_bytes, said.id)
        header = self.chain.store.header(height)  # type: ignore[arg-type]
        numbered = NumberedEvent(header.height, 1, header.time_ms, said.id, *msgspec.structs.astuple(event))
        return evidence_of(proof, numbered)

    def command(self, number: int, kind: str, meter: str = METER, **values: Any) -> bytes:
        """Of the utility to a meter."""
        return self.say("MeterCommanded", command=number, meter=meter, number=number, kind=kind, **values)[0]

    def supply(self, *, blocked: bool, meter: str = METER) -> bytes:
        name = "SupplyBlocked" if blocked else "SupplyUnblocked"
        return self.say(name, "prepaid", point="utility:home-1", meter=meter, reason="works")[0]

    def change(self) -> None:
        """Another validator takes the place of one."""
        members = self.chain.current.members
        self.chain.append(next_members=[*members[1:], self.network.newcomer(f"org{next(self._numbers) + 10}")])

    def house(self, **changes: Any) -> House:
        """A meter of this ledger, commissioned with those who founded it."""
        return House(validators=self.founders, chain_id=self.chain_id, identity=IDENTITY, **changes)


def tell(house: House, evidence: bytes, kind: str = "command", number: int = 1) -> str:
    """What the meter answers to what its gateway brings."""
    house.do(Told(house.now_ms, kind, number, evidence=evidence))
    return house.answers[-1].code
