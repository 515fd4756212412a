"""Changes of the validator set: who has a seat, with which key, and where it listens.

A change of seats or keys holds after the window, from the next epoch on; one at a time. The set that
follows is sound (`execution.system.validators`), or the change is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ledgernode.errors import GovernanceRefused
from ledgernode.execution.system import changes, standing
from ledgernode.execution.system import validators as sets
from ledgernode.execution.system.access import SystemContext
from ledgernode.execution.system.enactment import Calls, Enactment
from ledgernode.execution.system.membership import certified_for, owner_of
from ledgernode.identity.records import (
    IDENTITY,
    VALIDATORS_KEY,
    IdentityRecord,
    Role,
    Status,
    ValidatorRecord,
    ValidatorsRecord,
    seats_key,
)


def add_validator(ctx: SystemContext, change: changes.AddValidator) -> Enactment:
    sets.require_endpoint(change.endpoint)
    record = certified_for(ctx, change.certificate, Role.VALIDATOR, Status.ACTIVE)
    known = _registered(ctx, record)
    seat = ValidatorRecord((known or record).id, record.organisation, record.keys[0].public_key, change.endpoint)
    seats = standing.validators(ctx)
    if any(member.identity == seat.identity for member in seats.members):
        raise GovernanceRefused(f"validator {seat.identity[:16]} is in the set already")
    arguments = {"organisation": record.organisation, "certificate": change.certificate}
    calls: Calls = () if known else (("admit", arguments),)
    return _set_change(ctx, (*seats.members, seat), calls, override=change.override, added=seat.identity)


def remove_validator(ctx: SystemContext, change: changes.RemoveValidator) -> Enactment:
    seats = standing.validators(ctx)
    left = tuple(member for member in seats.members if member.identity != change.identity)
    if len(left) == len(seats.members):
        raise GovernanceRefused(f"{change.identity[:16]} is not in the validator set")
    return _set_change(ctx, left, (), override=change.override, removed=change.identity)


def change_endpoint(ctx: SystemContext, change: changes.ChangeEndpoint) -> Enactment:
    """At once and within the epoch: where a validator listens is no part of what it signs."""
    sets.require_endpoint(change.endpoint)
    seats = standing.validators(ctx)
    if all(member.identity != change.identity for member in (*seats.members, *seats.next_members)):
        raise GovernanceRefused(f"{change.identity[:16]} is not in the validator set")

    def moved(members: sets.Members) -> sets.Members:
        return tuple(
            msgspec.structs.replace(member, endpoint=change.endpoint) if member.identity == change.identity else member
            for member in members
        )

    after = msgspec.structs.replace(seats, members=moved(seats.members), next_members=moved(seats.next_members))
    payload = {"identity": change.identity, "endpoint": change.endpoint}
    return Enactment("EndpointChanged", payload, puts=((VALIDATORS_KEY, after),))


def key_replaced(ctx: SystemContext, identity: str, public_key: str) -> Enactment | None:
    """A seated validator has a new key: the same set with that key follows. None if it has no seat."""
    seats = standing.validators(ctx)
    if all(member.identity != identity for member in (*seats.members, *seats.next_members)):
        return None
    members = tuple(
        msgspec.structs.replace(member, public_key=public_key) if member.identity == identity else member
        for member in seats.members
    )
    return _set_change(ctx, members, (), override=True, rekeyed=identity)


# ---------------------------------------------------------------- parts


def _registered(ctx: SystemContext, record: IdentityRecord) -> IdentityRecord | None:
    """The active validator whose current key this is, None if the key is new; refuses any other owner."""
    owner = owner_of(ctx, record)
    if not owner:
        return None
    known = msgspec.convert(ctx.call(IDENTITY, "describe", identity=owner), type=IdentityRecord)
    if (known.organisation, known.role) != (record.organisation, record.role):
        raise GovernanceRefused(
            f"this key is, or was, of identity {owner[:16]}, a {known.role} of {known.organisation}"
        )
    if known.status is not Status.ACTIVE or known.keys[0].public_key != record.keys[0].public_key:
        raise GovernanceRefused(f"identity {owner[:16]} is {known.status}, or has rotated to another key")
    return known


def _set_change(
    ctx: SystemContext,
    members: Sequence[ValidatorRecord],
    calls: Calls,
    *,
    override: bool,
    **what: str,
) -> Enactment:
    """The set that follows after the window; refuses one that is not sound, or a second one pending."""
    sets.require_sound(members, standing.engine(ctx))
    sets.require_spread(members, override=override)
    last_height = ctx.height + standing.parameters(ctx).set_change_window
    before = standing.validators(ctx)
    after = sets.changed(before, members, last_height)
    kept = ValidatorsRecord(before.epoch, before.members)  # what they sign is judged by this set for ever
    payload: dict[str, Any] = {**what, "epoch": after.epoch + 1, "last_height": last_height, "members": len(members)}
    if override and sets.concentration(members):
        payload["overridden"] = sets.concentration(members)
    return Enactment(
        "SetChangeDecided", payload, puts=((seats_key(before.epoch), kept), (VALIDATORS_KEY, after)), calls=calls
    )
