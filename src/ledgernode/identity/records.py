"""What the ledger remembers of identities, organisations, validators and code, and where.

The system contracts (`execution.system`) write these records; the executor reads them before each
transaction. They are state like any other: committed, snapshotted and proven with the rest.

Identities, keys and organisations are under `identity`; the chain id, parameters, policy, engine and validators
under `governance`; packages and what is committed under `lifecycle`; faults of validators under `evidence`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from ledgernode.errors import ExpiredSigner, RevokedSigner, SuspendedSigner, UnknownSigner
from ledgernode.wire.keys import composite_key, state_key
from ledgernode.wire.types import Epoch, IdentityId
from ledgernode.wire.validators import Validator, ValidatorSet

IDENTITY: Final = "identity"
GOVERNANCE: Final = "governance"
LIFECYCLE: Final = "lifecycle"
EVIDENCE: Final = "evidence"
SYSTEM_CONTRACTS: Final = (EVIDENCE, GOVERNANCE, IDENTITY, LIFECYCLE)


class Role(StrEnum):
    ADMIN = "admin"
    OPERATOR = "operator"
    REGULATOR = "regulator"
    VALIDATOR = "validator"
    GATEWAY = "gateway"
    METER = "meter"
    CUSTOMER = "customer"


class Status(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class KeyRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key of an identity. `overlap_until_ms` is 0 for the current key."""

    public_key: str
    certificate_hash: str
    not_after_ms: int
    overlap_until_ms: int = 0


class IdentityRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A permanent identity; `keys` has the current key first."""

    id: str
    organisation: str
    role: Role
    attributes: dict[str, str]
    status: Status
    keys: tuple[KeyRecord, ...]


class OrganisationRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member of the ledger. `roots` are PEM; several overlap while one replaces another."""

    name: str
    roots: tuple[str, ...]
    status: Status = Status.ACTIVE


class ValidatorRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    identity: str
    organisation: str
    public_key: str
    endpoint: str


class ValidatorsRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The set of this epoch, and the one that follows after block `last_height` (0: no change pending)."""

    epoch: int
    members: tuple[ValidatorRecord, ...]
    next_members: tuple[ValidatorRecord, ...] = ()
    last_height: int = 0


class ExecutionRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version of execution, and the one that follows from block `next_height` on (0: none is decided)."""

    version: int
    next_version: int = 0
    next_height: int = 0

    def at(self, height: int) -> int:
        """The version that block `height` is executed by."""
        return self.next_version if self.next_height and height >= self.next_height else self.version


class PackageRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An installed package, by its hash."""

    name: str
    version: str
    package: bytes


class CommittedVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From block `height` on, the contract is this package."""

    height: int
    package_hash: str
    version: str


class CommittedRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every version a contract ever had, oldest first; old blocks replay with the code of their day."""

    name: str
    versions: tuple[CommittedVersion, ...]


def identity_key(identity: str) -> str:
    return composite_key("identity", identity)


def key_owner_key(public_key: str) -> str:
    """Which identity a public key belongs (or ever belonged) to: value is the identity's hex."""
    return composite_key("key", public_key)


def organisation_key(name: str) -> str:
    return composite_key("organisation", name)


def named_key(organisation: str, role: Role, name: str) -> str:
    """The identity that was last registered under a name of a certificate: what a TLS certificate says too."""
    return composite_key("named", organisation, role.value, name)


def package_key(package_hash: str) -> str:
    return composite_key("package", package_hash)


def committed_key(name: str) -> str:
    return composite_key("committed", name)


def seats_key(epoch: int) -> str:
    """Who had a seat in an epoch that is over, or is about to be."""
    return composite_key("seats", f"{epoch:016x}")


def ready_key(identity: str) -> str:
    """Up to which version of execution a validator's software goes, by its own word."""
    return composite_key("ready", identity)


def fault_key(fault: str) -> str:
    return composite_key("fault", fault)


