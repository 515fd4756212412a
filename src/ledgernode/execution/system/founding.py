"""What the system contracts know from the first block on: a checked genesis as their records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ledgernode.execution.system import roll
from ledgernode.execution.system.admission import certified, identity_record, new_organisation
from ledgernode.execution.system.index import entry
from ledgernode.execution.system.validators import arranged
from ledgernode.identity.certificates import CertifiedIdentity
from ledgernode.identity.founding_set import FIRST_EPOCH
from ledgernode.identity.records import (
    CHAIN_KEY,
    ENGINE_KEY,
    EXECUTION_KEY,
    GOVERNANCE,
    IDENTITY,
    PARAMETERS_KEY,
    POLICY_KEY,
    VALIDATORS_KEY,
    ExecutionRecord,
    Role,
    ValidatorRecord,
    ValidatorsRecord,
    identity_key,
    key_owner_key,
    named_key,
    organisation_key,
)
from ledgernode.wire.genesis import Genesis, GenesisOrganisation
from ledgernode.wire.types import ChainId

Founding = tuple[str, str, Any]
"""Contract, key, and the value that its `ctx.put` would store."""


def found(genesis: Genesis, chain: ChainId) -> tuple[Founding, ...]:
    """Every record the ledger begins with, by contract and key.

    The genesis has passed `identity.genesis_rules.check_genesis`; certificates hold at its own time.
    """
    records: list[Founding] = [
        (GOVERNANCE, CHAIN_KEY, chain.hex()),
        (GOVERNANCE, PARAMETERS_KEY, genesis.parameters),
        (GOVERNANCE, POLICY_KEY, genesis.policy),
        (GOVERNANCE, ENGINE_KEY, genesis.engine),
        (GOVERNANCE, EXECUTION_KEY, ExecutionRecord(genesis.execution_version)),
    ]
    members: list[ValidatorRecord] = []
    for founder in genesis.organisations:
        for key, value in _organisation(founder, genesis.created_ms, members):
            records.append((IDENTITY, key, value))
    records.append((GOVERNANCE, VALIDATORS_KEY, ValidatorsRecord(FIRST_EPOCH, arranged(members))))
    return tuple(sorted(records, key=lambda record: record[:2]))


def _organisation(
    founder: GenesisOrganisation, at_ms: int, members: list[ValidatorRecord]
) -> Iterator[tuple[str, Any]]:
    """The records of one organisation; its validators join the members."""
    certificates = tuple(admin.certificate for admin in founder.admins)
    organisation, _ = new_organisation(founder.name, founder.roots, certificates, at_ms)
    yield organisation_key(organisation.name), organisation
    for certificate in certificates:
        yield from _identity(certified(certificate, organisation, at_ms))
    for validator in founder.validators:
        found = certified(validator.certificate, organisation, at_ms)
        record = identity_record(found)
        members.append(ValidatorRecord(record.id, organisation.name, record.keys[0].public_key, validator.endpoint))
        yield from _identity(found)


def _identity(found: CertifiedIdentity) -> Iterator[tuple[str, Any]]:
    record = identity_record(found)
    yield identity_key(record.id), record
    yield named_key(found.organisation, found.role, found.name), record.id
    yield key_owner_key(record.keys[0].public_key), record.id
    yield entry(roll.MEMBERS, record.organisation, record.id), record.id
    if record.role is Role.ADMIN:
        yield entry(roll.ADMINS, record.organisation, record.id), record.id
