"""What people type: prepaid tokens and numbers of meters, books, ids, and settings on a command line."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ledgernode.cli.block import _place
from ledgernode.cli.enrolment import read_attributes
from ledgernode.cli.genesis import read_options, read_parameters
from ledgernode.cli.market_book import parse_book
from ledgernode.cli.strategies import strategy_named
from ledgernode.cli.tx import read_id
from ledgernode.errors import (
    BadBook,
    BadGenesis,
    BadMeterNumber,
    BadParameters,
    BadRequest,
    BadTokenAmount,
    BadTokenKey,
    BadTokenParameter,
    TokenCheckFailed,
    TokenClassUnknown,
    TokenCreditOverflow,
    TokenKeyExpired,
    TokenMalformed,
    TokenTooOld,
    TokenUsed,
)
from ledgernode.sts.decoder import Decoder, enter
from ledgernode.sts.keys import VendingKey, derive
from ledgernode.sts.pan import pan_of, read_pan
from tests.fuzz.target import Form, Target, constant, text
from tests.sts.published import METER, TOKENS, VENDING_KEY

_TOKEN_REFUSALS: Final = (
    TokenMalformed,
    TokenCheckFailed,
    TokenClassUnknown,
    TokenUsed,
    TokenTooOld,
    TokenKeyExpired,
    TokenCreditOverflow,
    BadTokenAmount,
    BadTokenParameter,
)

_DECODER: Final = Decoder(key=derive(VENDING_KEY, METER))


def _entered(digits: str) -> Any:
    return enter(_DECODER, digits, room_units=10_000)


_BOOK: Final = {
    "bids": [{"id": "b", "owner": "x", "energy_wh": 700, "price_micro_per_kwh": 200_000, "feeder": "f"}],
    "asks": [{"id": "a", "owner": "y", "energy_wh": 500, "price_micro_per_kwh": 100_000, "feeder": "g"}],
    "fee_micro_per_kwh": 5,
    "pairs": [{"seller_feeder": "f", "buyer_feeder": "g", "limit_wh": 5}],
}

TARGETS: Final = (
    Target(
        "token",
        ("ledgernode.sts.block", "ledgernode.sts.token", "ledgernode.sts.decoder", "ledgernode.sts.misty1"),
        text(_entered),
        _TOKEN_REFUSALS,
        constant(*(vector["token"] for vector in TOKENS), "5938 6323-4721 3742 6967"),
        Form.TEXT,
    ),
    Target(
        "meter-number",
        ("ledgernode.sts.pan",),
        text(read_pan),
        (BadMeterNumber,),
        constant("600727000000000009", "6007 2700-0000 000009"),
        Form.TEXT,
    ),
    Target(
        "reference-number",
        ("ledgernode.sts.pan",),
        text(pan_of),
        (BadMeterNumber,),
        constant("00000000000", "0000000000000"),
        Form.TEXT,
    ),
    Target(
        "vending-key",
        ("ledgernode.sts.keys",),
        text(VendingKey.from_hex),
        (BadTokenKey,),
        constant(VENDING_KEY.hex()),
        Form.TEXT,
    ),
    Target(
        "book",
        ("ledgernode.cli.market_book",),
        parse_book,
        (BadBook,),
        lambda: [msgspec.json.encode(_BOOK)],
        Form.JSON,
    ),
    Target(
        "transaction-id-text",
        ("ledgernode.cli.tx",),
        text(read_id),
        (BadRequest,),
        constant("ab" * 32),
        Form.TEXT,
    ),
    Target(
        "block-text",
        ("ledgernode.cli.block",),
        text(_place),
        (BadRequest,),
        constant("latest", "17", "ab" * 32),
        Form.TEXT,
    ),
    Target(
        "parameters-text",
        ("ledgernode.cli.genesis",),
        text(lambda said: read_parameters(tuple(said.split("\n")))),
        (BadParameters,),
        constant("budget=500000\nevents=8"),
        Form.TEXT,
    ),
    Target(
        "options-text",
        ("ledgernode.cli.genesis",),
        text(lambda said: read_options(tuple(said.split("\n")))),
        (BadGenesis,),
        constant("block_ms=200\ndepth=6"),
        Form.TEXT,
    ),
    Target(
        "attributes-text",
        ("ledgernode.cli.enrolment",),
        text(lambda said: read_attributes(tuple(said.split("\n")))),
        (BadRequest,),
        constant("level=2\nstreet=A"),
        Form.TEXT,
    ),
    Target(
        "strategy-text",
        ("ledgernode.cli.strategies",),
        text(lambda said: strategy_named(said, 1)),
        (BadRequest,),
        constant("zero-intelligence:seed=3", "cost-plus"),
        Form.TEXT,
    ),
)
