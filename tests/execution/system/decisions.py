"""Deciding by vote, in as few words as a test can have."""

from __future__ import annotations

from typing import Any

import pytest

from ledgernode.errors import LedgerError
from ledgernode.identity.records import Role
from ledgernode.wire.parameters import Parameters
from tests.execution.system.ledger import House, Ledger, admin, house

WINDOW = 3
LIFETIME_MS = Parameters().proposal_lifetime_ms


def propose(ledger: Ledger, kind: str, change: dict[str, Any], *, by: str = "alpha") -> str:
    proposal = ledger.call(admin(by), "governance", "propose", kind=kind, change=change)
    assert isinstance(proposal, str)
    return proposal


def approve(ledger: Ledger, proposal: str, *names: str) -> str:
    """Approve by these organisations in turn; the stage after the last."""
    stage = ""
    for name in names:
        stage = ledger.call(admin(name), "governance", "approve", proposal=proposal)
    return stage


def decide(
    ledger: Ledger, kind: str, change: dict[str, Any], *, names: tuple[str, ...] = ("alpha", "beta", "delta")
) -> str:
    """Propose and approve by these organisations: a majority of four, unless said otherwise."""
    proposal = propose(ledger, kind, change, by=names[0])
    assert ledger.ask("governance", "proposal", proposal=proposal)["stage"] == ("open" if names[1:] else "enacted")
    if names[1:]:
        assert approve(ledger, proposal, *names[1:]) == "enacted"
    return proposal


def organisation(name: str, *, admins: int = 1) -> tuple[House, dict[str, Any]]:
    joining = house(name)
    people = [joining.admin, *(joining.person(Role.ADMIN) for _ in range(admins - 1))]
    return joining, {
        "name": name,
        "roots": [joining.root.certificate],
        "admins": [person.certificate for person in people[:admins]],
    }


def seats(ledger: Ledger) -> dict[str, str]:
    """Identity and endpoint of each validator in force."""
    return {member["identity"]: member["endpoint"] for member in ledger.ask("governance", "validators")["members"]}


def refused(ledger: Ledger, kind: str, change: dict[str, Any], error: type[LedgerError], match: str = ".") -> None:
    with pytest.raises(error, match=match):
        propose(ledger, kind, change)
    assert ledger.ask("governance", "proposals")["items"] == []
