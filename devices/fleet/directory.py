"""What a fleet keeps in its directory.

    fleet.json     its plan
    fleet.secret   of which the meters' keys are made (mode 0600)
    standing.json  its runs, and how far all meters have come: written as each round begins, before it is sent

A fleet that was killed sends again what its standing does not know to be safe: the same transactions, once more.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from devices.fleet.plan import Plan, Run
from ledgernode.errors import BadRequest
from ledgernode.identity.secret_file import create_secret, read_secret
from ledgernode.wire.unreadable import UNREADABLE

PLAN: Final = "fleet.json"
SECRET: Final = "fleet.secret"  # noqa: S105  # a file's name
STANDING: Final = "standing.json"
_T = TypeVar("_T")


class Standing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`begun`: the first round that has not begun. `safe`: the first of which something is not safe."""

    runs: tuple[Run, ...] = ()
    begun: int = 1
    safe: int = 1

    def cut(self) -> tuple[Run, ...]:
        """The runs as far as they were begun; a run that was ended early is as long as it came."""
        found = [
            msgspec.structs.replace(run, rounds=min(run.rounds, self.begun - run.first))
            for run in self.runs
            if run.first < self.begun
        ]
        return tuple(found)


def new_directory(directory: Path, plan: Plan) -> None:
    """Refuses one that holds a fleet."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (directory / PLAN).exists():
        raise BadRequest(f"{directory} holds a fleet already")
    create_secret(directory / SECRET, secrets.token_hex(32).encode() + b"\n")
    write(directory / PLAN, plan)


def read_plan(directory: Path) -> Plan:
    return _read(directory / PLAN, Plan)


def read_fleet_secret(directory: Path) -> bytes:
    return bytes.fromhex(read_secret(directory / SECRET).decode().strip())


def read_standing(directory: Path) -> Standing:
    path = directory / STANDING
    return _read(path, Standing) if path.exists() else Standing()


def write(path: Path, value: msgspec.Struct) -> None:
    """Whole or not at all, on disk when this returns."""
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _read(path: Path, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: is this a fleet's directory? {error.strerror}") from error
    except UNREADABLE as error:
        raise BadRequest(f"{path}: {error}") from error
