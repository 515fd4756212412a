"""A signature over one request, for those who share a secret with us: HMAC-SHA256, a time, and a nonce.

    Authorization: HMAC-SHA256 name=plug-1,time=1767225600000,nonce=5f1c…,signature=<64 hexadecimal digits>

What is signed is, each followed by a newline: the time, the nonce, the method, the target (path with its query), and
then the body's bytes. The key is the SHA-256 of the secret, so that the secret itself stands in no file of ours.

Pure: the time comes in with each question. A request counts once: its nonce is remembered for as long as its time is
believed. That memory ends with the process; what matters after a restart has numbers of its own (rows, commands, keys
of payments).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from typing import Final, NamedTuple

from ledgernode.errors import CredentialsInvalid, RateLimited, RequestReplayed, RequestStale

SCHEME: Final = "HMAC-SHA256"
_FORM: Final = re.compile(
    r"name=([A-Za-z0-9._:-]{1,64}), ?time=([0-9]{1,15}), ?nonce=([A-Za-z0-9._-]{8,64}), ?signature=([0-9a-f]{64})"
)
_RETRY_MS: Final = 1_000


class Claim(NamedTuple):
    """What an Authorization header says."""

    name: str
    time_ms: int
    nonce: str
    signature: str


class Request(NamedTuple):
    """What is signed, the time and nonce apart."""

    method: str
    target: str
    body: bytes


def key_of(secret: str) -> bytes:
    """The key of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def read_claim(header: str) -> Claim:
    """Refuses another form."""
    scheme, _, rest = header.partition(" ")
    found = _FORM.fullmatch(rest.strip()) if scheme == SCHEME else None
    if found is None:
        raise CredentialsInvalid(f"an authorization is {SCHEME} name=…,time=…,nonce=…,signature=…")
    name, time_ms, nonce, signature = found.groups()
    return Claim(name, int(time_ms), nonce, signature)


def authorization(name: str, key: bytes, request: Request, time_ms: int, nonce: str) -> str:
    """The header that signs a request."""
    return f"{SCHEME} name={name},time={time_ms},nonce={nonce},signature={_signature(key, request, time_ms, nonce)}"


def holds(claim: Claim, key: bytes, request: Request) -> bool:
    """Is it signed with this key? Takes as long either way."""
    return hmac.compare_digest(_signature(key, request, claim.time_ms, claim.nonce), claim.signature)


def _signature(key: bytes, request: Request, time_ms: int, nonce: str) -> str:
    head = f"{time_ms}\n{nonce}\n{request.method}\n{request.target}\n"
    return hmac.new(key, head.encode() + request.body, "sha256").hexdigest()


class Seen:
    """Nonces that were used, by name."""

    def __init__(self, window_ms: int, kept: int) -> None:
        self._window_ms = window_ms
        self._kept = kept
        self._nonces: dict[str, OrderedDict[str, int]] = {}

    def take(self, claim: Claim, now_ms: int) -> None:
        """Once for each; to be called when the signature holds. Raises RequestStale, RequestReplayed, RateLimited."""
        if abs(claim.time_ms - now_ms) > self._window_ms:
            raise RequestStale(f"the request was signed at {claim.time_ms}, here it is {now_ms}")
        used = self._nonces.setdefault(claim.name, OrderedDict())
        while used and next(iter(used.values())) < now_ms:
            used.popitem(last=False)
        if claim.nonce in used:
            raise RequestReplayed("a request with this nonce has come already")
        if len(used) >= self._kept:
            raise RateLimited("more signed requests than are remembered", retry_ms=_RETRY_MS)
        used[claim.nonce] = max(now_ms, claim.time_ms) + self._window_ms
