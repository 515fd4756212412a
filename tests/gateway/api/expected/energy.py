"""Who sees whose energy: series, readings, prepaid credit, orders, trades, feeders."""

from __future__ import annotations

from typing import Any

from tests.gateway.api.expected.form import Row
from tests.gateway.api.site import Site

_HOUSE = "utility:house-1"
_HOME = "utility:home-3"


def _readings(site: Site, found: dict[str, Any]) -> None:
    assert {row["meter"] for row in found["customer"]["items"]} == {site.people["meter"].id}
    assert found["customer"]["items"] == found["operator"]["items"]


def _now(site: Site, found: dict[str, Any]) -> None:
    now = found["customer"]
    assert now["reading"]["time_ms"] == now["head"]["last_ms"]
    assert now["today"] is not None


def _orders(site: Site, found: dict[str, Any]) -> None:
    seen = {who: {row["customer"] for row in answer["items"]} for who, answer in found.items()}
    assert seen["customer"] == {"utility:house-1"}
    assert seen["neighbour"] == {"utility:house-2"}
    assert seen["operator"] == seen["regulator"] > seen["customer"]


def _trades(site: Site, found: dict[str, Any]) -> None:
    assert {row["seller_point"] for row in found["customer"]["items"]} == {_HOUSE}
    assert {row["buyer_point"] for row in found["neighbour"]["items"]} == {"utility:house-2"}
    assert len(found["operator"]["items"]) == len(found["regulator"]["items"]) > len(found["neighbour"]["items"])


def _depth(site: Site, found: dict[str, Any]) -> None:
    assert found["customer"] == found["foreign"] == found["regulator"]


def _open(site: Site, found: dict[str, Any]) -> None:
    """All see the same, and of nobody's name a word."""
    assert found["customer"] == found["foreign"] == found["regulator"]
    named = {"customer", "wallet", "point", "feeder", "transaction"}
    assert not any(named & row.keys() for row in found["customer"]["items"])
    starts = [(row["from_ms"], row["number"]) for row in found["customer"]["items"]]
    assert starts == sorted(starts)


def _flow(site: Site, found: dict[str, Any]) -> None:
    links = found["operator"]["links"]
    report = found["operator"]["report"]
    assert sum(one["energy_mwh"] for one in links if one["target"] == "consumption") == report["consumption_mwh"]
    assert sum(one["energy_mwh"] for one in links if one["source"] == "generation") == report["generation_mwh"]


ROWS = {
    "GET /points/{point}/series": Row(f"/points/{_HOUSE}/series?by=quarter", "+ 404 + 404 +"),
    "GET /points/{point}/readings": Row(f"/points/{_HOUSE}/readings", "+ 404 + 404 +", _readings),
    "GET /points/{point}/readings of another meter": Row(
        lambda site: f"/points/{_HOUSE}/readings?meter={site.town.houses[1].meter.id}", "404 404 404 404 404"
    ),
    "GET /points/{point}/now": Row(f"/points/{_HOUSE}/now", "200 404 200 404 200", _now),
    "GET /points/{point}/tampers": Row(f"/points/{_HOUSE}/tampers", "0 404 0 404 0"),
    "GET /points/{point}/prepaid": Row(f"/points/{_HOME}/prepaid", "404 404 200 404 200"),
    "GET /tokens": Row(f"/tokens?point={_HOME}", "404 404 + 404 +"),
    "GET /points/{point}/tokens/{credit}/digits of another's": Row(
        f"/points/{_HOME}/tokens/1/digits", "404 404 404 404 404"
    ),
    "GET /shares": Row(f"/shares?point={_HOME}", "404 404 1 404 1"),
    "GET /debts": Row(f"/debts?point={_HOME}", "404 404 0 404 0"),
    "GET /debts of one's own": Row(f"/debts?point={_HOUSE}", "0 404 0 404 0"),
    "GET /markets": Row("/markets", "1 1 1 1 1"),
    "GET /markets/{which}": Row("/markets/utility:market-1", "200 200 200 200 200"),
    "GET /markets/{which}/depth": Row("/markets/utility:market-1/depth", "200 200 200 200 200", _depth),
    "GET /markets/{which}/depth of nothing": Row("/markets/none/depth", "404 404 404 404 404"),
    "GET /markets/{which}/open": Row("/markets/utility:market-1/open?size=500", "+ + + + +", _open),
    "GET /markets/{which}/open of nothing": Row("/markets/none/open", "404 404 404 404 404"),
    "GET /markets/{which}/prices": Row("/markets/utility:market-1/prices", "+ + + + +"),
    "GET /markets/{which}/clearings": Row("/markets/utility:market-1/clearings", "0 0 0 0 0"),
    "GET /orders": Row("/orders?size=500", "+ + + 0 +", _orders),
    "GET /orders of nothing": Row("/orders?open=true&market=none", "0 0 0 0 0"),
    "GET /orders of a customer": Row("/orders?customer=utility:house-1", "+ 0 + 0 +"),
    "GET /trades": Row("/trades?size=500", "+ + + 0 +", _trades),
    "GET /trades of a point": Row(f"/trades?point={_HOUSE}", "+ 404 + 404 +"),
    "GET /deliveries": Row("/deliveries?size=500", "+ + + 0 +"),
    "GET /strategies": Row("/strategies?customer=utility:house-1", "0 0 0 0 0"),
    "GET /feeders": Row("/feeders", "0 0 1 0 1"),
    "GET /feeders/{feeder}": Row("/feeders/utility:feeder-1", "404 404 200 404 200"),
    "GET /feeders/{feeder}/intervals": Row("/feeders/utility:feeder-1/intervals", "404 404 + 404 +"),
    "GET /feeders/{feeder}/samples": Row("/feeders/utility:feeder-1/samples", "404 404 0 404 0"),
    "GET /feeders/{feeder}/flow": Row("/feeders/utility:feeder-1/flow", "404 404 200 404 200", _flow),
    "GET /feeders/{feeder}/alerts": Row("/feeders/utility:feeder-1/alerts", "404 404 0 404 0"),
    "GET /alerts": Row("/alerts", "0 0 0 0 0"),
}
