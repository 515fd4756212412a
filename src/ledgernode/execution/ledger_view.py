"""What a block's execution knows of the ledger itself: parameters, members, identities, code.

Read from the system contracts' records as they stand at the start of the block, so that a decision takes
effect with the next block. Each record is read once a block; what was decoded is kept from block to block
and used again only while the stored bytes are the same.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from chaincode.api import Creator
from ledgernode import config
from ledgernode.errors import DatabaseDamaged, ExpiredSigner, LedgerError, UnknownContract
from ledgernode.identity import records
from ledgernode.identity.engine_options import BLOCK_REWARD_MINOR, option
from ledgernode.identity.records import (
    CommittedRecord,
    CommittedVersion,
    IdentityRecord,
    OrganisationRecord,
    PackageRecord,
    ValidatorsRecord,
)
from ledgernode.store.state import StateView, value_of
from ledgernode.wire.genesis import GenesisEngine
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import Height, IdentityId, TimeMs

_T = TypeVar("_T")
_UNREAD: Final = object()
ROTATION: Final = (records.IDENTITY, "rotate")


class RecordCache:
    """Decoded records by state key, each beside the bytes it was decoded from; bounded."""

    __slots__ = ("_kept", "_limit")

    def __init__(self, limit: int = config.STATE_CACHE_RECORDS) -> None:
        self._kept: dict[bytes, tuple[bytes, Any]] = {}
        self._limit = limit

    def __len__(self) -> int:
        return len(self._kept)

    def decoded(self, key: bytes, stored: bytes, type: type[_T]) -> _T:
        """The record in these bytes."""
        kept = self._kept.get(key)
        if kept is not None and kept[0] == stored:
            found: _T = kept[1]
            return found
        try:
            found = msgspec.msgpack.decode(value_of(stored), type=type)
        except msgspec.MsgspecError as error:
            raise DatabaseDamaged(f"a record of the ledger cannot be read as {type.__name__}: {error}") from error
        if len(self._kept) >= self._limit:
            self._kept.clear()
        self._kept[key] = (stored, found)
        return found


class LedgerView:
    """One height's records, for the block at `height` and `time_ms`. Lives as long as the state view it reads."""

    __slots__ = ("_cache", "_found", "_signers", "height", "parameters", "time_ms", "view")

    def __init__(self, view: StateView, cache: RecordCache, height: Height, time_ms: TimeMs) -> None:
        self.view = view
        self._cache = cache
        self._found: dict[bytes, Any] = {}
        self._signers: dict[tuple[IdentityId, bytes], Signer] = {}
        self.height = height
        self.time_ms = time_ms
        self.parameters = self._required(records.PARAMETERS_STATE, Parameters)

    def identity(self, identity: str) -> IdentityRecord | None:
        return self._record(records.identity_state(identity), IdentityRecord)

    def organisation(self, name: str) -> OrganisationRecord | None:
        return self._record(records.organisation_state(name), OrganisationRecord)

    def validators(self) -> ValidatorsRecord:
        return self._required(records.VALIDATORS_STATE, ValidatorsRecord)

    @property
    def execution(self) -> int:
        """The version of the rules that this block is executed by."""
        return self.execution_record.at(self.height)

    @property
    def execution_record(self) -> records.ExecutionRecord:
        return self._required(records.EXECUTION_STATE, records.ExecutionRecord)

    @property
    def block_reward_minor(self) -> int:
        """What a block of proof of work pays its miner, by the founders' word; 0: nothing."""
        return option(self._required(records.ENGINE_STATE, GenesisEngine), BLOCK_REWARD_MINOR)

    def committed(self, name: str) -> CommittedVersion:
        """The version of a contract that this block runs. Refuses a name under which none is committed."""
        record = self._record(records.committed_state(name), CommittedRecord)
        versions = record.versions if record else ()
        in_force = next((version for version in reversed(versions) if version.height <= self.height), None)
        if in_force is None:
            raise UnknownContract(f"no contract {name} is committed on this ledger")
        return in_force

    def package(self, package_hash: str) -> bytes:
        """A committed package; not kept here, since what is loaded from it is."""
        state = records.package_state(package_hash)
        stored = self.view.get(state)
        if stored is None:
            raise DatabaseDamaged(f"package {package_hash[:16]} is committed, and not there")
        return msgspec.msgpack.decode(value_of(stored), type=PackageRecord).package

    def signer(self, identity: IdentityId, public_key: bytes) -> Signer:
        """Who this key speaks for in this block, or why it may not."""
        found = self._signers.get((identity, public_key))
        if found is None:
            found = self._signers[identity, public_key] = self._check_signer(identity, public_key)
        return found

    def _check_signer(self, identity: IdentityId, public_key: bytes) -> Signer:
        record = self.identity(identity.hex())
        organisation = self.organisation(record.organisation) if record else None
        refused = None
        try:
            records.check_signer(record, organisation, public_key.hex(), self.time_ms)
        except ExpiredSigner as refusal:
            refused = refusal
        except LedgerError as refusal:
            return Signer(refusal=refusal)
        assert record is not None, "check_signer refuses who is not registered"
        current = record.keys[0].public_key == public_key.hex()
        found = record.id, record.organisation, record.role.value, record.attributes
        return Signer(*found, refusal=refused, renewable=current)

    def _record(self, key: bytes, type: type[_T]) -> _T | None:
        found = self._found.get(key, _UNREAD)
        if found is _UNREAD:
            stored = self.view.get(key)
            found = None if stored is None else self._cache.decoded(key, stored, type)
            self._found[key] = found
        result: _T | None = found
        return result

    def _required(self, key: bytes, type: type[_T]) -> _T:
        found = self._record(key, type)
        if found is None:
            raise DatabaseDamaged(f"the ledger's own record {key!r} is lost")
        return found


class Signer:
    """A checked signer: who it is, or the refusal. `creator` is made afresh, since a contract may change it.

    `renewable`: the refusal is only that the certificate of the identity's key has ended. Such a key still hands over
    to the next one, which its organisation has to certify anyway: or a ledger would be lost when all certificates of
    its admins had ended.
    """

    __slots__ = ("_attributes", "_id", "_organisation", "_renewable", "refusal", "role")

    def __init__(
        self,
        id: str = "",
        organisation: str = "",
        role: str = "",
        attributes: dict[str, str] | None = None,
        refusal: LedgerError | None = None,
        *,
        renewable: bool = False,
    ) -> None:
        self._id = id
        self._organisation = organisation
        self._attributes = attributes or {}
        self.role = role
        self.refusal = refusal
        self._renewable = renewable

    def refusal_of(self, contract: str, function: str) -> LedgerError | None:
        """Why it may not call this, if so."""
        return None if self._renewable and (contract, function) == ROTATION else self.refusal

    @property
    def creator(self) -> Creator:
        return Creator(self._id, self._organisation, self.role, dict(self._attributes))
