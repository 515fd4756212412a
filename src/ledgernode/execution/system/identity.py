"""The contract `identity`: who is known to the ledger, and by which keys.

An identity is named for ever by the hash of its first key; later keys are mapped to it, so state,
balances and contracts never see a key change. An admin speaks for its own organisation: it registers,
suspends, resumes and revokes there. A regulator may suspend in its own organisation, and no more:
roles are written by each organisation's own authority, so none reaches into another organisation;
what concerns others is proposed to all of them (`governance`).

A rotation is signed by the current key and carries a signature by the new one. The new key holds at
once; the one it replaces overlaps for a while, and whatever was overlapping before it is dead. A lost
key is replaced by an admin, and the old ones die at once. No key is ever registered twice.

Every change takes effect for the transactions of the next block.
"""

from __future__ import annotations

from chaincode.api import Contract, Page, Record, Refusal, query, transaction
from ledgernode.errors import (
    BadArguments,
    BadCertificate,
    BadSignature,
    GovernanceRefused,
    RoleRefused,
    UnknownIdentity,
)
from ledgernode.execution.system import roll
from ledgernode.execution.system.access import (
    CERTIFICATE_UNITS,
    SIGNATURE_UNITS,
    SystemContext,
    answered,
    require_caller,
    require_direct,
    require_organisation,
    require_reason,
)
from ledgernode.execution.system.admission import certified, key_record, with_roots
from ledgernode.execution.system.index import page_of
from ledgernode.execution.system.standing import parameters_in_force
from ledgernode.identity.keys import verify
from ledgernode.identity.records import (
    GOVERNANCE,
    IDENTITY,
    IdentityRecord,
    KeyRecord,
    OrganisationRecord,
    Role,
    Status,
    key_owner_key,
    organisation_key,
    rotation_message,
)
from ledgernode.wire.types import IdentityId

REGISTERED_AT_ONCE = 256


class WrongStatus(Refusal):
    """The identity is not in the state that this step starts from."""

    code = "WRONG_STATUS"


class IdentityPage(Record):
    """Some of an organisation's identities, by id, and where to go on ('' at the end)."""

    items: tuple[IdentityRecord, ...]
    bookmark: str


