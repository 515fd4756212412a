"""Who sees which members and decisions; consensus is everybody's."""

from __future__ import annotations

from typing import Any

from tests.gateway.api.expected.form import Row
from tests.gateway.api.site import Site


def _identities(site: Site, found: dict[str, Any]) -> None:
    seen = {who: {row["identity"]: row for row in answer["items"]} for who, answer in found.items()}
    wallet, operator = site.people["neighbour"].id, site.people["operator"].id
    assert wallet not in seen["customer"]
    assert wallet not in seen["foreign"]
    assert wallet in seen["operator"]
    assert seen["customer"][operator]["name"] == seen["foreign"][operator]["name"] == ""
    assert seen["operator"][operator]["name"]
    assert seen["regulator"] == seen["regulator"] | seen["operator"] or len(seen["regulator"]) >= len(seen["operator"])


def _nodes(site: Site, found: dict[str, Any]) -> None:
    addresses = {who: answer["items"][0]["address"] for who, answer in found.items()}
    assert addresses["customer"] == ""
    assert addresses["operator"] == addresses["regulator"] == "node-1:7051"


def _proposal(site: Site) -> str:
    return site.proposal


ROWS = {
    "GET /organisations": Row("/organisations", "3 3 3 3 3"),
    "GET /identities": Row("/identities?size=500", "+ + + + +", _identities),
    "GET /identities/{which}": Row(lambda site: f"/identities/{site.people['customer'].id}", "200 404 200 404 200"),
    "GET /identities/{which} of staff": Row(
        lambda site: f"/identities/{site.people['operator'].id}", "200 200 200 200 200"
    ),
    "GET /governance/proposals": Row("/governance/proposals", "+ + + + +"),
    "GET /governance/proposals/{which}": Row(
        lambda site: f"/governance/proposals/{_proposal(site)}", "200 200 200 200 200"
    ),
    "GET /contracts": Row("/contracts?name=currency", "1 1 1 1 1"),
    "GET /proposals": Row("/proposals", "0 0 + 0 +"),
    "GET /proposals of an organisation": Row("/proposals?organisation=utility", "0 0 + 0 +"),
    "GET /validators": Row("/validators", "1 1 1 1 1"),
    "GET /consensus": Row("/consensus", "1 1 1 1 1", _nodes),
    "GET /evidence": Row("/evidence", "0 0 0 0 0"),
}
