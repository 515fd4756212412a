"""The twenty digits of a credit: always the same for the same credit, so that minting again is no second token."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from gateway.vending.keystore import KeyFacts, label_of
from gateway.vending.module import VendingModule
from ledgernode.errors import VendingKeyUnknown
from ledgernode.sts.keys import KeyParameters, decoder_key, derivation, key_type_of
from ledgernode.sts.pan import read_pan
from ledgernode.sts.tid import BaseDate, Tid
from ledgernode.sts.token import Credit, mint

MWH_PER_UNIT: Final = 100_000


class Token(msgspec.Struct, frozen=True):
    """A credit as the ledger reserved it, all that its digits depend on but the key."""

    credit: int
    point: str
    device: str
    """The meter as the ledger names it: who is told the digits."""
    pan: str
    base: int
    tid: int
    rnd: int
    units: int
    key_revision: int
    tariff_index: int
    supply_group: str
    kind: str = "vend"

    @property
    def energy_mwh(self) -> int:
        return self.units * MWH_PER_UNIT


async def digits_of(module: VendingModule, token: Token) -> str:
    """The token. Raises VendingKeyUnknown, and what the standard has no room for."""
    label = label_of(token.supply_group, token.key_revision)
    facts = _found(await module.keys(), label)
    meter = KeyParameters(
        pan=read_pan(token.pan),
        supply_group=token.supply_group,
        tariff_index=f"{token.tariff_index:02d}",
        key_revision=token.key_revision,
        key_type=key_type_of(facts.key_type),
        base=BaseDate(token.base),
    )
    key = decoder_key(await module.sign(label, derivation(meter)))
    return mint(Credit(tid=Tid(token.tid), random=token.rnd, units=token.units), key)


def hash_of(digits: str) -> str:
    """What the ledger keeps of a token."""
    return hashlib.sha256(digits.encode()).hexdigest()


def _found(keys: list[KeyFacts], label: str) -> KeyFacts:
    for facts in keys:
        if facts.label == label:
            return facts
    raise VendingKeyUnknown(f"there is no {label} in the key store")