class Identity(Contract):
    name = IDENTITY
    version = "1"

    # ------------------------------------------------------------ an organisation and its own members

    @transaction
    def register(self, ctx: SystemContext, certificate: str) -> str:
        """Register the identity of a certificate chain; answers its id.

        Refuses anyone but an admin of the same organisation, a chain that does not hold, and a key
        that was ever registered.
        """
        require_direct(ctx, Role.ADMIN)
        return roll.enrol(ctx, roll.organisation_of(ctx, ctx.creator.organisation), certificate).id

    @transaction
    def register_many(self, ctx: SystemContext, certificates: tuple[str, ...]) -> tuple[str, ...]:
        """Register several at once, all or none; answers their ids in the same order."""
        require_direct(ctx, Role.ADMIN)
        if not 1 <= len(certificates) <= REGISTERED_AT_ONCE:
            raise BadArguments(f"register 1 to {REGISTERED_AT_ONCE} identities at once")
        organisation = roll.organisation_of(ctx, ctx.creator.organisation)
        return tuple(roll.enrol(ctx, organisation, certificate).id for certificate in certificates)

    @transaction
    def suspend(self, ctx: SystemContext, identity: str, reason: str) -> None:
        """Refuse the identity's signature until it is resumed; an admin or regulator of its organisation."""
        require_direct(ctx, Role.ADMIN, Role.REGULATOR)
        record = _own(ctx, identity)
        if ctx.creator.role == Role.REGULATOR and record.role in (Role.ADMIN, Role.VALIDATOR):
            raise RoleRefused(f"a regulator does not suspend a {record.role}")
        _require_status(record, Status.ACTIVE)
        _change_status(ctx, record, Status.SUSPENDED, "IdentitySuspended", reason)

    @transaction
    def resume(self, ctx: SystemContext, identity: str, reason: str) -> None:
        """End a suspension; an admin of the same organisation."""
        require_direct(ctx, Role.ADMIN)
        record = _own(ctx, identity)
        _require_status(record, Status.SUSPENDED)
        _change_status(ctx, record, Status.ACTIVE, "IdentityResumed", reason)

    @transaction
    def revoke(self, ctx: SystemContext, identity: str, reason: str) -> None:
        """End the identity for ever; an admin of the same organisation.

        Refuses the organisation's last active admin, and a validator that is still in the set.
        """
        require_direct(ctx, Role.ADMIN)
        record = _own(ctx, identity)
        _require_status(record, Status.ACTIVE, Status.SUSPENDED)
        if record.role is Role.VALIDATOR and ctx.call(GOVERNANCE, "is_seated", identity=identity):
            raise GovernanceRefused(f"{identity[:16]} has a seat in the validator set: remove_validator comes first")
        _change_status(ctx, record, Status.REVOKED, "IdentityRevoked", reason)

    # ------------------------------------------------------------ keys

    @transaction
    def rotate(self, ctx: SystemContext, certificate: str, proof: str) -> None:
        """Give the signing identity a new key, of a certificate with the same organisation and role.

        `proof` is the new key's signature (hex) over `rotation_message`. Attributes follow the new
        certificate. A validator's new key signs blocks from the next epoch on.
        """
        require_direct(ctx, *Role)
        record = roll.identity_of(ctx, ctx.creator.id)
        ctx.charge(SIGNATURE_UNITS)
        overlapping = KeyRecord(
            record.keys[0].public_key,
            record.keys[0].certificate_hash,
            record.keys[0].not_after_ms,
            ctx.time_ms + parameters_in_force(ctx).rotation_overlap_ms,
        )
        renewed = _renewed(ctx, record, certificate, (overlapping,))
        public_key = bytes.fromhex(renewed.keys[0].public_key)
        if not verify(public_key, rotation_message(_id(record), public_key), _signature(proof)):
            raise BadSignature("the proof is not the new key's signature over this identity's rotation message")
        roll.keep(ctx, renewed)
        ctx.emit(
            "KeyRotated",
            identity=record.id,
            public_key=renewed.keys[0].public_key,
            overlap_until_ms=overlapping.overlap_until_ms,
        )

    @transaction
    def rekey(self, ctx: SystemContext, identity: str, certificate: str, reason: str) -> None:
        """Replace the lost or stolen key of an identity; the old ones die at once.

        Refuses anyone but an admin of the same organisation, and a revoked identity.
        """
        require_direct(ctx, Role.ADMIN)
        require_reason(reason)
        record = _own(ctx, identity)
        _require_status(record, Status.ACTIVE, Status.SUSPENDED)
        renewed = _renewed(ctx, record, certificate, ())
        roll.keep(ctx, renewed)
        ctx.emit(
            "KeyReplaced", identity=record.id, public_key=renewed.keys[0].public_key, by=ctx.creator.id, reason=reason
        )

    # ------------------------------------------------------------ what governance has decided

    @transaction
    def admit_organisation(
        self, ctx: SystemContext, name: str, roots: tuple[str, ...], admins: tuple[str, ...]
    ) -> None:
        """Add an organisation with its first admins; for `governance` alone."""
        require_caller(ctx, GOVERNANCE)
        assert ctx.get(organisation_key(name)) is None, "governance has examined the name"
        organisation = with_roots(OrganisationRecord(name, ()), roots, ctx.time_ms)
        ctx.put(organisation_key(name), organisation)
        for admin in admins:
            roll.enrol(ctx, organisation, admin)

    @transaction
    def set_organisation(self, ctx: SystemContext, name: str, status: Status, roots: tuple[str, ...]) -> None:
        """Change an organisation's status and roots; for `governance` alone."""
        require_caller(ctx, GOVERNANCE)
        organisation = roll.organisation_of(ctx, name)
        ctx.put(organisation_key(name), OrganisationRecord(organisation.name, roots, status))

    @transaction
    def admit(self, ctx: SystemContext, organisation: str, certificate: str) -> str:
        """Register an identity that the organisations decided on; for `governance` alone."""
        require_caller(ctx, GOVERNANCE)
        return roll.enrol(ctx, roll.organisation_of(ctx, organisation), certificate).id

    # ------------------------------------------------------------ queries

    @query
    def describe(self, ctx: SystemContext, identity: str) -> IdentityRecord:
        return answered(roll.identity_of(ctx, identity))

    @query
    def by_key(self, ctx: SystemContext, public_key: str) -> IdentityRecord:
        """Whose key this is or ever was (hex, 65 bytes)."""
        owner = ctx.get(key_owner_key(public_key), str)
        if owner is None:
            raise UnknownIdentity("no identity has, or had, this key")
        return answered(roll.identity_of(ctx, owner))

    @query
    def owner_of(self, ctx: SystemContext, public_key: str) -> str:
        """The id of the identity that has, or had, this key; '' if none."""
        return ctx.get(key_owner_key(public_key), str) or ""

    @query
    def organisation(self, ctx: SystemContext, name: str) -> OrganisationRecord:
        return answered(roll.organisation_of(ctx, name))

    @query
    def organisations(self, ctx: SystemContext) -> tuple[OrganisationRecord, ...]:
        """Every organisation there is or was, by name."""
        return answered(tuple(record for _, record in ctx.matching("organisation", type=OrganisationRecord)))

    @query
    def admins(self, ctx: SystemContext, organisation: str) -> tuple[str, ...]:
        """The admins who can sign for an organisation now."""
        return tuple(roll.active_admins(ctx, organisation))

    @query
    def list(self, ctx: SystemContext, organisation: str, size: int = 100, bookmark: str = "") -> IdentityPage:
        """An organisation's identities, in pages."""
        page: Page = page_of(ctx, roll.MEMBERS, organisation, size=size, bookmark=bookmark)
        items = tuple(roll.identity_of(ctx, identity) for identity, _ in page.items)
        return answered(IdentityPage(items=items, bookmark=page.bookmark))


