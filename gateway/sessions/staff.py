"""Staff enter by their organisation's OpenID provider: they look, and sign nothing.

    GET /api/v1/session/staff            to the provider, with PKCE, a state and a nonce
    GET /api/v1/session/staff/return     from it, with a code: a ticket, and on to the pages

Such a session has no key of the ledger. It is marked (`reads_only`), what would change anything is refused, and it
lasts an hour: the provider is then asked again. Who signs for the organisation enters with a wallet.

`staff.json` beside `gateway.json` says which claims make whom; the first rule that holds counts, and who fits none
stays out:

    {
      "issuer": "https://login.north.example", "client": "ledgernode", "secret_file": "staff-secret",
      "rules": [{"claim": "groups", "value": "grid-operators", "organisation": "north", "role": "operator"}]
    }

The way back is bound to the browser that went: by a cookie that goes along when the provider sends it back (`Lax`), for
ten minutes, once.
"""

from __future__ import annotations

import hmac
import os
import ssl
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from gateway.sessions.openid import Client, Provider
from gateway.sessions.router import PATH, Sessions
from gateway.sessions.tickets import Person
from ledgernode.errors import BadRequest, ChallengeUnknown, CredentialsInvalid, LedgerError, RateLimited
from ledgernode.identity.records import Role
from ledgernode.identity.secret_file import read_secret
from ledgernode.wire.unreadable import UNREADABLE

BEGIN: Final = f"{PATH}/staff"
BACK: Final = f"{PATH}/staff/return"
LIFE_MS: Final = 60 * 60_000
"""Of a session; the provider may have taken its word back since."""
AWAY_MS: Final = 10 * 60_000
"""So long somebody may take to sign in."""
_AWAY: Final = 10_000
_SECRET_BYTES: Final = 32
_ROLES: Final = (Role.ADMIN, Role.OPERATOR, Role.REGULATOR)
_NAMES: Final = ("name", "preferred_username", "email")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who has this value in this claim (or among its values) has this role in this organisation."""

    claim: str
    value: str
    organisation: str
    role: Role

    def __post_init__(self) -> None:
        if self.role not in _ROLES:
            raise ValueError("staff are admin, operator or regulator")

    def holds(self, claims: Mapping[str, Any]) -> bool:
        found = claims.get(self.claim)
        return self.value in found if isinstance(found, list) else found == self.value


class StaffFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`staff.json`."""

    issuer: str
    client: str
    rules: tuple[Rule, ...]
    secret_file: str = ""
    """With the client's secret; nobody else may read it. Empty: a public client."""
    roots_file: str = ""
    """Under which the provider's certificate stands; empty: those of this machine."""
    scopes: str = "openid profile"


def read_staff(path: Path) -> StaffFile:
    try:
        return msgspec.json.decode(path.read_bytes(), type=StaffFile)
    except (OSError, *UNREADABLE) as error:
        raise BadRequest(f"{path}: {error}") from error


def person_of(claims: Mapping[str, Any], rules: tuple[Rule, ...]) -> Person:
    """Whom the claims make. Refuses who fits no rule."""
    rule = next((rule for rule in rules if rule.holds(claims)), None)
    if rule is None:
        raise CredentialsInvalid("the provider knows you, and no rule here lets you in: ask your administrator")
    who = sha256(f"{claims['iss']}\n{claims['sub']}".encode()).hexdigest()[:40]
    name = next((claims[one] for one in _NAMES if isinstance(claims.get(one), str)), "")
    return Person(f"staff:{who}", rule.organisation, rule.role, {"name": name[:100]} if name else {}, reads_only=True)


class _Away(NamedTuple):
    """Somebody who was sent to the provider."""

    browser: bytes
    nonce: str
    verifier: str
    until_ms: int


