"""Who sees which customers, points, meters, claims and consents."""

from __future__ import annotations

from typing import Any

from tests.gateway.api.expected.form import Row
from tests.gateway.api.site import Site

_HOUSE = "utility:house-1"


def _own(name: str, own: str, other: str) -> Any:
    def checked(site: Site, found: dict[str, Any]) -> None:
        seen = {who: {row[name] for row in answer["items"]} for who, answer in found.items()}
        assert seen["customer"] == {own}
        assert seen["neighbour"] == {other}
        assert seen["operator"] == seen["regulator"] > {own, other}

    return checked


def _point(site: Site, found: dict[str, Any]) -> None:
    assert found["customer"]["reads"] == ["readings", "bills", "trades"]
    assert found["customer"]["tenancies"] == []
    assert found["customer"]["since_ms"] > 0
    assert found["operator"]["since_ms"] == 0
    assert found["operator"]["tenancies"] == found["regulator"]["tenancies"]


def _meters(site: Site, found: dict[str, Any]) -> None:
    assert [row["meter"] for row in found["customer"]["items"]] == [site.people["meter"].id]


ROWS = {
    "GET /names": Row("/names?customers=utility:house-1,utility:house-2,none", "1 1 2 0 0"),
    "GET /customers": Row("/customers", "1 1 + 0 +", _own("customer", "utility:house-1", "utility:house-2")),
    "GET /customers/{which}": Row(f"/customers/{_HOUSE}", "200 404 200 404 200"),
    "GET /points": Row("/points", "1 1 + 0 +", _own("point", "utility:house-1", "utility:house-2")),
    "GET /points of a customer": Row(f"/points?customer={_HOUSE}", "1 0 1 0 1"),
    "GET /points on a feeder": Row("/points?feeder=utility:feeder-1", "1 1 + 0 +"),
    "GET /points/{which}": Row(f"/points/{_HOUSE}", "200 404 200 404 200", _point),
    "GET /meters": Row("/meters", "1 1 + 0 +", _meters),
    "GET /meters that are silent": Row("/meters?silent_before_ms=9000000000000", "1 1 + 0 +"),
    "GET /meters/{which}": Row(lambda site: f"/meters/{site.people['meter'].id}", "200 404 200 404 200"),
    "GET /claims": Row("/claims", "0 0 1 0 1"),
    "GET /consents": Row("/consents", "1 0 0 0 0"),
    "GET /consents of a point": Row(f"/consents?point={_HOUSE}", "1 0 1 0 1"),
}
