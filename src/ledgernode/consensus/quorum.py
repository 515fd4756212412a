"""f and q, as the engines use them; computed in `wire.quorum`, which genesis and governance read too."""

from ledgernode.wire.quorum import faulty_limit, quorum

__all__ = ["faulty_limit", "quorum"]
