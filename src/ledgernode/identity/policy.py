"""How many organisations must agree: "majority", "all", or "N of M" with M the number of members.

Genesis names the policy, governance counts by it. "N of M" is exact about M, so that a new member
cannot join without the policy being looked at again.
"""

from __future__ import annotations

import re
from typing import Final

from ledgernode.errors import GovernanceRefused

MAJORITY: Final = "majority"
ALL: Final = "all"
_COUNTED: Final = re.compile(r"([1-9][0-9]{0,3}) of ([1-9][0-9]{0,3})", re.ASCII)


def approvals_needed(policy: str, organisations: int) -> int:
    """How many of this many organisations decide; refuses a policy that they cannot satisfy."""
    if organisations < 1:
        raise GovernanceRefused("a ledger has at least one active organisation")
    if policy == MAJORITY:
        return organisations // 2 + 1
    if policy == ALL:
        return organisations
    counted = _COUNTED.fullmatch(policy)
    if counted is None:
        raise GovernanceRefused(f'a policy is "majority", "all" or "N of M", not {policy[:40]!r}')
    needed, members = int(counted[1]), int(counted[2])
    if members != organisations:
        raise GovernanceRefused(f"the policy counts {members} organisations, the ledger has {organisations}")
    if needed > members:
        raise GovernanceRefused(f"{needed} of {members} organisations can never agree")
    return needed
