"""Who sees what of blocks, transactions, events, proofs."""

from __future__ import annotations

from typing import Any

from tests.gateway.api.expected.form import Row
from tests.gateway.api.site import Site


def _own_metering(site: Site, found: dict[str, Any]) -> None:
    """Readings of the customer's meter: said to the customer, its utility and regulators."""
    withheld = {who: answer["withheld"] for who, answer in found.items()}
    assert withheld == {
        "customer": False, "neighbour": True, "operator": False, "foreign": True, "regulator": False
    }  # fmt: skip
    silent = found["neighbour"]
    assert (silent["row"]["creator"], silent["call"]["arguments"], silent["call"]["result"]) == ("", None, None)
    assert all(event["payload"] is None and event["subject"] == "" for event in silent["events"])
    assert found["customer"] == found["regulator"]


def _creators(site: Site, found: dict[str, Any]) -> None:
    own = site.people["customer"].id
    creators = {who: {row["creator"] for row in answer["items"]} for who, answer in found.items()}
    assert own in creators["customer"]
    assert own not in creators["neighbour"]
    assert own in creators["operator"] & creators["regulator"]
    assert creators["neighbour"] < creators["regulator"]
    assert len({len(answer["items"]) for answer in found.values()}) == 1, "that something was is no secret"


def _events(site: Site, found: dict[str, Any]) -> None:
    payloads = {who: sum(row["payload"] is not None for row in answer["items"]) for who, answer in found.items()}
    assert 0 < payloads["customer"] < payloads["operator"] <= payloads["regulator"]
    points = {row["subject"] for row in found["customer"]["items"]}
    assert "utility:house-1" in points
    assert "utility:house-2" not in points


def _search(site: Site, found: dict[str, Any]) -> None:
    points = {who: {one["id"] for one in answer["items"] if one["kind"] == "point"} for who, answer in found.items()}
    assert points["customer"] == {"utility:house-1"}
    assert points["neighbour"] == {"utility:house-2"}
    assert points["operator"] == points["regulator"] == {"utility:house-1", "utility:house-2"}
    assert points["foreign"] == set()


def _reading(site: Site) -> str:
    return site.reading()


ROWS = {
    "GET /ledger": Row("/ledger", "200 200 200 200 200", open=True),
    "GET /genesis": Row("/genesis", "200 200 200 200 200", open=True),
    "GET /blocks": Row("/blocks?size=7", "7 7 7 7 7"),
    "GET /blocks/{which}": Row("/blocks/3", "200 200 200 200 200"),
    "GET /blocks/{which} that is the first": Row("/blocks/0", "200 200 200 200 200"),
    "GET /transactions": Row("/transactions?size=500", "+ + + + +", _creators),
    "GET /transactions by creator": Row(
        lambda site: f"/transactions?creator={site.people['customer'].id}", "+ 0 + 0 +"
    ),
    "GET /transactions/{which}": Row(
        lambda site: f"/transactions/{_reading(site)}", "200 200 200 200 200", _own_metering
    ),
    "GET /events": Row("/events?size=500", "+ + + + +", _events),
    "GET /events of a point": Row("/events?subject=utility:house-1", "+ 0 + 0 +"),
    "GET /events of a wallet": Row(lambda site: f"/events?subject={site.people['customer'].id}", "+ 0 + 0 +"),
    "GET /search": Row("/search?q=utility:house", "+ + + 0 +", _search),
    "GET /proofs/transactions/{which}": Row(
        lambda site: f"/proofs/transactions/{_reading(site)}", "200 404 200 404 200"
    ),
    "GET /proofs/transactions/{which} of an element": Row(
        lambda site: f"/proofs/transactions/{_reading(site)}?item=0", "200 404 200 404 200"
    ),
    "POST /transactions": Row(
        "/transactions",
        "200 200 200 200 200",
        body=lambda site, who: site.signed(who, "currency", "transfer", to=site.people["regulator"].id, amount_minor=1),
    ),
    "POST /queries": Row(
        "/queries",
        "200 200 200 200 200",
        body=lambda site, who: site.signed(who, "currency", "book", query=True),
    ),
}
