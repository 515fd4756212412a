"""How things stand: what governance has set so far, as the system contracts read it.

`parameters_in_force`, `chain_of_ledger` and `members_in` ask the contract `governance`, from anywhere; the other
functions are governance's own reading of its state, and what it asks of `identity`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ledgernode.execution.system.access import SystemContext
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
    OrganisationRecord,
    Status,
    ValidatorRecord,
    ValidatorsRecord,
    effective,
    ready_key,
    seats_key,
)
from ledgernode.wire.genesis import GenesisEngine
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import ChainId


def parameters_in_force(ctx: SystemContext) -> Parameters:
    return msgspec.convert(ctx.call(GOVERNANCE, "parameters"), type=Parameters)


def chain_of_ledger(ctx: SystemContext) -> ChainId:
    return ChainId(bytes.fromhex(ctx.call(GOVERNANCE, "chain")))


def members_in(ctx: SystemContext, epoch: int) -> tuple[ValidatorRecord, ...]:
    """Who has, or had, a seat in this epoch; nobody in one that has not begun."""
    return msgspec.convert(ctx.call(GOVERNANCE, "members_in", epoch=epoch), type=tuple[ValidatorRecord, ...])


def chain(ctx: SystemContext) -> str:
    found = ctx.get(CHAIN_KEY, str)
    assert found is not None, "genesis writes the chain id"
    return found


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


def execution(ctx: SystemContext) -> ExecutionRecord:
    """The version in force for the block being executed, and what follows it."""
    found = ctx.get(EXECUTION_KEY, ExecutionRecord)
    assert found is not None, "genesis writes the execution version"
    in_force = found.at(ctx.height)
    return found if in_force == found.version else ExecutionRecord(in_force)


def readiness(ctx: SystemContext, members: Sequence[ValidatorRecord]) -> dict[str, int]:
    """By identity, up to which version of execution each of these goes; who has said nothing knows that in force."""
    in_force = execution(ctx).version
    return {member.identity: ctx.get(ready_key(member.identity), int) or in_force for member in members}


def seated_in(ctx: SystemContext, epoch: int) -> tuple[ValidatorRecord, ...]:
    """The members of the epoch under way or of an earlier one."""
    now = validators(ctx)
    if epoch == now.epoch:
        return now.members
    over = ctx.get(seats_key(epoch), ValidatorsRecord) if epoch < now.epoch else None
    return over.members if over else ()


def organisations(ctx: SystemContext) -> dict[str, OrganisationRecord]:
    """Every organisation there is or was, by name."""
    records = msgspec.convert(ctx.call(IDENTITY, "organisations"), type=tuple[OrganisationRecord, ...])
    return {record.name: record for record in records}


def active(records: dict[str, OrganisationRecord]) -> tuple[str, ...]:
    """The names of those who have a vote."""
    return tuple(sorted(name for name, record in records.items() if record.status is Status.ACTIVE))
