"""Who calls, and how long they wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import grpc

from ledgernode.config import DEADLINE_MARGIN_MS, DEFAULT_WAIT_MS
from ledgernode.errors import RevokedSigner, RoleRefused
from ledgernode.identity.tls import Peer, Trust, peer_certificate, peer_identity
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
        peer = peer_identity(context.auth_context(), self._trust.roots, time.time_ns() // 1_000_000)
        if self._is_revoked(peer):
            raise RevokedSigner(f"the identity of {peer.name}, {peer.role} of {peer.organisation}, is revoked")
        return peer

    def certificate(self, context: Context) -> str:
        """The certificate that the caller shows, PEM."""
        return peer_certificate(context.auth_context())

    def require(self, access: Access, context: Context) -> Peer:
        """Refuses (ROLE_REFUSED) whose role this call is not for."""
        peer = self.require_member(context)
        if not access.allows(peer.role, own=peer.organisation == self._organisation):
            raise RoleRefused(f"this is for {access}, not for {peer.name} ({peer.role} of {peer.organisation})")
        return peer


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
