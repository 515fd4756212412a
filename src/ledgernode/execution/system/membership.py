"""Changes of the membership: organisations, their roots, and an admin for one that has none left.

After each of them every organisation that has a vote has an admin and a root, and the policy can be
satisfied by those who have a vote. What would break that is refused.
"""

from __future__ import annotations

from ledgernode.errors import GovernanceRefused, UnknownOrganisation
from ledgernode.execution.system import changes, standing
from ledgernode.execution.system.access import CERTIFICATE_UNITS, SystemContext
from ledgernode.execution.system.admission import admitted, new_organisation, require_role, with_roots
from ledgernode.execution.system.enactment import Enactment, Puts
from ledgernode.identity.certificates import read_certificate
from ledgernode.identity.policy import approvals_needed
from ledgernode.identity.records import (
    IDENTITY,
    POLICY_KEY,
    IdentityRecord,
    OrganisationRecord,
    Role,
    Status,
)


def add_organisation(ctx: SystemContext, change: changes.AddOrganisation) -> Enactment:
    records = standing.organisations(ctx)
    if change.name in records:
        raise GovernanceRefused(f"there is, or was, an organisation {change.name}: choose another name")
    ctx.charge(CERTIFICATE_UNITS * (len(change.roots) + len(change.admins)))
    organisation, admins = new_organisation(change.name, change.roots, change.admins, ctx.time_ms)
    for admin in admins:
        _require_new_key(ctx, admin)
    arguments = {"name": organisation.name, "roots": change.roots, "admins": change.admins}
    puts = _policy_after(ctx, change.policy, len(standing.active(records)) + 1)
    payload = {"organisation": organisation.name, "admins": [admin.id for admin in admins], **dict(puts)}
    return Enactment("OrganisationAdded", payload, puts, (("admit_organisation", arguments),))


def suspend_organisation(ctx: SystemContext, change: changes.SuspendOrganisation) -> Enactment:
    record, voters = _organisation(ctx, change.name, Status.ACTIVE)
    policy = _policy_after(ctx, change.policy, voters - 1)
    return _with_record(_as(record, Status.SUSPENDED), "OrganisationSuspended", policy)


def resume_organisation(ctx: SystemContext, change: changes.ResumeOrganisation) -> Enactment:
    record, voters = _organisation(ctx, change.name, Status.SUSPENDED)
    if not ctx.call(IDENTITY, "admins", organisation=record.name):
        raise GovernanceRefused(f"{record.name} has no admin who can sign: add one first (add_admin)")
    policy = _policy_after(ctx, change.policy, voters + 1)
    return _with_record(_as(record, Status.ACTIVE), "OrganisationResumed", policy)


def remove_organisation(ctx: SystemContext, change: changes.RemoveOrganisation) -> Enactment:
    record, voters = _organisation(ctx, change.name, Status.ACTIVE, Status.SUSPENDED)
    seats = standing.validators(ctx)
    if any(seat.organisation == record.name for seat in (*seats.members, *seats.next_members)):
        raise GovernanceRefused(f"{record.name} has validators in the set: remove them first (remove_validator)")
    left = voters - 1 if record.status is Status.ACTIVE else voters
    policy = _policy_after(ctx, change.policy, left)
    return _with_record(_as(record, Status.REVOKED), "OrganisationRemoved", policy)


def add_root(ctx: SystemContext, change: changes.AddRoot) -> Enactment:
    record, _ = _organisation(ctx, change.organisation, Status.ACTIVE, Status.SUSPENDED)
    ctx.charge(CERTIFICATE_UNITS)
    return _with_record(with_roots(record, (*record.roots, change.root), ctx.time_ms), "RootAdded")


def retire_root(ctx: SystemContext, change: changes.RetireRoot) -> Enactment:
    record, _ = _organisation(ctx, change.organisation, Status.ACTIVE, Status.SUSPENDED)
    if change.root not in record.roots:
        raise GovernanceRefused(f"this is no root of {record.name}")
    if len(record.roots) == 1:
        raise GovernanceRefused(f"this is the only root of {record.name}: add the next one first (add_root)")
    left = tuple(root for root in record.roots if root != change.root)
    return _with_record(OrganisationRecord(record.name, left, record.status), "RootRetired")


def add_admin(ctx: SystemContext, change: changes.AddAdmin) -> Enactment:
    record = certified_for(ctx, change.certificate, Role.ADMIN, Status.ACTIVE, Status.SUSPENDED)
    _require_new_key(ctx, record)
    arguments = {"organisation": record.organisation, "certificate": change.certificate}
    return Enactment(
        "AdminAdded", {"identity": record.id, "organisation": record.organisation}, calls=(("admit", arguments),)
    )


# ---------------------------------------------------------------- parts


def _organisation(ctx: SystemContext, name: str, *allowed: Status) -> tuple[OrganisationRecord, int]:
    """The organisation, and how many have a vote now; refuses one in another state."""
    records = standing.organisations(ctx)
    record = records.get(name)
    if record is None:
        raise UnknownOrganisation(f"no organisation {name[:32]} is part of this ledger")
    if record.status not in allowed:
        raise GovernanceRefused(f"the organisation {name} is {record.status}, not {' or '.join(allowed)}")
    return record, len(standing.active(records))


def _policy_after(ctx: SystemContext, named: str, voters: int) -> Puts:
    """The write of the policy that follows; refuses one that this many organisations cannot satisfy."""
    after = named or standing.policy(ctx)
    try:
        approvals_needed(after, voters)
    except GovernanceRefused as refusal:
        raise GovernanceRefused(f'{refusal.message}: name the "policy" that follows in this same proposal') from None
    return ((POLICY_KEY, after),) if named else ()


def _as(record: OrganisationRecord, status: Status) -> OrganisationRecord:
    return OrganisationRecord(record.name, record.roots, status)


def _with_record(record: OrganisationRecord, event: str, puts: Puts = ()) -> Enactment:
    arguments = {"name": record.name, "status": record.status.value, "roots": record.roots}
    return Enactment(event, {"organisation": record.name, **dict(puts)}, puts, (("set_organisation", arguments),))


def certified_for(ctx: SystemContext, certificate: str, role: Role, *allowed: Status) -> IdentityRecord:
    """The identity that this certificate makes, under the roots of the organisation it names."""
    ctx.charge(CERTIFICATE_UNITS)
    named = read_certificate(certificate).organisation
    organisation, _ = _organisation(ctx, named, *allowed)
    record = admitted(certificate, organisation, ctx.time_ms)
    require_role(record, role)
    return record


def owner_of(ctx: SystemContext, record: IdentityRecord) -> str:
    """The identity that has, or had, this record's key: '' if none."""
    return str(ctx.call(IDENTITY, "owner_of", public_key=record.keys[0].public_key))


def _require_new_key(ctx: SystemContext, record: IdentityRecord) -> None:
    owner = owner_of(ctx, record)
    if owner:
        raise GovernanceRefused(f"this key is, or was, a key of identity {owner[:16]}: certify a new one")
