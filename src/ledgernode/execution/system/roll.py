"""The roll of identities and organisations, as the identity contract keeps it.

Beside the records stand two lists: the members of each organisation, and its active admins, so that
"is there an admin left?" is answered without reading everyone.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledgernode.errors import GovernanceRefused, IdentityExists, UnknownIdentity, UnknownOrganisation
from ledgernode.execution.system.access import CERTIFICATE_UNITS, SystemContext
from ledgernode.execution.system.admission import certified, identity_record
from ledgernode.execution.system.index import entries, entry
from ledgernode.identity.certificates import CertifiedIdentity
from ledgernode.identity.records import (
    IdentityRecord,
    OrganisationRecord,
    Role,
    Status,
    identity_key,
    key_owner_key,
    named_key,
    organisation_key,
)

MEMBERS = "member"
ADMINS = "admin"


def identity_of(ctx: SystemContext, identity: str) -> IdentityRecord:
    """The identity's record; refuses an id that is not registered."""
    record = ctx.get(identity_key(identity), IdentityRecord)
    if record is None:
        raise UnknownIdentity(f"no identity {identity[:16]} is registered on this ledger")
    return record


def organisation_of(ctx: SystemContext, name: str) -> OrganisationRecord:
    """The organisation's record; refuses a name that was never added."""
    record = ctx.get(organisation_key(name), OrganisationRecord)
    if record is None:
        raise UnknownOrganisation(f"no organisation {name[:32]} is part of this ledger")
    return record


def keep(ctx: SystemContext, record: IdentityRecord) -> None:
    """Write an identity's record and the lists that it stands in."""
    ctx.put(identity_key(record.id), record)
    if record.role is Role.ADMIN:
        listed = entry(ADMINS, record.organisation, record.id)
        if record.status is Status.ACTIVE:
            ctx.put(listed, record.id)
        else:
            ctx.delete(listed)


def keep_name(ctx: SystemContext, found: CertifiedIdentity, record: IdentityRecord) -> None:
    """From now on the name in this certificate is this identity's."""
    ctx.put(named_key(found.organisation, found.role, found.name), record.id)


def enrol(ctx: SystemContext, organisation: OrganisationRecord, certificate: str) -> IdentityRecord:
    """Register a new identity; refuses a certificate that does not hold, and a key that was ever used."""
    ctx.charge(CERTIFICATE_UNITS)
    found = certified(certificate, organisation, ctx.time_ms)
    record = identity_record(found)
    claim_key(ctx, record.keys[0].public_key, record.id)
    ctx.put(entry(MEMBERS, record.organisation, record.id), record.id)
    keep(ctx, record)
    keep_name(ctx, found, record)
    ctx.emit("IdentityRegistered", identity=record.id, organisation=record.organisation, role=record.role.value)
    return record


def claim_key(ctx: SystemContext, public_key: str, identity: str) -> None:
    """Make the key this identity's for ever; refuses one that any identity has, or had."""
    owner = ctx.get(key_owner_key(public_key), str)
    if owner is not None:
        raise IdentityExists(f"this key is, or was, a key of identity {owner[:16]}: make a new one")
    ctx.put(key_owner_key(public_key), identity)


def active_admins(ctx: SystemContext, organisation: str, *, besides: str = "") -> Sequence[str]:
    """Admins who can sign now: active, and their certificate has not ended."""
    return [
        identity
        for identity, _ in entries(ctx, ADMINS, organisation)
        if identity != besides and identity_of(ctx, identity).keys[0].not_after_ms >= ctx.time_ms
    ]


def require_another_admin(ctx: SystemContext, record: IdentityRecord) -> None:
    """Refuses to take away the last active admin of an organisation."""
    if record.role is Role.ADMIN and not active_admins(ctx, record.organisation, besides=record.id):
        raise GovernanceRefused(
            f"{record.id[:16]} is the last active admin of {record.organisation}: register another first"
        )
