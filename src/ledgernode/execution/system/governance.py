"""The contract `governance`: how the organisations decide together what the ledger is.

An admin proposes a change; each active organisation has one vote, cast by any of its admins; what the
policy asks for ("majority", "all", "N of M") enacts the change in the very transaction that completes
it. Proposing is the proposer's approval. A vote once cast stands; sending it again counts the votes
again, which settles a proposal after the membership or the policy has changed. What can no longer
be approved is defeated; what nobody settles expires.

A change is examined when it is proposed and again when it is enacted. If it must not happen then
(another change of the validator set is pending, say), the completing vote is refused with the reason
and can be sent again later.

Parameters and memberships hold from the next block on; a validator set after the window that lets
every node learn of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chaincode.api import Contract, Record, query, transaction
from ledgernode.errors import BadArguments, GovernanceRefused
from ledgernode.execution.system import proposal as proposals_kept
from ledgernode.execution.system import standing, upgrading
from ledgernode.execution.system.access import (
    SystemContext,
    answered,
    require_caller,
    require_direct,
    require_organisation,
    require_timer,
)
from ledgernode.execution.system.changes import parse_change
from ledgernode.execution.system.enactment import perform
from ledgernode.execution.system.examination import examined
from ledgernode.execution.system.index import entries, page_of
from ledgernode.execution.system.policy import Tally, tally
from ledgernode.execution.system.proposal import Proposal, Stage, find, find_open, keep
from ledgernode.execution.system.seating import key_replaced
from ledgernode.execution.system.upgrading import ExecutionStanding
from ledgernode.identity.records import GOVERNANCE, IDENTITY, Role, ValidatorRecord, ValidatorsRecord
from ledgernode.wire.parameters import Parameters

OPEN_PROPOSALS = 16
"""Open proposals of one organisation at a time."""
_ID_CHARACTERS = 16


class Standing(Record):
    """The policy, and what it asks for of the organisations that are active now."""

    policy: str
    needed: int
    active: tuple[str, ...]


class ProposalPage(Record):
    """Some proposals, oldest first, and where to go on ('' at the end)."""

    items: tuple[Proposal, ...]
    bookmark: str


class Governance(Contract):
    name = GOVERNANCE
    version = "1"

    # ------------------------------------------------------------ deciding

    @transaction
    def propose(self, ctx: SystemContext, kind: str, change: dict[str, Any]) -> str:
        """Propose a change and approve it for the own organisation; answers the proposal's id.

        Refuses anyone but an admin, an unknown kind or field, what must not happen, and more open
        proposals of one organisation than the limit.
        """
        require_direct(ctx, Role.ADMIN)
        organisation = ctx.creator.organisation
        if sum(1 for _ in entries(ctx, *proposals_kept.open_of(organisation))) >= OPEN_PROPOSALS:
            raise GovernanceRefused(f"{organisation} has {OPEN_PROPOSALS} open proposals: withdraw one first")
        examined(ctx, parse_change(kind, change))
        made = Proposal(
            id=ctx.transaction_id[:_ID_CHARACTERS],
            kind=kind,
            change=change,
            organisation=organisation,
            proposer=ctx.creator.id,
            height=ctx.height,
            made_ms=ctx.time_ms,
            expires_ms=ctx.time_ms + standing.parameters(ctx).proposal_lifetime_ms,
            approvals=(),
            rejections=(),
            stage=Stage.OPEN,
        )
        ctx.schedule(_timer(made.id), made.expires_ms, "expire", proposal=made.id)
        ctx.emit("ProposalMade", proposal=made.id, kind=kind, organisation=organisation, expires_ms=made.expires_ms)
        _settle(ctx, _approved(ctx, made))
        return made.id

    @transaction
    def approve(self, ctx: SystemContext, proposal: str) -> str:
        """Vote for a proposal, and enact it if the policy is satisfied; answers its stage."""
        require_direct(ctx, Role.ADMIN)
        return _cast(ctx, find_open(ctx, proposal), _approved)

    @transaction
    def reject(self, ctx: SystemContext, proposal: str) -> str:
        """Vote against a proposal, which defeats it if the policy can no longer be satisfied."""
        require_direct(ctx, Role.ADMIN)
        return _cast(ctx, find_open(ctx, proposal), _rejected)

    @transaction
    def withdraw(self, ctx: SystemContext, proposal: str) -> None:
        """Take back a proposal; an admin of the organisation that made it."""
        require_direct(ctx, Role.ADMIN)
        found = find_open(ctx, proposal)
        require_organisation(ctx, found.organisation)
        _close(ctx, found, Stage.WITHDRAWN)

    @transaction
    def expire(self, ctx: SystemContext, proposal: str) -> None:
        """Close a proposal whose time is over; called by the contract's timer."""
        require_timer(ctx)
        found = find(ctx, proposal)
        assert found.stage is Stage.OPEN, "closing a proposal cancels its timer"
        _close(ctx, found, Stage.EXPIRED)

    @transaction
    def replace_validator_key(self, ctx: SystemContext, identity: str, public_key: str) -> bool:
        """Let a seated validator's new key sign from the next epoch on; for `identity` alone.

        Answers whether it has a seat. Refuses while another change of the set is pending.
        """
        require_caller(ctx, IDENTITY)
        enactment = key_replaced(ctx, identity, public_key)
        if enactment is not None:
            perform(ctx, enactment)
        return enactment is not None

    @transaction
    def ready(self, ctx: SystemContext, version: int) -> None:
        """Say, as a validator, up to which version of execution one's software goes. What was said last counts."""
        require_direct(ctx, Role.VALIDATOR)
        upgrading.say_ready(ctx, version)

    # ------------------------------------------------------------ queries

    @query
    def chain(self, ctx: SystemContext) -> str:
        """The ledger's chain id."""
        return standing.chain(ctx)

    @query
    def parameters(self, ctx: SystemContext) -> Parameters:
        return answered(standing.parameters(ctx))

    @query
    def policy(self, ctx: SystemContext) -> Standing:
        policy, active = standing.policy(ctx), standing.active(standing.organisations(ctx))
        return Standing(policy=policy, needed=tally(policy, active, ()).needed, active=active)

    @query
    def engine(self, ctx: SystemContext) -> str:
        return standing.engine(ctx)

    @query
    def execution(self, ctx: SystemContext) -> ExecutionStanding:
        """The version of the rules, what is decided about the next one, and which validators' software knows it."""
        return answered(upgrading.standing_of(ctx))

    @query
    def validators(self, ctx: SystemContext) -> ValidatorsRecord:
        """The set in force, and the one that follows if a change is pending."""
        return answered(standing.validators(ctx))

    @query
    def members_in(self, ctx: SystemContext, epoch: int) -> tuple[ValidatorRecord, ...]:
        """The validators of the epoch under way, or of an earlier one; nobody of one that has not begun."""
        return answered(standing.seated_in(ctx, epoch))

    @query
    def is_seated(self, ctx: SystemContext, identity: str) -> bool:
        """Is this validator in the set, or in the one that follows?"""
        seats = standing.validators(ctx)
        return any(member.identity == identity for member in (*seats.members, *seats.next_members))

    @query
    def organisations(self, ctx: SystemContext) -> dict[str, str]:
        """Every organisation there is or was, and its status."""
        return {name: record.status.value for name, record in standing.organisations(ctx).items()}

    @query
    def count(self, ctx: SystemContext, approvals: tuple[str, ...]) -> Tally:
        """Where a vote with these approvals stands: what `lifecycle` asks."""
        return answered(_tally(ctx, approvals, ()))

    @query
    def proposal(self, ctx: SystemContext, proposal: str) -> Proposal:
        return answered(find(ctx, proposal))

    @query
    def proposals(
        self, ctx: SystemContext, stage: str = proposals_kept.ALL, size: int = 50, bookmark: str = ""
    ) -> ProposalPage:
        """Proposals of a stage, or all, oldest first."""
        if stage != proposals_kept.ALL and stage not in tuple(Stage):
            raise BadArguments(f"a stage is {', '.join(Stage)} or {proposals_kept.ALL}")
        page = page_of(ctx, *proposals_kept.listing(stage), size=size, bookmark=bookmark)
        items = tuple(find(ctx, proposal) for proposal, _ in page.items)
        return answered(ProposalPage(items=items, bookmark=page.bookmark))