def _own(ctx: SystemContext, identity: str) -> IdentityRecord:
    record = roll.identity_of(ctx, identity)
    require_organisation(ctx, record.organisation)
    return record


def _require_status(record: IdentityRecord, *allowed: Status) -> None:
    if record.status not in allowed:
        raise WrongStatus(f"identity {record.id[:16]} is {record.status}, not {' or '.join(allowed)}")


def _change_status(ctx: SystemContext, record: IdentityRecord, status: Status, event: str, reason: str) -> None:
    require_reason(reason)
    if status is not Status.ACTIVE and record.status is Status.ACTIVE:
        roll.require_another_admin(ctx, record)
    roll.keep(ctx, IdentityRecord(record.id, record.organisation, record.role, record.attributes, status, record.keys))
    ctx.emit(event, identity=record.id, by=ctx.creator.id, reason=reason)


def _renewed(
    ctx: SystemContext, record: IdentityRecord, certificate: str, overlapping: tuple[KeyRecord, ...]
) -> IdentityRecord:
    """The record under the certificate's key, claimed for it; a seated validator's set follows."""
    ctx.charge(CERTIFICATE_UNITS)
    found = certified(certificate, roll.organisation_of(ctx, record.organisation), ctx.time_ms)
    if found.role is not record.role:
        raise BadCertificate(f"the certificate is of a {found.role}, identity {record.id[:16]} is a {record.role}")
    key = key_record(found)
    roll.claim_key(ctx, key.public_key, record.id)
    roll.keep_name(ctx, found, record)
    if record.role is Role.VALIDATOR:
        ctx.call(GOVERNANCE, "replace_validator_key", identity=record.id, public_key=key.public_key)
    return IdentityRecord(
        record.id, record.organisation, record.role, found.attributes, record.status, (key, *overlapping)
    )


def _id(record: IdentityRecord) -> IdentityId:
    return IdentityId(bytes.fromhex(record.id))


def _signature(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise BadArguments("a proof is a signature in hexadecimal") from error
