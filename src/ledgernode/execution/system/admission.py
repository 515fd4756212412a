"""From a certificate to the record of a new identity: a pure function of chain, organisation and time."""

from __future__ import annotations

from collections.abc import Sequence

from ledgernode.errors import BadCertificate, GovernanceRefused
from ledgernode.identity.certificates import CertifiedIdentity, check_root, verify_chain
from ledgernode.identity.records import IdentityRecord, KeyRecord, OrganisationRecord, Role, Status
from ledgernode.wire.types import identity_id

ROOTS = 8
"""Roots of one organisation at a time: enough for any overlap."""


def certified(certificate: str, organisation: OrganisationRecord, at_ms: int) -> CertifiedIdentity:
    """What the chain says; refuses one that does not hold under the organisation's roots at this time."""
    found = verify_chain(certificate, organisation.roots, at_ms)
    if found.organisation != organisation.name:
        raise BadCertificate(f"this certificate is of organisation {found.organisation}, not of {organisation.name}")
    return found


def key_record(found: CertifiedIdentity) -> KeyRecord:
    return KeyRecord(found.public_key.hex(), found.certificate_hash, found.not_after_ms)


def admitted(certificate: str, organisation: OrganisationRecord, at_ms: int) -> IdentityRecord:
    """The record of the identity that this certificate makes; its id is its first key's."""
    return identity_record(certified(certificate, organisation, at_ms))


def identity_record(found: CertifiedIdentity) -> IdentityRecord:
    return IdentityRecord(
        id=identity_id(found.public_key).hex(),
        organisation=found.organisation,
        role=found.role,
        attributes=found.attributes,
        status=Status.ACTIVE,
        keys=(key_record(found),),
    )


def require_role(record: IdentityRecord, role: Role) -> None:
    if record.role is not role:
        raise BadCertificate(f"this certificate is of a {record.role}, a {role} is needed")


def new_organisation(
    name: str, roots: Sequence[str], admins: Sequence[str], at_ms: int
) -> tuple[OrganisationRecord, tuple[IdentityRecord, ...]]:
    """An organisation and its first admins; refuses bad roots, no admin, and one admin twice."""
    organisation = with_roots(OrganisationRecord(name, ()), roots, at_ms)
    records = tuple(admitted(admin, organisation, at_ms) for admin in admins)
    if not records:
        raise GovernanceRefused(f"the organisation {name} would have no admin")
    for record in records:
        require_role(record, Role.ADMIN)
    if len({record.id for record in records}) != len(records):
        raise GovernanceRefused(f"an admin of {name} stands twice")
    return organisation, records


def with_roots(organisation: OrganisationRecord, roots: Sequence[str], at_ms: int) -> OrganisationRecord:
    """The organisation under these roots; refuses none, too many, one twice, and a new one that is no root of it."""
    if not 1 <= len(roots) <= ROOTS or len(set(roots)) != len(roots):
        raise GovernanceRefused(f"{organisation.name} needs 1 to {ROOTS} different roots, not {len(roots)}")
    for root in sorted(set(roots) - set(organisation.roots)):
        check_root(root, organisation.name, at_ms)
    return OrganisationRecord(organisation.name, tuple(roots), organisation.status)
