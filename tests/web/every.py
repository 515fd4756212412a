"""Every page of the town, by who may see it; and the ways in which a page can stand, brought about in the browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from playwright.sync_api import Route

from tests.web.site import Guest

_API: Final = "**/api/v1/**"
_FRAME: Final = ("/ledger", "/session", "/live", "/genesis")
"""What the frame around a page asks: without it there is no page."""
LEDGER: Final = (
    "/ledger", "/ledger/transactions", "/ledger/events", "/ledger/identities", "/ledger/contracts",
    "/ledger/consensus", "/ledger/governance", "/ledger/blocks/1",
)  # fmt: skip
CUSTOMER: Final = ("/", "/consumption", "/tokens", "/share", "/bills", "/market", "/wallet")
OPERATOR: Final = (
    "/operator", "/operator/feeders/north%3Atx-alpha-09-feeder", "/operator/feeders/north%3Astrained-feeder",
    "/operator/meters", "/operator/customers", "/operator/customers/north%3Atown-2",
    "/operator/points/north%3Atown-2", "/operator/tariffs", "/operator/tariffs/north%3Aflat",
)  # fmt: skip
DECIDING: Final = ("/operator/vending", "/operator/runs", "/operator/disputes", "/operator/risk", "/operator/backtest")
REGULATOR: Final = ("/regulator", "/regulator/exports", "/operator", "/market", "/wallet")
PAGES: Final = {
    "prepaid customer": ("town-1", CUSTOMER),
    "solar customer": ("town-3", CUSTOMER),
    "whoever looks": ("town-2", LEDGER),
    "operator": ("operator", OPERATOR),
    "who decides": ("admin", DECIDING),
    "regulator": ("regulator", REGULATOR),
}
STATES: Final = ("loading", "empty", "error", "stale", "offline")


@contextmanager
def standing(guest: Guest, state: str) -> Iterator[None]:
    """Pages that are opened meanwhile wait, have nothing, are refused, or are behind."""
    if state == "offline":
        guest.context.set_offline(True)
        yield
        guest.context.set_offline(False)
        return
    guest.page.route(_API, lambda route: _answer(route, state))
    yield
    guest.page.unroute_all(behavior="ignoreErrors")  # one may be on its way while the page is left


def _answer(route: Route, state: str) -> None:
    path = route.request.url.partition("/api/v1")[2].partition("?")[0]
    if state == "stale":
        _behind(route) if path == "/ledger" else route.continue_()
    elif path in _FRAME:
        route.continue_()
    elif state == "error":
        route.fulfill(status=400, content_type="application/problem+json", body=_PROBLEM)
    elif state == "empty":
        route.fulfill(status=200, content_type="application/json", body='{"items":[],"after":""}')
    # what loads is answered to nobody until the page is left


_PROBLEM: Final = json.dumps({"title": "Refused", "status": 400, "code": "BAD_REQUEST", "detail": "as a test has it"})


def _behind(route: Route) -> None:
    found: dict[str, Any] = route.fetch().json()
    found["model"] |= {"state": "ledger away", "behind": 50}
    route.fulfill(status=200, content_type="application/json", body=json.dumps(found))
