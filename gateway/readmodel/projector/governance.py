"""Organisations, identities and their keys, contracts, governance, evidence."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.readmodel.changes import Changes
from gateway.readmodel.decoded import Call, Event
from gateway.readmodel.tables.ledger import (
    FAULTS,
    GOVERNANCE,
    GOVERNANCE_VOTES,
    IDENTITIES,
    IDENTITY_KEYS,
    ORGANISATIONS,
    PACKAGE_APPROVALS,
    PACKAGES,
)
from ledgernode.errors import BadCertificate
from ledgernode.identity.certificates import CertifiedIdentity, read_certificate
from ledgernode.wire.genesis import parse_genesis
from ledgernode.wire.types import identity_id

_STATUS = {"IdentitySuspended": "suspended", "IdentityResumed": "active", "IdentityRevoked": "revoked"}
_ORGANISATION = {
    "OrganisationAdded": "active",
    "OrganisationResumed": "active",
    "OrganisationSuspended": "suspended",
    "OrganisationRemoved": "removed",
}
_CLOSED = {
    "ProposalEnacted": "enacted",
    "ProposalDefeated": "defeated",
    "ProposalExpired": "expired",
    "ProposalWithdrawn": "withdrawn",
}


def found(out: Changes, genesis_bytes: bytes) -> None:
    genesis = parse_genesis(genesis_bytes)
    for organisation in genesis.organisations:
        out.put(ORGANISATIONS, organisation=organisation.name, status="active")
        carried = [member.certificate for member in organisation.admins]
        carried += [validator.certificate for validator in organisation.validators]
        for certificate in carried:
            certified = read_certificate(certificate)
            _registered(out, certified, organisation.name, certified.role.value, int(genesis.created_ms))


def _registered(out: Changes, certified: CertifiedIdentity, organisation: str, role: str, time_ms: int) -> None:
    identity, key = identity_id(certified.public_key).hex(), certified.public_key.hex()
    values = {"organisation": organisation, "role": role, "name": certified.name, "status": "active"}
    out.put(IDENTITIES, identity=identity, public_key=key, registered_ms=time_ms, **values)
    out.put(IDENTITY_KEYS, public_key=key, identity=identity)


def _identity_registered(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    values = {"organisation": told["organisation"], "role": told["role"], "status": "active"}
    out.put(IDENTITIES, identity=told["identity"], registered_ms=call.time_ms, **values)
    for certified in _certificates(call):
        if identity_id(certified.public_key).hex() == told["identity"]:
            _registered(out, certified, told["organisation"], told["role"], call.time_ms)


def _certificates(call: Call) -> list[CertifiedIdentity]:
    """Those that a registering call carries, as far as they can be read."""
    arguments = call.argument_values() if call.contract == "identity" else {}
    carried = [arguments.get("certificate"), *arguments.get("certificates", ())]
    read = []
    for text in carried:
        try:
            read.append(read_certificate(text)) if isinstance(text, str) else None
        except BadCertificate:
            continue
    return read


def _status_changed(out: Changes, _call: Call, event: Event) -> None:
    out.put(IDENTITIES, identity=event.payload["identity"], status=_STATUS[event.name])


def _key_changed(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    out.put(IDENTITIES, identity=told["identity"], public_key=told["public_key"])
    ends = told.get("overlap_until_ms", 0)
    out.put(IDENTITY_KEYS, public_key=told["public_key"], identity=told["identity"], overlap_until_ms=ends)


def _organisation_changed(out: Changes, _call: Call, event: Event) -> None:
    name = event.payload.get("organisation") or event.payload.get("name")
    if name:
        out.put(ORGANISATIONS, organisation=name, status=_ORGANISATION[event.name])


def _installed(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    key = {"name": told["name"], "package_hash": told["package_hash"]}
    out.put(PACKAGES, **key, version=told["version"], installed_by=told["by"])


def _approval(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    key = {"name": told["name"], "package_hash": told["package_hash"], "organisation": told["organisation"]}
    out.put(PACKAGE_APPROVALS, **key, approved_by=told["by"], withdrawn=int(event.name == "ApprovalWithdrawn"))


def _committed(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    key = {"name": told["name"], "package_hash": told["package_hash"]}
    out.put(PACKAGES, **key, version=told["version"], committed_height=told["height"])


def _proposed(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    out.put(
        GOVERNANCE,
        proposal=told["proposal"],
        kind=told["kind"],
        organisation=told["organisation"],
        proposer=call.signer,
        stage="open",
        change=_json(call.argument_values().get("change")),
        made_ms=call.time_ms,
        expires_ms=told["expires_ms"],
    )


def _voted(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    vote = "approve" if event.name == "ProposalApproved" else "reject"
    key = {"proposal": told["proposal"], "organisation": told["organisation"]}
    out.put(GOVERNANCE_VOTES, **key, vote=vote, voter=told["by"])


def _closed(out: Changes, call: Call, event: Event) -> None:
    out.put(GOVERNANCE, proposal=event.payload["proposal"], stage=_CLOSED[event.name], closed_ms=call.time_ms)


def _equivocated(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    out.put(
        FAULTS,
        fault=told["fault"],
        member=told["member"],
        organisation=told["organisation"],
        ballot=told["ballot"],
        epoch=told["epoch"],
        fault_height=told["height"],
        reported_by=told["reported_by"],
    )


def _json(value: Any) -> str:
    return "" if value is None else msgspec.json.encode(value).decode().replace("\x00", "\ufffd")


EVENTS = {
    "identity.IdentityRegistered": _identity_registered,
    **{f"identity.{name}": _status_changed for name in _STATUS},
    "identity.KeyRotated": _key_changed,
    "identity.KeyReplaced": _key_changed,
    **{f"governance.{name}": _organisation_changed for name in _ORGANISATION},
    "lifecycle.PackageInstalled": _installed,
    "lifecycle.PackageApproved": _approval,
    "lifecycle.ApprovalWithdrawn": _approval,
    "lifecycle.ContractCommitted": _committed,
    "governance.ProposalMade": _proposed,
    "governance.ProposalApproved": _voted,
    "governance.ProposalRejected": _voted,
    **{f"governance.{name}": _closed for name in _CLOSED},
    "evidence.Equivocated": _equivocated,
}
