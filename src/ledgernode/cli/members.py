"""Members of a ledger as commands name them, a permanent id or ORGANISATION/NAME; and their registration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ledgernode.cli.ask import Speaker
from ledgernode.cli.connection import Connection, recorded_identity
from ledgernode.cli.output import decoded, progress
from ledgernode.errors import UnknownIdentity

_CONTRACT: Final = "identity"
_AT_ONCE: Final = 32  # certificates in one transaction: well within the default budget and size
_ID: Final = re.compile(r"[0-9a-f]{64}")


def register_all(at: Connection, chains: Sequence[str]) -> list[str]:
    """Register certificate chains in transactions of a bounded size; their ids, also of those known before."""
    from ledgernode.identity.certificates import read_certificate

    keys = [read_certificate(chain).public_key.hex() for chain in chains]
    with Speaker(at) as speaker:
        ids: dict[str, str] = {key: speaker.ask(_CONTRACT, "owner_of", public_key=key) for key in keys}
        waiting = [(key, chain) for key, chain in zip(keys, chains, strict=True) if not ids[key]]
        with progress("registering", shown=len(waiting) > _AT_ONCE) as report:
            for start in range(0, len(waiting), _AT_ONCE):
                part = waiting[start : start + _AT_ONCE]
                outcome = speaker.submit(_CONTRACT, "register_many", certificates=[chain for _, chain in part])
                ids.update(zip((key for key, _ in part), decoded(outcome.result), strict=True))
                report(start + len(part), len(waiting))
    return [ids[key] for key in keys]


def id_of(at: Connection, named: str) -> str:
    """The permanent id behind an id or ORG/NAME; refuses what is neither, and a name without a folder."""
    from ledgernode.identity.authority import read_pem_file
    from ledgernode.identity.certificates import read_certificate
    from ledgernode.wire.types import identity_id

    if _ID.fullmatch(named):
        return named
    organisation, slash, name = named.partition("/")
    if not slash:
        raise UnknownIdentity(f"an identity is named by 64 hex digits or ORGANISATION/NAME, not {named!r}")
    folder = at.speaking_as(organisation, name).identity_directory
    permanent = recorded_identity(folder)
    return (permanent or identity_id(read_certificate(read_pem_file(folder / "certificate.pem")).public_key)).hex()