class Staff:
    """The way there and back."""

    def __init__(self, directory: Path, file: StaffFile, sessions: Sessions, clock_ms: Callable[[], int]) -> None:
        secret = read_secret(directory / file.secret_file).decode().strip() if file.secret_file else ""
        trust = ssl.create_default_context(cafile=directory / file.roots_file) if file.roots_file else None
        self._provider = Provider(Client(file.issuer, file.client, secret, trust), clock_ms)
        self._file = file
        self._sessions = sessions
        self._clock_ms = clock_ms
        self._away: dict[str, _Away] = {}
        self._secure = sessions.origin.startswith("https://")
        self._cookie = "__Host-entering" if self._secure else "entering"

    @property
    def _back_to(self) -> str:
        return f"{self._sessions.origin}{BACK}"

    async def begin(self, request: Request) -> Response:
        """Send the browser to the provider."""
        self._sessions.require_pace(request)
        now_ms = self._clock_ms()
        self._forget(now_ms)
        if len(self._away) >= _AWAY:
            raise RateLimited("too many are entering at once", retry_ms=AWAY_MS // 10)
        browser, state, nonce, verifier = (os.urandom(_SECRET_BYTES).hex() for _ in range(4))
        entrance = await self._provider.entrance(
            back_to=self._back_to, scopes=self._file.scopes, state=state, nonce=nonce, verifier=verifier
        )
        self._away[state] = _Away(sha256(browser.encode()).digest(), nonce, verifier, now_ms + AWAY_MS)
        return self._marked(_sent(entrance), browser)

    async def back(self, request: Request, code: str, state: str, issuer: str) -> Response:
        """Let in whom the provider has sent back, to the pages; who is not let in is sent there with the reason."""
        self._sessions.require_pace(request)
        try:
            person = await self._returned(request, code, state, issuer)
        except LedgerError as error:
            return self._marked(_sent(f"/?refused={error.code}"), "")
        ticket = self._sessions.admit(request, person, LIFE_MS)
        return self._sessions.hand_over(self._marked(_sent("/"), ""), ticket)

    async def _returned(self, request: Request, code: str, state: str, issuer: str) -> Person:
        now_ms = self._clock_ms()
        self._forget(now_ms)
        away = self._away.pop(state, None)
        browser = sha256(request.cookies.get(self._cookie, "").encode()).digest()
        if away is None or not hmac.compare_digest(away.browser, browser):
            raise ChallengeUnknown("this browser did not go to the provider, or took too long: begin again")
        if issuer and issuer != self._file.issuer:
            raise CredentialsInvalid("another provider has answered")
        if not code:
            raise CredentialsInvalid("the provider let nobody in")
        claims = await self._provider.claims(code=code, back_to=self._back_to, nonce=away.nonce, verifier=away.verifier)
        return person_of(claims, self._file.rules)

    def _marked(self, response: Response, browser: str) -> Response:
        """The cookie that the way back is known by; '' takes it away."""
        response.set_cookie(
            self._cookie,
            browser,
            max_age=AWAY_MS // 1_000 if browser else 0,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )
        return response

    def _forget(self, now_ms: int) -> None:
        """They end in the order in which they began."""
        while self._away:
            state = next(iter(self._away))
            if self._away[state].until_ms > now_ms:
                return
            del self._away[state]


def _sent(where: str) -> Response:
    return RedirectResponse(where, 303, {"cache-control": "no-store"})


def router(staff: Staff) -> APIRouter:
    routes = APIRouter(tags=["session"])
    sent: dict[int | str, dict[str, Any]] = {303: {"description": "a browser goes on there"}}

    @routes.get(BEGIN, responses=sent, status_code=303)
    async def begin(request: Request) -> Response:
        """Enter by the organisation's provider, to look."""
        return await staff.begin(request)

    @routes.get(BACK, responses=sent, status_code=303)
    async def back(
        request: Request,
        state: Annotated[str, Query(max_length=200)],
        code: Annotated[str, Query(max_length=4_000)] = "",
        iss: Annotated[str, Query(max_length=400)] = "",
    ) -> Response:
        """Come back from the provider."""
        return await staff.back(request, code, state, iss)

    return routes
