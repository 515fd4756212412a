"""What a community's folder says of it, beside its network: what was founded there, and where its play ended.

A folder that holds something else, or a play that was cut off, is refused: nothing is made up for what is not known.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from devices.community.scenario import Scenario
from ledgernode.errors import Conflict
from ledgernode.wire.genesis import chain_id
from ledgernode.wire.unreadable import UNREADABLE

_FOUNDED: Final = "community.json"
_STANDING: Final = "standing.json"


class Founded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`community.json` in the network's folder: what was founded here. Its last write says that all of it stands."""

    scenario: Scenario
    starts_ms: int
    """When the community's first interval begins."""


def read_founded(directory: Path) -> Founded | None:
    """None where no community was founded, or not to the end."""
    try:
        return msgspec.json.decode((directory / _FOUNDED).read_bytes(), type=Founded)
    except (OSError, *UNREADABLE):
        return None


def write_founded(directory: Path, founded: Founded) -> None:
    """The last step: what was founded stands."""
    (directory / _FOUNDED).write_bytes(msgspec.json.format(msgspec.json.encode(founded), indent=2) + b"\n")


def chain_of(directory: Path) -> Any:
    return chain_id((directory / "genesis.json").read_bytes())


class Standing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`standing.json`: where a play ended, and all that the next one goes on from. Gone while one is under way."""

    time_ms: int
    at_ms: int
    streets: dict[str, str]
    instruments: dict[str, int]


def take_standing(directory: Path) -> Standing:
    """Refuses a community whose play was not ended in order: its devices no longer know what they had signed."""
    path = directory / _STANDING
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Standing)
    except (OSError, *UNREADABLE) as error:
        raise Conflict(
            f"the community in {directory} was not ended in order, and cannot go on: "
            f"look at it with `ledgernode audit {directory}/nodes/north-1`, then remove it or name another folder"
        ) from error
    path.unlink()
    return found


def write_standing(directory: Path, standing: Standing) -> None:
    (directory / _STANDING).write_bytes(msgspec.json.encode(standing))
