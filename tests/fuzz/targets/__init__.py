"""The table: every decoder of what comes from outside."""

from __future__ import annotations

from typing import Final

from tests.fuzz.target import Target
from tests.fuzz.targets import between, contracts, devices, gateways, members, signed, tokens

TABLE: Final[tuple[Target, ...]] = (
    *signed.TARGETS,
    *between.TARGETS,
    *contracts.TARGETS,
    *members.TARGETS,
    *tokens.TARGETS,
    *gateways.TARGETS,
    *devices.TARGETS,
)
