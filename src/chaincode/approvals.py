"""Two people for what moves money or supply: one proposes, another of the same organisation approves.

    proposal   under `proposal`, id of the proposing transaction; gone once it is approved or withdrawn

A contract proposes with typed arguments, keeps them here as plain values, and carries out what `approved`
gives back. What waits longer than 14 days has lapsed.

Events: Proposed, Approved, Withdrawn.
"""

from typing import Any

from chaincode.access import require_staff
from chaincode.api import Context, Record, Refusal

LIFETIME_MS = 14 * 86_400_000
PROPOSALS_LISTED = 100


class Proposal(Record):
    """What one person wants done; `values` are the arguments of the action."""

    id: str
    kind: str
    organisation: str
    proposer: str
    values: dict[str, Any]
    proposed_ms: int


class ProposalUnknown(Refusal):
    """Nothing of this id waits for approval."""

    code = "PROPOSAL_UNKNOWN"


class SamePerson(Refusal):
    """The second person must be another one."""

    code = "SAME_PERSON"


class ProposalLapsed(Refusal):
    """It has waited for more than 14 days."""

    code = "PROPOSAL_LAPSED"


def propose(ctx: Context, kind: str, organisation: str, values: dict[str, Any]) -> str:
    """Keep what one of the organisation's staff wants done; answers the id to approve."""
    require_staff(ctx, organisation)
    proposal = Proposal(
        id=ctx.transaction_id,
        kind=kind,
        organisation=organisation,
        proposer=ctx.creator.id,
        values=values,
        proposed_ms=ctx.time_ms,
    )
    ctx.put(ctx.key("proposal", proposal.id), proposal)
    ctx.emit("Proposed", proposal=proposal.id, kind=kind, organisation=organisation, proposer=proposal.proposer)
    return proposal.id


def approved(ctx: Context, proposal: str) -> Proposal:
    """What was proposed, now to be carried out. Refuses the proposer, strangers, and what has lapsed."""
    found = proposal_of(ctx, proposal)
    require_staff(ctx, found.organisation)
    if found.proposer == ctx.creator.id:
        raise SamePerson("the second person is another one than the proposer")
    if ctx.time_ms > found.proposed_ms + LIFETIME_MS:
        raise ProposalLapsed("it has waited for more than 14 days: propose it again")
    ctx.delete(ctx.key("proposal", proposal))
    ctx.emit("Approved", proposal=proposal, kind=found.kind, proposer=found.proposer, approver=ctx.creator.id)
    return found


def withdrawn(ctx: Context, proposal: str) -> Proposal:
    """Forget a proposal; anyone of the organisation's staff may."""
    found = proposal_of(ctx, proposal)
    require_staff(ctx, found.organisation)
    ctx.delete(ctx.key("proposal", proposal))
    ctx.emit("Withdrawn", proposal=proposal, kind=found.kind, withdrawn_by=ctx.creator.id)
    return found


def proposals_of(ctx: Context, organisation: str) -> list[Proposal]:
    """What waits for a second person of an organisation, the first hundred by id."""
    waiting: list[Proposal] = []
    for _, found in ctx.matching("proposal", type=Proposal):
        if found.organisation == organisation and len(waiting) < PROPOSALS_LISTED:
            waiting.append(found)
    return waiting


def proposal_of(ctx: Context, proposal: str) -> Proposal:
    found = ctx.get(ctx.key("proposal", proposal), Proposal)
    if found is None:
        raise ProposalUnknown("nothing of this id waits for approval")
    return found
