"""A proposal, and the lists it stands in, as the governance contract keeps them.

    open  ──approve──▶ enacted      the policy is satisfied
      │ ────reject───▶ defeated     the policy can no longer be satisfied
      │ ────withdraw─▶ withdrawn    by the organisation that made it
      └─────time─────▶ expired      by the contract's own timer

A closed proposal is never opened again and never forgotten.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from chaincode.api import Record
from ledgernode.errors import UnknownProposal
from ledgernode.execution.system.access import SystemContext
from ledgernode.execution.system.index import entry


class Stage(StrEnum):
    OPEN = "open"
    ENACTED = "enacted"
    DEFEATED = "defeated"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Proposal(Record):
    """What is proposed, by whom, and who has voted how. Votes are organisations' names, in order cast."""

    id: str
    kind: str
    change: dict[str, Any]
    organisation: str
    proposer: str
    height: int
    made_ms: int
    expires_ms: int
    approvals: tuple[str, ...]
    rejections: tuple[str, ...]
    stage: Stage
    closed_ms: int = 0


ALL = "all"
_PROPOSAL = "proposal"
_LISTED = "listed"
_OPEN_OF = "open"


def find(ctx: SystemContext, proposal: str) -> Proposal:
    """The proposal; refuses an unknown id."""
    found = ctx.get(entry(_PROPOSAL, proposal), Proposal)
    if found is None:
        raise UnknownProposal(f"there is no proposal {proposal[:16]}")
    return found


def find_open(ctx: SystemContext, proposal: str) -> Proposal:
    """The same, while it can still be voted on."""
    found = find(ctx, proposal)
    if found.stage is not Stage.OPEN:
        raise UnknownProposal(f"proposal {proposal[:16]} is {found.stage}: only an open one can be voted on")
    if ctx.time_ms >= found.expires_ms:
        raise UnknownProposal(f"the time of proposal {proposal[:16]} is over")
    return found


def keep(ctx: SystemContext, proposal: Proposal) -> None:
    """Write the proposal, and move it to the list of its stage."""
    ctx.put(entry(_PROPOSAL, proposal.id), proposal)
    place = (f"{proposal.height:016x}", proposal.id)
    if proposal.stage is Stage.OPEN:
        ctx.put(entry(_OPEN_OF, proposal.organisation, proposal.id), True)
    else:
        ctx.delete(entry(_LISTED, Stage.OPEN, *place))
        ctx.delete(entry(_OPEN_OF, proposal.organisation, proposal.id))
    ctx.put(entry(_LISTED, ALL, *place), True)
    ctx.put(entry(_LISTED, proposal.stage, *place), True)


def listing(stage: str) -> tuple[str, str]:
    """Where the proposals of a stage (or `ALL`) are listed, oldest first."""
    return _LISTED, stage


def open_of(organisation: str) -> tuple[str, str]:
    """Where the open proposals of an organisation are listed."""
    return _OPEN_OF, organisation
