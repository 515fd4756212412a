"""The published vectors, and meters made from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from ledgernode.sts.keys import KeyParameters, KeyType, VendingKey
from ledgernode.sts.pan import Pan
from ledgernode.sts.tid import BaseDate
from ledgernode.sts.token import ClearCredit, Credit, MaximumPower, Token

PUBLISHED: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "published" / "sts.json").read_text(encoding="utf-8")
)
TOKENS: Final[list[dict[str, Any]]] = PUBLISHED["tokens"]
VENDING_KEY: Final = VendingKey.from_hex(PUBLISHED["vending_key"])
PAN: Final = Pan("600727000000000009")


def parameters(vector: dict[str, Any]) -> KeyParameters:
    """What a vector's meter is set to."""
    return KeyParameters(
        pan=Pan(vector["pan"]),
        supply_group=PUBLISHED["supply_group"],
        tariff_index=vector["tariff_index"],
        key_revision=vector["key_revision"],
        key_type=KeyType(PUBLISHED["key_type"]),
        base=BaseDate(vector["base"]),
    )


def said(vector: dict[str, Any]) -> Token:
    """The token that a vector describes."""
    head: dict[str, Any] = {"tid": vector["tid"], "random": PUBLISHED["random"]}
    match vector["says"]:
        case ["kwh", text]:
            return Credit(units=int(text.replace(".", "")), **head)
        case ["max-power", text]:
            return MaximumPower(limit_w=int(text), **head)
        case ["clear-credit"]:
            return ClearCredit(**head)
    raise AssertionError(vector["case"])


METER: Final = parameters(TOKENS[0])
