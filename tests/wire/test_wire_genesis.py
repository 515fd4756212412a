"""The genesis file: named by its bytes, read in one way."""

from __future__ import annotations

import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import BadGenesis
from ledgernode.wire.genesis import (
    FORMAT,
    Genesis,
    GenesisEngine,
    GenesisMember,
    GenesisOrganisation,
    GenesisValidator,
    chain_id,
    encode_genesis,
    parse_genesis,
)
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import TimeMs

GENESIS = Genesis(
    format=FORMAT,
    name="north",
    created_ms=TimeMs(1_767_225_600_000),
    organisations=(
        GenesisOrganisation(
            name="utility",
            roots=("PEM of a root",),
            admins=(GenesisMember("PEM of an admin"),),
            validators=(GenesisValidator("PEM of a validator", "localhost:7051"),),
        ),
    ),
    engine=GenesisEngine("solo", {"interval_ms": 50}),
    parameters=Parameters(block_transactions=10),
)
RAW = encode_genesis(GENESIS)


def test_a_genesis_is_read_back_as_it_was_written() -> None:
    """parse . encode is the identity, and people can read the file."""
    assert parse_genesis(RAW) == GENESIS
    assert RAW.endswith(b"}\n")
    assert RAW.count(b"\n") > 20


def test_the_chain_id_is_of_the_bytes_not_of_their_meaning() -> None:
    """A reformatted file is another ledger."""
    reformatted = json.dumps(json.loads(RAW)).encode()
    assert parse_genesis(reformatted) == GENESIS
    assert chain_id(reformatted) != chain_id(RAW)


@given(st.integers(0, len(RAW) - 1), st.integers(1, 255))
def test_every_byte_of_the_file_counts(at: int, flip: int) -> None:
    """Another byte: another chain id, and either refused or readable; nothing else is raised."""
    altered = bytearray(RAW)
    altered[at] ^= flip
    assert chain_id(bytes(altered)) != chain_id(RAW)
    with contextlib.suppress(BadGenesis):
        parse_genesis(bytes(altered))


@given(st.binary(max_size=80))
def test_any_other_bytes_are_refused(raw: bytes) -> None:
    """No input raises anything but the one refusal."""
    with pytest.raises(BadGenesis):
        parse_genesis(raw)


UNFIT = {
    "no UTF-8": b'{"format":"\xff"}',
    "no object": b"[]",
    "deep": b'{"format":' + b"[" * 100_000,
    "an unknown field": RAW.replace(b'"name": "north"', b'"title": "x", "name": "north"'),
    "an unknown parameter": RAW.replace(b'"budget"', b'"budged"'),
    "a key twice": RAW.replace(b'"name": "north"', b'"name": "north", "name": "south"'),
    "a key twice by an escape": RAW.replace(b'"name": "north"', b'"name": "north", "n\\u0061me": "south"'),
    "another format": RAW.replace(FORMAT.encode(), b"ledgernode/genesis/2"),
    "a field missing": b'{"format":"ledgernode/genesis/1"}',
    "a byte order mark": b"\xef\xbb\xbf" + RAW,
    "something behind": RAW + b"{}",
    "a number of zero": RAW.replace(b'"block_transactions": 10', b'"block_transactions": 0'),
    "a negative number": RAW.replace(b'"block_transactions": 10', b'"block_transactions": -10'),
    "a number beyond 2^53": RAW.replace(b'"block_transactions": 10', b'"block_transactions": 9007199254740992'),
    "a fraction": RAW.replace(b'"block_transactions": 10', b'"block_transactions": 10.5'),
}


@pytest.mark.parametrize("why", UNFIT)
def test_what_makes_no_ledger_is_refused(why: str) -> None:
    """In form; whether its certificates hold is another question."""
    assert UNFIT[why] != RAW
    with pytest.raises(BadGenesis):
        parse_genesis(UNFIT[why])


def test_what_is_left_out_has_the_default() -> None:
    """A short file is a whole one."""
    short = msgspec.json.encode({"format": FORMAT, "name": "x", "created_ms": 1, "organisations": []})
    assert parse_genesis(short).parameters == Parameters()
    assert parse_genesis(short).engine == GenesisEngine("solo", {})
