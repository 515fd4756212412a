"""Who sees which accounts, bills, payments, runs, tariffs, exports and notices."""

from __future__ import annotations

from typing import Any

from tests.gateway.api.expected.form import Row
from tests.gateway.api.site import Site


def _wallet(site: Site, of: str = "customer") -> str:
    return str(site.people[of].id)


def _treasury(site: Site) -> str:
    return str(site.town.treasury.id)


def bill_of(site: Site, house: int) -> str:
    """A house's first bill."""
    customer = site.town.houses[house].customer
    return str(site.town.ask(site.town.operator, "billing", "invoices", customer=customer)[0]["id"])


def _accounts(site: Site, found: dict[str, Any]) -> None:
    seen = {who: {row["account"]: row for row in answer["items"]} for who, answer in found.items()}
    assert set(seen["customer"]) == {_wallet(site)}
    assert set(seen["neighbour"]) == {_wallet(site, "neighbour")}
    assert seen["operator"] == seen["regulator"]


def _bills(site: Site, found: dict[str, Any]) -> None:
    seen = {who: {row["customer"] for row in answer["items"]} for who, answer in found.items()}
    assert seen["customer"] == {"utility:house-1"}
    assert seen["neighbour"] == {"utility:house-2"}
    assert seen["operator"] == seen["regulator"] > {"utility:house-1", "utility:house-2"}


def _bill(site: Site, found: dict[str, Any]) -> None:
    bill = found["customer"]
    view = site.town.ask(site.town.operator, "billing", "invoice", invoice=bill["invoice"])
    assert bill["lines"] == view["invoice"]["lines"]
    assert bill["parts"] == view["invoice"]["parts"]
    assert (bill["open_minor"], bill["status"]) == (view["open_minor"], view["standing"]["status"])
    assert bill == found["operator"] == found["regulator"]
    assert len(bill["issued_transaction"]) == 64


def _notices(site: Site, found: dict[str, Any]) -> None:
    kinds = {who: {row["kind"] for row in answer["items"]} for who, answer in found.items()}
    assert kinds["neighbour"] == {"bill_due"}
    assert kinds["operator"] == {"claim"}, "one's own proposal waits for another"
    (bill,) = found["neighbour"]["items"]
    assert bill["amount_minor"] > 0
    assert bill["due_ms"] > 0


_BILL = "/bills/{}"
_PDF = "/bills/{}/document.pdf"
_CSV = "/bills/{}/document.csv"


def _currency(site: Site, found: dict[str, Any]) -> None:
    """All know how much there is; who may see every account is told that together they hold just that."""
    assert len({answer["supply_minor"] for answer in found.values()}) == 1
    held = found["regulator"]["held"]
    assert held["available_minor"] + held["escrow_minor"] == found["regulator"]["supply_minor"] > 0
    assert held == found["operator"]["held"]
    assert held["accounts"] > 1
    assert all(found[who]["held"] is None for who in ("customer", "neighbour", "foreign"))


ROWS = {
    "GET /currency": Row("/currency", "200 200 200 200 200", _currency),
    "GET /accounts": Row("/accounts?size=500", "1 1 + 0 +", _accounts),
    "GET /accounts/{which}": Row(lambda site: f"/accounts/{_wallet(site)}", "200 404 200 404 200"),
    "GET /accounts/{which} of a treasury": Row(lambda site: f"/accounts/{_treasury(site)}", "404 404 200 404 200"),
    "GET /accounts/{which} of nobody": Row("/accounts/none", "404 404 404 404 404"),
    "GET /accounts/{which}/postings": Row(lambda site: f"/accounts/{_wallet(site)}/postings", "+ 404 + 404 +"),
    "GET /accounts/{which}/escrows": Row(lambda site: f"/accounts/{_wallet(site)}/escrows", "+ 404 + 404 +"),
    "GET /tariffs": Row("/tariffs", "1 1 1 1 1"),
    "GET /tariffs of a utility": Row("/tariffs?utility=nowhere", "0 0 0 0 0"),
    "GET /tariffs/{tariff}": Row("/tariffs/utility:flat", "200 200 200 200 200"),
    "GET /tariffs/{tariff} before it held": Row("/tariffs/utility:flat?at_ms=1", "404 404 404 404 404"),
    "GET /bills": Row("/bills?size=500", "1 1 + 0 +", _bills),
    "GET /bills of a customer": Row("/bills?customer=utility:house-1", "1 0 1 0 1"),
    "GET /bills of a point": Row("/bills?point=utility:house-1", "1 404 1 404 1"),
    "GET /bills of a customer elsewhere": Row("/bills?point=utility:house-1&customer=utility:house-2", "0 404 0 404 0"),
    "GET /bills open": Row("/bills?status=open&customer=utility:house-2", "0 1 1 0 1"),
    "GET /bills overdue": Row("/bills?status=overdue", "0 0 0 0 0"),
    "GET /bills/{bill}": Row(lambda site: _BILL.format(bill_of(site, 0)), "200 404 200 404 200", _bill),
    "GET /bills/{bill} of another": Row(lambda site: _BILL.format(bill_of(site, 1)), "404 200 200 404 200"),
    "GET /bills/{bill} of nobody": Row("/bills/utility:999999", "404 404 404 404 404"),
    "GET /bills/{bill}/document.pdf": Row(lambda site: _PDF.format(bill_of(site, 0)), "200 404 200 404 200"),
    "GET /bills/{bill}/document.csv": Row(lambda site: _CSV.format(bill_of(site, 1)), "404 200 200 404 200"),
    "GET /payments": Row("/payments?customer=utility:house-2", "0 1 1 0 1"),
    "GET /payments of one's own": Row("/payments", "0 1 0 0 0"),
    "GET /payments of a bill": Row(lambda site: f"/payments?bill={bill_of(site, 1)}", "404 1 1 404 1"),
    "GET /runs": Row("/runs?utility=utility", "0 0 + 0 +"),
    "GET /runs of one's own": Row("/runs", "0 0 + 0 0"),
    "GET /runs/waiting": Row("/runs/waiting?utility=utility", "0 0 0 0 0"),
    "GET /disputes": Row("/disputes", "0 0 0 0 0"),
    "GET /notices": Row("/notices", "0 1 + 0 0", _notices),
    "GET /exports": Row("/exports", "404 404 + + +"),
    "GET /exports/{table}.csv": Row("/exports/bills.csv", "404 404 200 200 200"),
    "GET /exports/{table}.parquet": Row("/exports/readings.parquet", "404 404 200 200 200"),
    "GET /exports/{table}.csv of nothing": Row("/exports/keys.csv", "404 404 404 404 404"),
}
