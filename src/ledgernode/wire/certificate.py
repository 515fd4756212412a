"""Whether a block is certified: q valid signatures of its epoch's set. Whoever has the set can tell, also a meter."""

from __future__ import annotations

from collections.abc import Callable

from ledgernode.errors import BadProof
from ledgernode.wire.block import Header, header_hash
from ledgernode.wire.quorum import quorum
from ledgernode.wire.validators import Certificate, ValidatorSet, set_hash, vote_bytes

Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, message, signature) -> does it hold?"""


def check_certificate(header: Header, certificate: Certificate, validators: ValidatorSet, verify: Verify) -> None:
    """Refuses a certificate that is not q valid signatures of this set on this header."""
    if not validators.members:
        raise BadProof(f"block {header.height}: a set without members certifies nothing")
    needed = quorum(len(validators.members))
    if header.epoch != validators.epoch:
        raise BadProof(f"block {header.height} is of epoch {header.epoch}, the set of epoch {validators.epoch}")
    if header.current_set != set_hash(validators):
        raise BadProof(f"block {header.height} names another validator set of epoch {header.epoch} than this one")
    if len(certificate.signatures) < needed:
        raise BadProof(f"block {header.height} has {len(certificate.signatures)} signatures, {needed} are needed")
    message = vote_bytes(header.chain_id, header.epoch, header.height, header_hash(header))
    seen: set[int] = set()
    for position, signature in certificate.signatures:
        if position in seen or position >= len(validators.members):
            raise BadProof(f"block {header.height} is signed by position {position} twice, or by no member")
        seen.add(position)
        if not verify(validators.members[position].public_key, message, signature):
            raise BadProof(f"block {header.height}: the signature of validator {position} does not hold")
