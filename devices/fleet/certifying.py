"""A process that certifies meters: keys of their places, certificates by the organisation's issuing authority.

It is the organisation that certifies; this runs where its authority's key is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from devices.fleet.directory import read_fleet_secret, read_plan
from devices.fleet.meters import key_of
from ledgernode.identity.authority import CertificateAuthority, build_request, issue
from ledgernode.identity.organisation import issuing_directory
from ledgernode.identity.records import Role


class Certifying(msgspec.Struct, frozen=True):
    """Of these parts, each so many places from its first on."""

    directory: str
    organisation_directory: str
    parts: tuple[tuple[int, int], ...]
    now_ms: int


class Part(msgspec.Struct, frozen=True):
    """Meters from a place on: the certificate and the key of each."""

    first: int
    certificates: tuple[str, ...]
    public_keys: tuple[bytes, ...]


def main() -> None:
    """A line for each part, in order."""
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=Certifying)
    directory = Path(task.directory)
    plan, secret = read_plan(directory), read_fleet_secret(directory)
    authority = CertificateAuthority.load(issuing_directory(Path(task.organisation_directory)))
    for first, count in task.parts:
        keys = [key_of(secret, place) for place in range(first, first + count)]
        certificates = []
        for place, key in enumerate(keys, first):
            name = plan.meter_name(place)
            request = build_request(key, organisation=plan.organisation, role=Role.METER, name=name)
            certificates.append(issue(request, authority, now_ms=task.now_ms))
        part = Part(first, tuple(certificates), tuple(key.public_key for key in keys))
        sys.stdout.buffer.write(msgspec.json.encode(part) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
