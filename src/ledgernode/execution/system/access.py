"""Who may call a system contract, and with what context.

An admin acts for its organisation and for no other: each organisation's own authority writes the
roles, so a role gives power over that organisation alone. What an admin decides must be signed for
in so many words: another contract that an admin happens to call cannot vote, register or revoke.
"""

from __future__ import annotations

from typing import Protocol, TypeVar, cast

import msgspec

from chaincode.api import Context
from ledgernode.errors import BadArguments, RoleRefused
from ledgernode.execution.timers import TIMER_ROLE
from ledgernode.identity.records import Role

_T = TypeVar("_T")

REASON_CHARACTERS = 500
CERTIFICATE_UNITS = 5_000
"""What checking one certificate chain costs of the budget; a unit is about a tenth of a microsecond."""
SIGNATURE_UNITS = 1_000


class SystemContext(Context, Protocol):
    """The context as native contracts see it: what the sandbox would meter, they charge themselves."""

    def charge(self, units: int) -> None:
        """Take units from the budget of the call."""
        ...


def require_direct(ctx: SystemContext, *roles: Role) -> None:
    """Refuses a call by another contract, and one whose creator has none of these roles."""
    if ctx.caller:
        raise RoleRefused(f"{ctx.contract} takes this from a signed transaction only, not from contract {ctx.caller}")
    if ctx.creator.role not in roles:
        raise RoleRefused(f"this takes the role {' or '.join(roles)}, not {ctx.creator.role or 'none'}")


def require_caller(ctx: SystemContext, contract: str) -> None:
    """Refuses everyone but this system contract."""
    if ctx.caller != contract:
        raise RoleRefused(f"only the contract {contract} calls this")


def require_timer(ctx: SystemContext) -> None:
    """Refuses everyone but the contract's own timer."""
    if ctx.caller or ctx.creator.role != TIMER_ROLE:
        raise RoleRefused("only a timer of this contract calls this")


def require_organisation(ctx: SystemContext, organisation: str) -> None:
    """Refuses a creator of another organisation."""
    if ctx.creator.organisation != organisation:
        raise RoleRefused(f"this is for {organisation} to decide, not for {ctx.creator.organisation}")


def require_reason(reason: str) -> None:
    if not 0 < len(reason) <= REASON_CHARACTERS:
        raise BadArguments(f"a reason has 1 to {REASON_CHARACTERS} characters")


def answered(value: _T) -> _T:
    """What a query answers with, as the plain data that leaves a contract; typed as what it says."""
    return cast("_T", msgspec.to_builtins(value))
