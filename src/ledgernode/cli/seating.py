"""A new organisation takes its seat: it waits until the others have let it in, proposes its validator, and waits again.

Every step looks first what stands, so that whoever is interrupted begins anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from ledgernode.cli.ask import Speaker
from ledgernode.cli.connection import Connection
from ledgernode.errors import Forbidden, GovernanceRefused, Late, Unauthenticated, Unavailable, UnknownLedger
from ledgernode.identity.certificates import CertifiedIdentity, read_certificate
from ledgernode.wire.types import identity_id

_PAUSE_S: Final = 2.0
_PATIENT_WITH: Final = (Unavailable, Unauthenticated, Forbidden, Late, UnknownLedger)
"""Before it is let in, every node turns it away, or says nothing of the ledger; a node may be away at any time."""
_CONTRACT: Final = "governance"
Told = Callable[[str], None]


def take_seat(at: Connection, certificate: str, endpoint: str, *, wait_s: float, told: Told) -> dict[str, Any]:
    """The validators in the end, with the one of `certificate` among them or those that follow.

    Refuses what the ledger refuses of the proposal, and (DEADLINE_EXCEEDED) when it has not come about in time.
    """
    found = read_certificate(certificate)
    ends = time.monotonic() + wait_s
    said = ""
    while True:
        try:
            with Speaker(at) as speaker:
                state = _step(speaker, found, certificate, endpoint)
                if state == "":
                    seats: dict[str, Any] = speaker.ask(_CONTRACT, "validators")
                    return seats
        except _PATIENT_WITH as error:
            state = f"not let in yet ({error.code})"
        if state != said:
            told(state)
            said = state
        if time.monotonic() > ends:
            raise Late(f"{found.organisation} has no seat after {wait_s:.0f} s: {state}")
        time.sleep(_PAUSE_S)


def _step(speaker: Speaker, found: CertifiedIdentity, certificate: str, endpoint: str) -> str:
    """What is waited for; nothing when it has a seat."""
    identity = identity_id(found.public_key).hex()
    if speaker.ask(_CONTRACT, "is_seated", identity=identity):
        return ""
    if speaker.ask(_CONTRACT, "organisations").get(found.organisation) != "active":
        return f"{found.organisation} is not on the ledger yet: the others decide it (add_organisation)"
    wanted = {"kind": "add_validator", "change": {"certificate": certificate, "endpoint": endpoint}}
    for one in speaker.pages(_CONTRACT, "proposals", stage="open"):
        if one["kind"] == wanted["kind"] and one["change"].get("certificate") == certificate:
            return f"proposal {one['id']} waits for the others' approval"
    try:
        made = speaker.submit(_CONTRACT, "propose", **wanted)
    except _PATIENT_WITH as error:
        return f"the proposal is not taken yet ({error.code}: {error})"
    except GovernanceRefused as error:
        return f"not now: {error}"  # another change of the set is pending: one at a time
    proposal = msgspec.json.decode(made.result)
    return f"proposal {proposal} waits for the others' approval"
