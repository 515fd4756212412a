"""How many of N validators are enough: the only place where this is computed.

f = floor((N-1)/3) may be faulty; q = ceil((N+f+1)/2) agree. Any two sets of q share at least
f+1 members, so at least one honest one. For N = 3f+1, q is the familiar 2f+1.
"""

from __future__ import annotations


def faulty_limit(validators: int) -> int:
    """f: how many may fail in any way."""
    if validators < 1:
        raise ValueError("a validator set has at least one member")
    return (validators - 1) // 3


def quorum(validators: int) -> int:
    """q: how many signatures decide."""
    return (validators + faulty_limit(validators) + 2) // 2