def faults_of_key(identity: str) -> str:
    """How many faults of a validator are recorded."""
    return composite_key("faults_of", identity)


CHAIN_KEY: Final = "chain"
PARAMETERS_KEY: Final = "parameters"
VALIDATORS_KEY: Final = "validators"
POLICY_KEY: Final = "policy"
ENGINE_KEY: Final = "engine"
EXECUTION_KEY: Final = "execution"

ENGINE_STATE: Final = state_key(GOVERNANCE, ENGINE_KEY)
EXECUTION_STATE: Final = state_key(GOVERNANCE, EXECUTION_KEY)
PARAMETERS_STATE: Final = state_key(GOVERNANCE, PARAMETERS_KEY)
VALIDATORS_STATE: Final = state_key(GOVERNANCE, VALIDATORS_KEY)


def identity_state(identity: str) -> bytes:
    return state_key(IDENTITY, identity_key(identity))


def named_state(organisation: str, role: Role, name: str) -> bytes:
    return state_key(IDENTITY, named_key(organisation, role, name))


def ready_state(identity: str) -> bytes:
    return state_key(GOVERNANCE, ready_key(identity))


def organisation_state(name: str) -> bytes:
    return state_key(IDENTITY, organisation_key(name))


def committed_state(name: str) -> bytes:
    return state_key(LIFECYCLE, committed_key(name))


def package_state(package_hash: str) -> bytes:
    return state_key(LIFECYCLE, package_key(package_hash))


def fault_state(fault: str) -> bytes:
    return state_key(EVIDENCE, fault_key(fault))


def faults_of_state(identity: str) -> bytes:
    return state_key(EVIDENCE, faults_of_key(identity))


ROTATION_TAG: Final = b"ledgernode/rotation/1\x00"


def rotation_message(identity: IdentityId, new_public_key: bytes) -> bytes:
    """What a new key signs, to show that who rotates to it also holds it."""
    return ROTATION_TAG + identity + new_public_key


def effective(record: ValidatorsRecord, height: int) -> ValidatorsRecord:
    """The set in force for block `height`: a change past its last height has taken effect.

    The record itself is rewritten by the next change only, so every reader asks through here.
    """
    if not record.last_height or height <= record.last_height:
        return record
    return ValidatorsRecord(epoch=record.epoch + 1, members=record.next_members)


def next_after(record: ValidatorsRecord, height: int) -> ValidatorsRecord:
    """The set in force for the block after `height`: what the header of `height` names as its next."""
    return effective(record, height + 1)


def signing_set(record: ValidatorsRecord) -> ValidatorSet:
    """The members as the wire names them, without endpoints."""
    return ValidatorSet.of(
        Epoch(record.epoch),
        (
            Validator(IdentityId(bytes.fromhex(member.identity)), member.organisation, bytes.fromhex(member.public_key))
            for member in record.members
        ),
    )


def check_signer(
    record: IdentityRecord | None, organisation: OrganisationRecord | None, public_key: str, time_ms: int
) -> None:
    """May this key speak for this identity at this block time? Raises the leaf that says why not."""
    if record is None:
        raise UnknownSigner("no identity with this id is registered on this ledger")
    if record.status is Status.REVOKED:
        raise RevokedSigner(f"identity {record.id[:16]} is revoked")
    if record.status is Status.SUSPENDED:
        raise SuspendedSigner(f"identity {record.id[:16]} is suspended")
    if organisation is None or organisation.status is not Status.ACTIVE:
        raise SuspendedSigner(f"organisation {record.organisation} is not active")
    key = next((key for key in record.keys if key.public_key == public_key), None)
    if key is None:
        raise UnknownSigner(f"the signing key is none of the keys of identity {record.id[:16]}")
    if key.overlap_until_ms and time_ms > key.overlap_until_ms:
        raise ExpiredSigner("this key was rotated away and its overlap has ended")
    if time_ms > key.not_after_ms:
        raise ExpiredSigner("the certificate of this key has ended: rotate to a new one")
