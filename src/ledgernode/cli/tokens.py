"""Prepayment tokens as documents and rows: what one says, and of a key nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from ledgernode.cli.output import moment
from ledgernode.sts import amounts
from ledgernode.sts.key_change import KeyChange
from ledgernode.sts.tid import BaseDate, time_of
from ledgernode.sts.token import (
    KEY_CHANGE,
    ClearCredit,
    ClearTamper,
    Credit,
    KeyChangeSection,
    MaximumPower,
    PhaseUnbalance,
    Service,
    TariffRate,
    Token,
    class_of,
)

_LABELS: Final = {"limit_w": "limit, W", "rate": "rate", "register": "register", "section": "section of 4"}


def token_document(token: Token, base: BaseDate) -> dict[str, Any]:
    """A token as a document; of a key change section what it says, and nothing of the key."""
    token_class, subclass = class_of(token)
    head: dict[str, Any] = {"kind": _kind(token), "class": token_class, "subclass": subclass}
    if isinstance(token, KeyChangeSection):
        return {**head, "section": KEY_CHANGE.index(token.subclass) + 1}
    head |= {"tid": token.tid, "issued_ms": time_of(base, token.tid), "random": token.random}
    match token:
        case Credit():
            amount = {"service": token.service.name.lower(), "units": token.units}
            if token.service is Service.ELECTRICITY:
                amount["energy_mwh"] = token.units * amounts.UNIT_MWH
            return {**head, **amount}
        case MaximumPower() | PhaseUnbalance():
            return {**head, "limit_w": token.limit_w}
        case ClearCredit():
            return {**head, "register": token.register}
        case TariffRate():
            return {**head, "rate": token.rate}
        case ClearTamper():
            return head


def token_rows(token: Token, base: BaseDate) -> Iterator[tuple[str, object]]:
    document = token_document(token, base)
    yield "says", document["kind"].replace("-", " ")
    yield "class", f"{document['class']}, subclass {document['subclass']}"
    if "issued_ms" in document:
        yield "issued", f"{moment(document['issued_ms'])} UTC, identifier {document['tid']}"
    if "units" in document:
        unit = "kWh" if "energy_mwh" in document else "m³"
        yield document["service"], f"{document['units'] // 10}.{document['units'] % 10} {unit}"
    for name, label in _LABELS.items():
        if name in document:
            yield label, document[name]


def change_document(change: KeyChange) -> dict[str, Any]:
    return {
        "kind": "key-change",
        "key_type": int(change.key_type),
        "key_revision": change.key_revision,
        "key_expiry": change.key_expiry,
        "tariff_index": change.tariff_index,
        "supply_group": change.supply_group,
        "roll_over": change.roll_over,
    }


def _kind(token: Token) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(token).__name__).lower()
