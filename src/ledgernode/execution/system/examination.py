"""What a proposed change would do: asked when it is proposed, and again when it is decided.

`examined` reads how things stand and answers an `Enactment`; it changes nothing. It refuses, with what
and why, every change after which a policy could not be satisfied, an organisation or the ledger would have
no admin, the validator set would not be sound, or the parameters would stop the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ledgernode.errors import GovernanceRefused
from ledgernode.execution.system import changes, membership, seating, standing, upgrading
from ledgernode.execution.system import parameters as numbers
from ledgernode.execution.system.access import SystemContext
from ledgernode.execution.system.enactment import Enactment
from ledgernode.identity.policy import approvals_needed
from ledgernode.identity.records import PARAMETERS_KEY, POLICY_KEY


def examined(ctx: SystemContext, change: changes.Change) -> Enactment:
    """What this change would do now; refuses one that must not happen."""
    return EXAMINERS[type(change)](ctx, change)


def _parameters(ctx: SystemContext, change: changes.ChangeParameters) -> Enactment:
    after = numbers.changed(standing.parameters(ctx), change.changes)
    return Enactment("ParametersChanged", dict(change.changes), puts=((PARAMETERS_KEY, after),))


def _policy(ctx: SystemContext, change: changes.ChangePolicy) -> Enactment:
    before = standing.policy(ctx)
    if change.policy == before:
        raise GovernanceRefused(f"the policy is {before!r} already")
    needed = approvals_needed(change.policy, len(standing.active(standing.organisations(ctx))))
    payload = {"policy": change.policy, "needed": needed}
    return Enactment("PolicyChanged", payload, puts=((POLICY_KEY, change.policy),))


EXAMINERS: Mapping[type[changes.Change], Callable[[SystemContext, Any], Enactment]] = {
    changes.ChangeParameters: _parameters,
    changes.ChangePolicy: _policy,
    changes.MoveExecution: upgrading.move_execution,
    changes.AddOrganisation: membership.add_organisation,
    changes.SuspendOrganisation: membership.suspend_organisation,
    changes.ResumeOrganisation: membership.resume_organisation,
    changes.RemoveOrganisation: membership.remove_organisation,
    changes.AddRoot: membership.add_root,
    changes.RetireRoot: membership.retire_root,
    changes.AddAdmin: membership.add_admin,
    changes.AddValidator: seating.add_validator,
    changes.RemoveValidator: seating.remove_validator,
    changes.ChangeEndpoint: seating.change_endpoint,
}
