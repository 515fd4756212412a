"""The genesis file: the one document that everyone holds and that names the ledger.

It is JSON, kept verbatim: the chain id is the tagged SHA-256 of the file's bytes as they stand.
Certificates are PEM; nothing in it is secret.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from ledgernode.errors import BadGenesis
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import ChainId, TimeMs, sha256
from ledgernode.wire.versions import EXECUTION_NEWEST

GENESIS_TAG: Final = b"ledgernode/genesis/1\x00"
FORMAT: Final = "ledgernode/genesis/1"
EXECUTION_VERSION: Final = EXECUTION_NEWEST
"""A new ledger begins with the newest rules."""
PYTHON_VERSION: Final = "3.11"
SIMULATED: Final = "simulated-"
"""So begins the name of a ledger that goes by a clock which a simulation sets, and only of such a one."""


class GenesisMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An identity that exists from the start: its certificate and the chain up to the root, PEM."""

    certificate: str


class GenesisValidator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    certificate: str
    endpoint: str


class GenesisOrganisation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    roots: tuple[str, ...]
    admins: tuple[GenesisMember, ...]
    validators: tuple[GenesisValidator, ...]


class GenesisEngine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str = "solo"
    options: dict[str, int] = {}


class Genesis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    name: str
    created_ms: TimeMs
    organisations: tuple[GenesisOrganisation, ...]
    engine: GenesisEngine = GenesisEngine()
    policy: str = "majority"
    execution_version: int = EXECUTION_VERSION
    python_version: str = PYTHON_VERSION
    parameters: Parameters = Parameters()


def encode_genesis(genesis: Genesis) -> bytes:
    return msgspec.json.format(msgspec.json.encode(genesis, order="deterministic"), indent=2) + b"\n"


def chain_id(genesis_bytes: bytes) -> ChainId:
    return ChainId(sha256(GENESIS_TAG + genesis_bytes))


def parse_genesis(raw: bytes) -> Genesis:
    """Read the file's form; whether its certificates hold is `identity.founding`'s question."""
    try:
        genesis = msgspec.json.decode(raw, type=Genesis)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadGenesis(f"the genesis file cannot be read: {error}") from error
    _require_unique_keys(raw)
    if genesis.format != FORMAT:
        raise BadGenesis(f"the genesis file is of format {genesis.format!r}, this software reads {FORMAT!r}")
    return genesis


def _require_unique_keys(raw: bytes) -> None:
    """A key that stands twice reads differently to different readers, though the chain id is the same."""

    def unique(pairs: list[tuple[str, Any]]) -> None:
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            raise BadGenesis(f"the genesis file names a key twice: {max(keys, key=keys.count)!r}")

    try:
        json.loads(raw.decode(), object_pairs_hook=unique)
    except ValueError as error:
        raise BadGenesis(f"the genesis file cannot be read: {error}") from error
