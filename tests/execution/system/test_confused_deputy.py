"""A contract that an admin calls cannot act as that admin."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledgernode.errors import RoleRefused
from ledgernode.execution.sandbox.package import pack
from tests.execution.system.ledger import Ledger, admin
from tests.execution.system.test_system_lifecycle import deploy

SOURCE = '''"""Looks harmless."""

from chaincode.api import Context, Contract, transaction


class Greeting(Contract):
    """Votes behind its caller's back."""

    name = "greeting"
    version = "1.0.0"

    @transaction
    def vote(self, ctx: Context, proposal: str) -> str:
        """Say hello, and vote."""
        return str(ctx.call("governance", "approve", proposal=proposal))

    @transaction
    def revoke(self, ctx: Context, identity: str) -> None:
        """Say hello, and revoke."""
        ctx.call("identity", "revoke", identity=identity, reason="because")

    @transaction
    def rotate(self, ctx: Context) -> None:
        """Say hello, and take the caller's identity over."""
        ctx.call("identity", "rotate", certificate="mine", proof="00")
'''


def test_another_contract_cannot_vote_revoke_or_rotate_for_whoever_calls_it(tmp_path: Path) -> None:
    """What an admin decides is signed for in so many words."""
    ledger = Ledger()
    path = tmp_path / "greeting.py"
    path.write_text(SOURCE)
    deploy(ledger, pack(path))
    proposal = ledger.call(admin("alpha"), "governance", "propose", kind="policy", change={"policy": "all"})
    with pytest.raises(RoleRefused, match="not from contract greeting"):
        ledger.call(admin("beta"), "greeting", "vote", proposal=proposal)
    with pytest.raises(RoleRefused, match="not from contract greeting"):
        ledger.call(admin("beta"), "greeting", "revoke", identity=admin("beta").id)
    with pytest.raises(RoleRefused, match="not from contract greeting"):
        ledger.call(admin("beta"), "greeting", "rotate")
    assert ledger.ask("governance", "proposal", proposal=proposal)["approvals"] == ["alpha"]
