"""Enrolling many at once: from a list of names, or from requests that came in.

Everything is checked before anything is written, so that a list with one fault changes nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from ledgernode import config
from ledgernode.errors import BadCertificate, BadRequest, IdentityExists
from ledgernode.identity.authority import MEMBER_DAYS, CertificateAuthority, issue, read_request
from ledgernode.identity.certificate_profile import Member, Purpose, require_member
from ledgernode.identity.identity_files import new_request, place_certificate
from ledgernode.identity.organisation import identity_directory, issuing_directory
from ledgernode.identity.passphrase import Unlock, none_given
from ledgernode.identity.records import Role
from ledgernode.wire.unreadable import UNREADABLE

Progress = Callable[[int, int], None]
"""(done, of how many)"""


class NewIdentity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of an enrolment list: a key is made for it, in the organisation's own directory."""

    name: str
    role: Role
    attributes: dict[str, str] = {}


class Enrolled(msgspec.Struct, frozen=True):
    """The certificate to register on a ledger."""

    name: str
    role: Role
    certificate: str


def enroll_bulk(
    directory: Path,
    entries: Sequence[NewIdentity | str],
    *,
    now_ms: int,
    days: int = MEMBER_DAYS,
    progress: Progress = lambda _done, _total: None,
    unlock: Unlock = none_given,
) -> tuple[Enrolled, ...]:
    """Certify each entry: a new identity gets its key here, a request (PEM) is signed as it stands.

    Refuses the whole list when a name is malformed, stands twice, or is enrolled already.
    """
    if len(entries) > config.ENROL_ENTRIES:
        raise BadRequest(f"at most {config.ENROL_ENTRIES} entries at once, these are {len(entries)}")
    issuing = CertificateAuthority.load(issuing_directory(directory), unlock)
    members = [_member(issuing.organisation, entry) for entry in entries]
    _require_new(directory, members)
    enrolled = []
    for member, entry in zip(members, entries, strict=True):
        home = identity_directory(directory, member.name)
        request = entry if isinstance(entry, str) else _request(home, member)
        chain = issue(request, issuing, now_ms=now_ms, days=days)
        place_certificate(home, chain)
        enrolled.append(Enrolled(member.name, member.role, chain))
        progress(len(enrolled), len(members))
    return tuple(enrolled)


def read_list(path: Path) -> tuple[NewIdentity, ...]:
    """Read a list: JSON (objects with name, role, attributes), or CSV (name, role, then attribute columns)."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} cannot be read as text") from error
    try:
        if path.suffix == ".json":
            return msgspec.json.decode(text, type=tuple[NewIdentity, ...])
        return tuple(_rows(text))
    except (csv.Error, *UNREADABLE) as error:
        raise BadRequest(f"{path}: {error}") from error


def _rows(text: str) -> Iterator[NewIdentity]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    for row in reader:
        if None in row or None in row.values():
            raise BadRequest(f"line {reader.line_num} has more or fewer columns than the first")
        attributes = {column: cell for column, cell in row.items() if column not in {"name", "role"} and cell}
        fields = {column: row[column] for column in ("name", "role") if column in row}
        yield msgspec.convert({**fields, "attributes": attributes}, type=NewIdentity)


def _member(organisation: str, entry: NewIdentity | str) -> Member:
    if isinstance(entry, str):
        member, _ = read_request(entry)
    else:
        member = Member(organisation, entry.role, entry.name, entry.attributes, Purpose.SIGNING)
        require_member(member)
    if member.organisation != organisation:
        raise BadCertificate(f"{organisation} cannot certify a member of {member.organisation}")
    return member


def _require_new(directory: Path, members: Sequence[Member]) -> None:
    seen: set[tuple[str, Purpose]] = set()
    for member in members:
        if (member.name, member.purpose) in seen:
            raise IdentityExists(f"{member.name} stands twice in the list")
        seen.add((member.name, member.purpose))
        if member.purpose is Purpose.SIGNING and identity_directory(directory, member.name).exists():
            raise IdentityExists(f"{member.name} is enrolled already")


def _request(home: Path, member: Member) -> str:
    return new_request(
        home, organisation=member.organisation, role=member.role, name=member.name, attributes=member.attributes
    )
