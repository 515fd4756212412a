"""How founders say yes: one admin of each organisation signs the genesis.

    signed  "ledgernode/acceptance/1" NUL | chain id 32 | organisation's name

The chain id is the hash of the genesis file, so an acceptance holds for that file to the last byte.
Who collects all of them knows that every organisation founded the same ledger.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from ledgernode.errors import BadGenesis, BadSignature, NotApproved, RoleRefused
from ledgernode.identity.certificates import read_certificate
from ledgernode.identity.genesis_rules import check_genesis
from ledgernode.identity.keys import verify
from ledgernode.identity.signing import SigningKey
from ledgernode.wire.genesis import Genesis, chain_id
from ledgernode.wire.types import ChainId
from ledgernode.wire.unreadable import UNREADABLE

ACCEPTANCE_TAG: Final = b"ledgernode/acceptance/1\x00"


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document between founders; bytes are hex."""

    chain_id: str
    organisation: str
    public_key: str
    signature: str


def acceptance_message(chain: ChainId, organisation: str) -> bytes:
    return ACCEPTANCE_TAG + chain + organisation.encode("ascii")


def accept_genesis(raw: bytes, admin: SigningKey) -> bytes:
    """Check the genesis whole and sign it for the organisation of this admin; JSON.

    Refuses a genesis that does not hold, and a key that is no admin's in it.
    """
    genesis = check_genesis(raw)
    organisation = _admins(genesis).get(admin.public_key)
    if organisation is None:
        raise RoleRefused("this key is no admin's in the genesis: only admins named there accept it")
    chain = chain_id(raw)
    signature = admin.sign(acceptance_message(chain, organisation))
    acceptance = Acceptance(chain.hex(), organisation, admin.public_key.hex(), signature.hex())
    return msgspec.json.format(msgspec.json.encode(acceptance), indent=2) + b"\n"


def check_acceptances(raw: bytes, acceptances: Iterable[bytes]) -> None:
    """Refuses unless every organisation of the genesis has accepted exactly this file."""
    genesis, chain = check_genesis(raw), chain_id(raw)
    admins = _admins(genesis)
    accepted = {_checked(acceptance, chain, admins) for acceptance in acceptances}
    missing = [organisation.name for organisation in genesis.organisations if organisation.name not in accepted]
    if missing:
        raise NotApproved(f"not every organisation has accepted the genesis: {', '.join(missing)}")


def _checked(raw: bytes, chain: ChainId, admins: dict[bytes, str]) -> str:
    try:
        acceptance = msgspec.json.decode(raw, type=Acceptance)
        key, signature = bytes.fromhex(acceptance.public_key), bytes.fromhex(acceptance.signature)
    except (*UNREADABLE, ValueError) as error:
        raise BadGenesis("an acceptance cannot be read") from error
    if acceptance.chain_id != chain.hex():
        raise BadGenesis(f"{acceptance.organisation[:32]} has accepted another genesis")
    if admins.get(key) != acceptance.organisation:
        raise RoleRefused(f"the acceptance of {acceptance.organisation[:32]} is not by one of its admins")
    if not verify(key, acceptance_message(chain, acceptance.organisation), signature):
        raise BadSignature(f"the acceptance of {acceptance.organisation} is not signed by its admin")
    return acceptance.organisation


def _admins(genesis: Genesis) -> dict[bytes, str]:
    """Whose admin each key is."""
    return {
        read_certificate(admin.certificate).public_key: organisation.name
        for organisation in genesis.organisations
        for admin in organisation.admins
    }
