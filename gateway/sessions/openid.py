"""An OpenID provider, as a client of it: what it says of itself, a code for a token, and whether the token holds.

    discovery   ISSUER/.well-known/openid-configuration, which must name that very issuer
    keys        its JWKS, asked for again when a token names a key that is not known yet, though not at any pace
    token       the code with the verifier of PKCE, for an id token that is for us, of now, and answers our nonce

Sources: OpenID Connect Core 1.0, RFC 6749, RFC 7636 (S256 alone), RFC 9207. Signatures are asymmetric: a provider
cannot be impersonated by who knows the client's secret.
"""

from __future__ import annotations

import base64
import hmac
import ssl
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import jwt
import msgspec

from gateway.http.post import Reply, get, post, read_url
from ledgernode.errors import BadRequest, CredentialsInvalid, NodeUnreachable
from ledgernode.wire.unreadable import UNREADABLE

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
CLOCKS_APART_S: Final = 10
TIMEOUT_S: Final = 10.0
_BELIEVED_MS: Final = 60 * 60_000
_KEYS_AGAIN_MS: Final = 10_000
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_CLAIMS: Final = ("exp", "iat", "iss", "aud", "sub", "nonce")


class Client(NamedTuple):
    """As the provider knows us; without a secret it is a public client, for whom PKCE alone speaks."""

    issuer: str
    id: str
    secret: str = ""
    trust: ssl.SSLContext | None = None


class Described(msgspec.Struct, frozen=True):
    """What a provider says of itself, as far as we need it."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class Token(msgspec.Struct, frozen=True):
    id_token: str


class Provider:
    """One provider; what it says is believed for an hour."""

    def __init__(self, client: Client, clock_ms: Callable[[], int]) -> None:
        _require_safe(client.issuer, client.issuer)
        self._client = client
        self._clock_ms = clock_ms
        self._described: Described | None = None
        self._described_ms = 0
        self._keys: dict[str, jwt.PyJWK] = {}
        self._keys_ms = -_KEYS_AGAIN_MS

    async def entrance(self, *, back_to: str, scopes: str, state: str, nonce: str, verifier: str) -> str:
        """Where a browser is sent to sign in."""
        described = await self._said()
        asked = {
            "response_type": "code",
            "client_id": self._client.id,
            "redirect_uri": back_to,
            "scope": scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        joint = "&" if urlsplit(described.authorization_endpoint).query else "?"
        return f"{described.authorization_endpoint}{joint}{urlencode(asked)}"

    async def claims(self, *, code: str, back_to: str, nonce: str, verifier: str) -> Mapping[str, Any]:
        """What the provider says of whom it sent with this code. Refuses (CredentialsInvalid) what does not hold."""
        described = await self._said()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back_to, "code_verifier": verifier}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self._client.secret:
            pair = f"{quote(self._client.id, safe='')}:{quote(self._client.secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = self._client.id
        body = urlencode(form).encode()
        trust = self._client.trust
        reply = await post(read_url(described.token_endpoint), body, headers, timeout_s=TIMEOUT_S, trust=trust)
        if not reply.taken:
            raise CredentialsInvalid("the provider does not know this entrance any more: begin again")
        return await self._holding(_read(reply, Token).id_token, nonce)

    async def _holding(self, token: str, nonce: str) -> Mapping[str, Any]:
        try:
            key = await self._key(str(jwt.get_unverified_header(token).get("kid", "")))
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._client.id,
                issuer=self._client.issuer,
                leeway=CLOCKS_APART_S,
                options={"require": list(_CLAIMS)},
            )
        except jwt.PyJWTError as error:
            raise CredentialsInvalid(f"the provider's token does not hold: {error}") from error
        if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
            raise CredentialsInvalid("the provider's token answers another entrance")
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else self._client.id) != self._client.id:
            raise CredentialsInvalid("the provider's token is for another client")
        return claims

    async def _key(self, kid: str) -> jwt.PyJWK:
        """The key of this name; without a name the only one."""
        found = self._known_key(kid)
        if found is None and self._clock_ms() - self._keys_ms >= _KEYS_AGAIN_MS:
            self._keys_ms = self._clock_ms()
            raw = await self._got((await self._said()).jwks_uri)
            shown = jwt.PyJWKSet.from_json(raw.body.decode()).keys
            self._keys = {str(key.key_id or ""): key for key in shown if key.algorithm_name in ALGORITHMS}
            found = self._known_key(kid)
        if found is None:
            raise CredentialsInvalid("the provider's token is signed by a key that it does not show")
        return found

    def _known_key(self, kid: str) -> jwt.PyJWK | None:
        if not kid and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    async def _said(self) -> Described:
        if self._described is None or self._clock_ms() - self._described_ms > _BELIEVED_MS:
            issuer = self._client.issuer
            described = _read(await self._got(f"{issuer.rstrip('/')}/.well-known/openid-configuration"), Described)
            if described.issuer != issuer:
                raise NodeUnreachable(f"at {issuer} is another provider, {described.issuer[:200]!r}")
            for address in (described.authorization_endpoint, described.token_endpoint, described.jwks_uri):
                _require_safe(address, issuer)
            self._described, self._described_ms = described, self._clock_ms()
        return self._described

    async def _got(self, address: str) -> Reply:
        headers = {"Accept": "application/json"}
        reply = await get(read_url(address), headers, timeout_s=TIMEOUT_S, trust=self._client.trust)
        if not reply.taken:
            raise NodeUnreachable(f"the provider answers {reply.status} at {address[:200]}")
        return reply


def _read(reply: Reply, form: Any) -> Any:
    try:
        return msgspec.json.decode(reply.body, type=form)
    except UNREADABLE as error:
        raise NodeUnreachable(f"what the provider says is not understood: {error}") from error


def _require_safe(address: str, issuer: str) -> None:
    """HTTPS; without TLS only a provider on this machine itself (a demo, a test), and all of it there."""
    url = read_url(address)
    if url.scheme != "https" and not (url.host in _LOOPBACK and read_url(issuer).host in _LOOPBACK):
        raise BadRequest(f"a provider is spoken with over https://, not {address[:200]!r}")
