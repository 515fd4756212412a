"""Chains of certificates, checked: from an organisation's root to the key of one meter.

A chain is the leaf and its issuing certificate, PEM, in this order and nothing between; the root is
known from genesis or governance. Checking is a pure function of the chain's text, the roots and a
time: it runs inside transactions. Several roots may hold at once, so that one can replace another.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from ledgernode import config
from ledgernode.errors import BadCertificate
from ledgernode.identity import certificate_profile as profile
from ledgernode.identity.authority import (
    CertificateAuthority,
    build_request,
    create_intermediate,
    create_root,
    issue,
    read_request,
)
from ledgernode.identity.certificate_profile import Purpose, ReadCertificate
from ledgernode.identity.records import Role

__all__ = [
    "CertificateAuthority",
    "CertifiedIdentity",
    "Purpose",
    "build_request",
    "check_root",
    "create_intermediate",
    "create_root",
    "issue",
    "read_certificate",
    "read_request",
    "verify_chain",
    "verify_tls_chain",
]


class CertifiedIdentity(msgspec.Struct, frozen=True):
    """What a certificate says of its key."""

    organisation: str
    role: Role
    name: str
    attributes: dict[str, str]
    public_key: bytes
    not_before_ms: int
    not_after_ms: int
    certificate_hash: str


def read_certificate(chain_pem: str) -> CertifiedIdentity:
    """What a chain says of its leaf; that it holds is `verify_chain`'s question."""
    leaf, _ = profile.read_pem(chain_pem, 2)
    return _identity(leaf, Purpose.SIGNING)


def verify_chain(chain_pem: str, roots: Sequence[str], at_ms: int) -> CertifiedIdentity:
    """Check a chain at a time against any of an organisation's roots; refuses with the reason.

    Holds for no clock and no file: the same arguments give the same answer on every node.
    """
    leaf, issuing = profile.read_pem(chain_pem, 2)
    identity = _identity(leaf, Purpose.SIGNING)
    _check(leaf, issuing, tuple(roots), at_ms)
    return identity


def verify_tls_chain(chain_pem: str, roots: Sequence[str], at_ms: int) -> CertifiedIdentity:
    """The same for a certificate that opens connections."""
    leaf, issuing = profile.read_pem(chain_pem, 2)
    identity = _identity(leaf, Purpose.TLS)
    _check(leaf, issuing, tuple(roots), at_ms)
    return identity


def issued_under(chain_pem: str, roots: tuple[str, ...]) -> bool:
    """Is one of these roots above this chain, at whatever time? Refuses a chain that is none, or under none of them."""
    leaf, issuing = profile.read_pem(chain_pem, 2)
    _require_issued(leaf, issuing, "certificate")
    return bool(_roots_above(issuing.certificate, roots))


def check_root(root_pem: str, organisation: str, at_ms: int) -> None:
    """Refuses what is not a self-signed root of this organisation, valid at this time."""
    root = _root(root_pem)
    if root.organisation != organisation:
        raise BadCertificate(f"a root of {root.organisation} is given as one of {organisation}")
    root.require_valid(at_ms, "root")


def _check(leaf: ReadCertificate, issuing: ReadCertificate, roots: tuple[str, ...], at_ms: int) -> None:
    if issuing.path_length != 0:
        raise BadCertificate("the second certificate of a chain is of an issuing authority (CA, path length 0)")
    _require_issued(leaf, issuing, "certificate")
    leaf.require_valid(at_ms, "certificate")
    issuing.require_valid(at_ms, "issuing certificate")
    above = _roots_above(issuing.certificate, roots)
    if not any(root.covers(at_ms) for root in above):
        above[0].require_valid(at_ms, "root")


@lru_cache(maxsize=config.AUTHORITY_CACHE)
def _roots_above(issuing: x509.Certificate, roots: tuple[str, ...]) -> tuple[ReadCertificate, ...]:
    """The roots that issued it, at least one. A fact of bytes, so it is checked once and kept."""
    child = profile.read_form(issuing)
    above: list[ReadCertificate] = []
    reason = BadCertificate("no root is known for this certificate")
    for root_pem in roots:
        try:
            root = _root(root_pem)
            _require_issued(child, root, "issuing certificate")
        except BadCertificate as error:
            reason = error
        else:
            above.append(root)
    if not above:
        raise reason
    return tuple(above)


def _root(root_pem: str) -> ReadCertificate:
    (root,) = profile.read_pem(root_pem, 1)
    if root.path_length != 1:
        raise BadCertificate("a root is a CA with path length 1")
    _require_issued(root, root, "root")
    return root


def _require_issued(child: ReadCertificate, parent: ReadCertificate, what: str) -> None:
    if child.organisation != parent.organisation:
        raise BadCertificate(f"the {what} is of {child.organisation}, its authority of {parent.organisation}")
    if child.not_after_ms > parent.not_after_ms:
        raise BadCertificate(f"the {what} outlives its authority")
    try:
        child.certificate.verify_directly_issued_by(parent.certificate)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise BadCertificate(f"the {what} is not signed by its authority in {parent.organisation}") from error


def _identity(leaf: ReadCertificate, purpose: Purpose) -> CertifiedIdentity:
    if leaf.member is None:
        raise BadCertificate("an authority's certificate is nobody's identity")
    if leaf.member.purpose is not purpose:
        raise BadCertificate(f"the certificate is for {leaf.member.purpose}, {purpose} is needed")
    return CertifiedIdentity(
        organisation=leaf.organisation,
        role=leaf.member.role,
        name=leaf.member.name,
        attributes=leaf.member.attributes,
        public_key=leaf.public_key,
        not_before_ms=leaf.not_before_ms,
        not_after_ms=leaf.not_after_ms,
        certificate_hash=leaf.hash,
    )
