"""Who calls, and how long they wait.

A node may serve several ledgers, and a connection is opened under the roots of any of them. So who asks for one is
judged again by that ledger: under the roots of its own organisations, and by what it says of the identity. To
everybody else the ledger does not exist.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import grpc

from ledgernode.config import DEADLINE_MARGIN_MS, DEFAULT_WAIT_MS
from ledgernode.errors import BadCertificate, RevokedSigner, RoleRefused, UnknownLedger
from ledgernode.identity.records import Status
from ledgernode.identity.tls import Peer, Trust, peer_certificate, peer_identity
from ledgernode.node.ledger import ServedLedger
from ledgernode.services.access import Access
from ledgernode.wire.protocol import common, of_agent

_AGENT: Final = "user-agent"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Callers:
    """Knows callers by their TLS certificates, each under the root of its own organisation."""

    def __init__(self, trust: Trust, organisation: str, is_revoked: Callable[[Peer], bool]) -> None:
        self._trust = trust
        self._organisation = organisation
        self._is_revoked = is_revoked

    def require_member(self, context: Context) -> Peer:
        """Refuses (UNAUTHENTICATED or CERTIFICATE_INVALID) whose certificate does not hold now, and who is revoked."""
        peer = self._peer(context, self._trust.roots)
        if self._is_revoked(peer):
            raise _revoked(peer)
        return peer

    def require_of(self, ledger: ServedLedger, context: Context) -> Peer:
        """Refuses who is of no organisation of this ledger (LEDGER_UNKNOWN), and whom it has revoked."""
        try:
            peer = self._peer(context, ledger.head.roots)
        except BadCertificate:
            raise unknown(ledger.name) from None
        if ledger.head.status_of(*peer) is Status.REVOKED:
            raise _revoked(peer)
        return peer

    def certificate(self, context: Context) -> str:
        """The certificate that the caller shows, PEM."""
        return peer_certificate(context.auth_context())

    def require(self, access: Access, context: Context) -> Peer:
        """Refuses (ROLE_REFUSED) whose role this call is not for."""
        peer = self.require_member(context)
        if not access.allows(peer.role, own=self._is_own(peer, context)):
            raise RoleRefused(f"this is for {access}, not for {peer.name} ({peer.role} of {peer.organisation})")
        return peer

    def _is_own(self, peer: Peer, context: Context) -> bool:
        """Is this somebody of the node's own organisation, and not of another that bears its name elsewhere?"""
        if peer.organisation != self._organisation:
            return False
        try:
            return self._peer(context, self._trust.own_roots) == peer
        except BadCertificate:
            return False

    def _peer(self, context: Context, roots: Sequence[str]) -> Peer:
        return peer_identity(context.auth_context(), roots, time.time_ns() // 1_000_000)


def unknown(name: str) -> UnknownLedger:
    """Said of a ledger that is not served here, and to whom it does not concern."""
    return UnknownLedger(f"this node does not serve a ledger {name!r}")


def _revoked(peer: Peer) -> RevokedSigner:
    return RevokedSigner(f"the identity of {peer.name}, {peer.role} of {peer.organisation}, is revoked")


def require_spoken(context: Context) -> None:
    """Refuses (PROTOCOL_UNSUPPORTED) whose program speaks no version of the protocol that we do."""
    for key, value in context.invocation_metadata() or ():
        if key == _AGENT:
            common(of_agent(str(value)), "the caller")
            return


def seconds_left(context: Context, wanted_ms: int | None = None) -> float:
    """How long to wait: as asked for, but never beyond the caller's deadline."""
    remaining_s = context.time_remaining()
    allowed_s = DEFAULT_WAIT_MS / 1_000 if remaining_s is None else remaining_s - DEADLINE_MARGIN_MS / 1_000
    return max(0.0, allowed_s if wanted_ms is None else min(allowed_s, wanted_ms / 1_000))
