"""`/api/v1/session`: enter with a wallet's key, see who one is, leave. And who is there, for every other route.

    POST   /api/v1/session/challenges    a challenge, and what to sign it for
    POST   /api/v1/session               the signed challenge: a ticket, as a cookie that no script reads
    GET    /api/v1/session               who is there
    DELETE /api/v1/session               the ticket ends; with `everywhere`, all of this person

The cookie goes to this server alone and never with another site's requests (`SameSite=Strict`); what changes anything
must besides say that it comes from our own page (`Origin`), so that no other page acts for who is here. A person asks
at a pace, and an address tries to enter at another.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from gateway.http.app import PREFIX, answer, gives, read_json, takes
from gateway.limits import Limits
from gateway.sessions.challenges import LIFE_MS, NONCE_BYTES, Challenges, entry_message
from gateway.sessions.paces import Paces
from gateway.sessions.people import ENTERING, People
from gateway.sessions.tickets import LIFE_MS as TICKET_MS
from gateway.sessions.tickets import TICKET_BYTES, Person, Tickets
from ledgernode.errors import BadSignature, OriginRefused, RevokedSigner, RoleRefused, SuspendedSigner, TicketInvalid
from ledgernode.identity.keys import verify
from ledgernode.wire.types import ChainId

PATH: Final = f"{PREFIX}/session"
_ASKING: Final = ("GET", "HEAD", "OPTIONS")


class Asked(msgspec.Struct, frozen=True):
    """What to sign: `ENTRY_TAG | chain | origin | nonce | expires`, as docs/formats.md says."""

    chain_id: str
    origin: str
    nonce: str
    expires_ms: int


class Entering(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to a challenge, all hex."""

    public_key: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{130}$")]
    nonce: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    signature: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{128}$")]


class Leaving(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    everywhere: bool = False


class Sessions:
    """Who is there, of one ledger, for pages of one origin (`https://console.north.example`)."""

    def __init__(
        self,
        chain_id: ChainId,
        origin: str,
        people: People,
        clock_ms: Callable[[], int],
        *,
        steady_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
        limits: Limits | None = None,
    ) -> None:
        self.origin = origin
        limits = limits or Limits()
        self.paces = Paces("this person asks", limits.person_burst, limits.person_refill_ms, steady_ms)
        self.entries = Paces("this address tries to enter", limits.entry_burst, limits.entry_refill_ms, steady_ms)
        self._chain_id = chain_id
        self._people = people
        self._clock_ms = clock_ms
        self._challenges = Challenges()
        self._tickets = Tickets()
        self._secure = origin.startswith("https://")
        self._cookie = "__Host-session" if self._secure else "session"

    async def present(self, request: Request) -> Person:
        """Who is there; refuses who is not, who may not any more, and another page's request that would change things.

        here = Depends(sessions.present)    # and a route's argument: `person: Person = here`
        """
        self._require_origin(request)
        person = self._tickets.whose(self._ticket(request), self._clock_ms())
        self.paces.require(person.identity)
        if person.reads_only and request.method not in _ASKING and request.url.path != PATH:
            raise RoleRefused("who entered by a provider looks, and changes nothing: enter with a wallet")
        return await self._as_of_now(person)

    async def still(self, request: Request) -> Person:
        """Who was there when this request began, as of now; that it lasts keeps no ticket alive."""
        person = self._tickets.known(self._ticket(request), self._clock_ms())
        return await self._as_of_now(person)

    async def _as_of_now(self, person: Person) -> Person:
        if person.reads_only:
            return person
        try:
            return await self._people.still(person)
        except (RevokedSigner, SuspendedSigner):
            self._tickets.end_all(person.identity)
            raise

    def _ticket(self, request: Request) -> str:
        found = request.cookies.get(self._cookie, "")
        if not found:
            raise TicketInvalid("nobody is signed in here")
        return found

    def _require_origin(self, request: Request) -> None:
        if request.method not in _ASKING and request.headers.get("origin") != self.origin:
            raise OriginRefused(f"what changes anything is asked by pages of {self.origin} alone")

    # ------------------------------------------------------------ what the routes do

    def challenge(self, request: Request) -> Asked:
        self.require_pace(request)
        given = self._challenges.ask(os.urandom(NONCE_BYTES), self._clock_ms())
        return Asked(self._chain_id.hex(), self.origin, given.nonce.hex(), given.expires_ms)

    async def enter(self, request: Request, entering: Entering) -> tuple[Person, str]:
        """Who signed the challenge, and a ticket; one that was held before ends."""
        self._require_origin(request)
        self.require_pace(request)
        now_ms = self._clock_ms()
        challenge = self._challenges.take(bytes.fromhex(entering.nonce), now_ms)
        key = bytes.fromhex(entering.public_key)
        message = entry_message(self._chain_id, self.origin, challenge)
        if not verify(key, message, bytes.fromhex(entering.signature)):
            raise BadSignature("this is not the challenge, signed by that key")
        person = await self._people.by_key(key)
        return person, self.admit(request, person)

    def admit(self, request: Request, person: Person, life_ms: int = TICKET_MS) -> str:
        """A ticket; one that was held before ends. Refuses whoever has no pages."""
        if person.role not in ENTERING:
            raise RoleRefused(f"a {person.role} has no pages: people enter, as customers, staff or regulators")
        self._tickets.end(request.cookies.get(self._cookie, ""))
        return self._tickets.give(person, os.urandom(TICKET_BYTES), self._clock_ms(), life_ms)

    def require_pace(self, request: Request) -> None:
        """So fast one address may try to enter."""
        self.entries.require(request.client.host if request.client is not None else "")

    def leave(self, request: Request, person: Person, *, everywhere: bool) -> None:
        if everywhere:
            self._tickets.end_all(person.identity)
        self._tickets.end(self._ticket(request))

    def hand_over(self, response: Response, ticket: str) -> Response:
        """Put the ticket where no script reads it; '' takes it away."""
        response.set_cookie(
            self._cookie,
            ticket,
            max_age=TICKET_MS // 1_000 if ticket else 0,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )
        return response


def router(sessions: Sessions) -> APIRouter:
    routes, here = APIRouter(tags=["session"]), Depends(sessions.present)

    @routes.post(f"{PATH}/challenges", responses=gives(Asked, f"good once, for {LIFE_MS // 1_000} s"))
    async def challenge(request: Request) -> Response:
        """Ask for a challenge to sign with a wallet's key."""
        return answer(sessions.challenge(request))

    @routes.post(PATH, openapi_extra=takes(Entering), responses=gives(Person, "who one is; the ticket is a cookie"))
    async def enter(request: Request) -> Response:
        """Enter with the signed challenge."""
        person, ticket = await sessions.enter(request, await read_json(request, Entering))
        return sessions.hand_over(answer(person), ticket)

    @routes.get(PATH, responses=gives(Person, "who one is"))
    async def who(person: Person = here) -> Response:
        """See who one is."""
        return answer(person)

    @routes.delete(PATH, openapi_extra=takes(Leaving), responses={204: {"description": "left"}}, status_code=204)
    async def leave(request: Request, person: Person = here) -> Response:
        """Leave, on this device or everywhere."""
        leaving = await read_json(request, Leaving) if await request.body() else Leaving()
        sessions.leave(request, person, everywhere=leaving.everywhere)
        return sessions.hand_over(Response(status_code=204), "")

    return routes
