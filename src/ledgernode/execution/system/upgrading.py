"""Moving a ledger on to the next version of its rules, at a height, when those who execute them can.

A validator says up to which version its software goes (`ready`): its node does so by itself, whenever what stands on
the ledger is not so. The organisations decide about the height by proposal, like about anything else. A decision is
refused while no quorum of the validators is ready, of those in force and of those that follow: the ledger would stop.
Who is not ready at that height stops there, by itself, and says so. A decision can be replaced until its height has
come.
"""

from __future__ import annotations

from typing import Final

from chaincode.api import Record
from ledgernode.errors import BadArguments, GovernanceRefused
from ledgernode.execution.system import standing
from ledgernode.execution.system.access import SystemContext
from ledgernode.execution.system.changes import MoveExecution
from ledgernode.execution.system.enactment import Enactment
from ledgernode.identity.records import EXECUTION_KEY, ExecutionRecord, ValidatorRecord, ready_key
from ledgernode.wire.quorum import quorum

MOVED_AHEAD = 10_000_000
"""How many blocks ahead the next version may be decided."""
_HIGHEST: Final = (1 << 31) - 1


class ExecutionStanding(Record):
    """`ready` has, of each validator in force by identity, up to which version its software goes; `needed` of them must
    know the next version before it can be decided. Without a decision `next_height` is 0.
    """

    version: int
    next_version: int
    next_height: int
    needed: int
    ready: dict[str, int]


def say_ready(ctx: SystemContext, version: int) -> None:
    if not 0 < version <= _HIGHEST:
        raise BadArguments("a version is a number from 1 on")
    ctx.put(ready_key(ctx.creator.id), version)
    ctx.emit("ReadinessTold", validator=ctx.creator.id, organisation=ctx.creator.organisation, version=version)


def move_execution(ctx: SystemContext, change: MoveExecution) -> Enactment:
    """Refuses any but the next version, a height that leaves no time, and one for which too few are ready."""
    now = standing.execution(ctx).version
    if change.version != now + 1:
        raise GovernanceRefused(f"execution version {now} is in force: the next is {now + 1}")
    first = ctx.height + standing.parameters(ctx).set_change_window
    if not first < change.height <= ctx.height + MOVED_AHEAD:
        raise GovernanceRefused(f"it begins with a block after {first}, so that every node learns of it in time")
    seats = standing.validators(ctx)
    for members in (seats.members, seats.next_members):
        _require_ready(ctx, members, change.version)
    after = ExecutionRecord(now, change.version, change.height)
    payload = {"version": change.version, "height": change.height}
    return Enactment("ExecutionMoves", payload, puts=((EXECUTION_KEY, after),))


def standing_of(ctx: SystemContext) -> ExecutionStanding:
    found, members = standing.execution(ctx), standing.validators(ctx).members
    return ExecutionStanding(
        version=found.version,
        next_version=found.next_version,
        next_height=found.next_height,
        needed=quorum(len(members)),
        ready=standing.readiness(ctx, members),
    )


def _require_ready(ctx: SystemContext, members: tuple[ValidatorRecord, ...], version: int) -> None:
    if not members:
        return
    ready = standing.readiness(ctx, members)
    late = [member for member in members if ready[member.identity] < version]
    needed = quorum(len(members))
    if len(members) - len(late) < needed:
        names = ", ".join(sorted(f"{member.organisation} ({member.identity[:8]})" for member in late))
        raise GovernanceRefused(
            f"{len(members) - len(late)} of {len(members)} validators are ready for version {version}, "
            f"{needed} must be: not ready are {names}"
        )
