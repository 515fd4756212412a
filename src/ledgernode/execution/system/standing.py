"""How things stand: what governance has set so far, as the system contracts read it.

`parameters_in_force` asks the contract `governance`, from anywhere; the other functions are
governance's own reading of its state, and what it asks of `identity`.
"""

from __future__ import annotations

import msgspec

from ledgernode.execution.system.access import SystemContext
from ledgernode.identity.records import (
    ENGINE_KEY,
    GOVERNANCE,
    IDENTITY,
    PARAMETERS_KEY,
    POLICY_KEY,
    VALIDATORS_KEY,
    OrganisationRecord,
    Status,
    ValidatorsRecord,
    effective,
)
from ledgernode.wire.genesis import GenesisEngine
from ledgernode.wire.parameters import Parameters


def parameters_in_force(ctx: SystemContext) -> Parameters:
    return msgspec.convert(ctx.call(GOVERNANCE, "parameters"), type=Parameters)


def parameters(ctx: SystemContext) -> Parameters:
    found = ctx.get(PARAMETERS_KEY, Parameters)
    assert found is not None, "genesis writes the parameters"
    return found


def policy(ctx: SystemContext) -> str:
    found = ctx.get(POLICY_KEY, str)
    assert found is not None, "genesis writes the policy"
    return found


def engine(ctx: SystemContext) -> str:
    found = ctx.get(ENGINE_KEY, GenesisEngine)
    assert found is not None, "genesis writes the engine"
    return found.name


def validators(ctx: SystemContext) -> ValidatorsRecord:
    """The set in force for the block being executed, and what follows it."""
    found = ctx.get(VALIDATORS_KEY, ValidatorsRecord)
    assert found is not None, "genesis writes the validators"
    return effective(found, ctx.height)


def organisations(ctx: SystemContext) -> dict[str, OrganisationRecord]:
    """Every organisation there is or was, by name."""
    records = msgspec.convert(ctx.call(IDENTITY, "organisations"), type=tuple[OrganisationRecord, ...])
    return {record.name: record for record in records}


def active(records: dict[str, OrganisationRecord]) -> tuple[str, ...]:
    """The names of those who have a vote."""
    return tuple(sorted(name for name, record in records.items() if record.status is Status.ACTIVE))