def _timer(proposal: str) -> str:
    return f"expire {proposal}"


def _approved(ctx: SystemContext, proposal: Proposal) -> Proposal:
    ctx.emit("ProposalApproved", proposal=proposal.id, organisation=ctx.creator.organisation, by=ctx.creator.id)
    return proposal.replace(approvals=(*proposal.approvals, ctx.creator.organisation))


def _rejected(ctx: SystemContext, proposal: Proposal) -> Proposal:
    ctx.emit("ProposalRejected", proposal=proposal.id, organisation=ctx.creator.organisation, by=ctx.creator.id)
    return proposal.replace(rejections=(*proposal.rejections, ctx.creator.organisation))


def _cast(ctx: SystemContext, found: Proposal, vote: Callable[[SystemContext, Proposal], Proposal]) -> str:
    """Add the vote of the creator's organisation, if it has none yet, and settle what can be settled."""
    organisation = ctx.creator.organisation
    cast = organisation in (*found.approvals, *found.rejections)
    settled = _settle(ctx, found if cast else vote(ctx, found))
    if cast and settled.stage is Stage.OPEN:
        raise GovernanceRefused(f"{organisation} has voted on proposal {found.id} already")
    return settled.stage.value


def _settle(ctx: SystemContext, found: Proposal) -> Proposal:
    """Enact, defeat or leave open, as the votes stand."""
    counted = _tally(ctx, found.approvals, found.rejections)
    if counted.satisfied:
        perform(ctx, examined(ctx, parse_change(found.kind, found.change)))
        return _close(ctx, found, Stage.ENACTED)
    if not counted.reachable:
        return _close(ctx, found, Stage.DEFEATED)
    keep(ctx, found)
    return found


def _tally(ctx: SystemContext, approvals: tuple[str, ...], rejections: tuple[str, ...]) -> Tally:
    return tally(standing.policy(ctx), standing.active(standing.organisations(ctx)), approvals, rejections)


def _close(ctx: SystemContext, found: Proposal, stage: Stage) -> Proposal:
    closed = found.replace(stage=stage, closed_ms=ctx.time_ms)
    keep(ctx, closed)
    if stage is not Stage.EXPIRED:
        ctx.cancel(_timer(found.id))
    ctx.emit(_CLOSED[stage], proposal=found.id, kind=found.kind)
    return closed


_CLOSED = {
    Stage.ENACTED: "ProposalEnacted",
    Stage.DEFEATED: "ProposalDefeated",
    Stage.WITHDRAWN: "ProposalWithdrawn",
    Stage.EXPIRED: "ProposalExpired",
}
