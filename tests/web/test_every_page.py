"""Every page, for each who may see it: nothing keeps people out, nothing hangs over a phone's edge, in both themes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.web.every import PAGES as TOWN
from tests.web.every import standing
from tests.web.site import DESK, PHONE, WAITS_MS, Guest
from tests.web.words import require_said

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
LEDGER = ("/ledger", "/ledger/consensus", "/ledger/governance")
PAGES = {
    "customer": ("/", "/consumption", "/tokens", "/share", "/bills", "/market", "/wallet", *LEDGER),
    "operator": ("/", *LEDGER),
    "regulator": ("/", *LEDGER),
}


@pytest.mark.parametrize("role", PAGES)
def test_nothing_keeps_people_out(guest: Callable[..., Guest], role: str) -> None:
    someone = guest(color_scheme="dark" if role == "operator" else "light").enter(role)
    links = someone.page.get_by_role("navigation").first.get_by_role("link").all()
    named = [link.get_attribute("href") or "" for link in links]
    paths = list(dict.fromkeys([*PAGES[role], *(path for path in named if path.startswith("/"))]))
    barriers: list[str] = []
    too_wide: dict[str, int] = {}
    for path in paths:
        someone.page.set_viewport_size(DESK)
        someone.go(path)
        someone.settled()
        barriers += someone.barriers()
        someone.page.set_viewport_size(PHONE)
        if someone.too_wide:
            too_wide[path] = someone.too_wide
    assert barriers == []
    assert too_wide == {}
    assert len(paths) >= len(PAGES[role])


@pytest.mark.parametrize("name", TOWN)
def test_nothing_keeps_people_out_of_pages_that_are_full(visitor: Callable[..., Guest], name: str) -> None:
    """In both themes; and no page is wider than a phone."""
    who, paths = TOWN[name]
    someone = visitor().enter(who)
    barriers: list[str] = []
    too_wide: dict[str, int] = {}
    for path in paths:
        someone.page.set_viewport_size(DESK)
        someone.go(path)
        someone.settled()
        for theme in ("light", "dark"):
            someone.page.emulate_media(color_scheme=theme)
            barriers += someone.barriers()
        someone.page.set_viewport_size(PHONE)
        if someone.too_wide:
            too_wide[path] = someone.too_wide
        assert someone.page.get_by_role("heading", level=1).count() == 1
    assert barriers == []
    assert too_wide == {}


@pytest.mark.parametrize("name", ["solar customer", "operator", "regulator"])
def test_every_page_says_how_it_stands(visitor: Callable[..., Guest], name: str) -> None:
    """Refused: what and what to do. Behind and offline: said above what was seen. None of them breaks a page."""
    who, paths = TOWN[name]
    someone = visitor(forgives=True).enter(who)
    for path in paths:
        with standing(someone, "error"):
            someone.page.goto(someone.place.origin + path)
            someone.sees(require_said("This could not be loaded"))
            someone.sees("Code BAD_REQUEST")
            expect(someone.page.get_by_role("button", name=require_said("Try again")).first).to_be_visible()
            expect(someone.page.get_by_role("heading", level=1)).to_have_count(1)
    with standing(someone, "stale"):
        someone.go(paths[0])
        someone.sees(require_said("These figures are behind"))
    someone.go(paths[0])
    with standing(someone, "offline"):
        someone.sees(require_said("You are offline"))
    expect(someone.page.get_by_text(require_said("You are offline"))).to_have_count(0, timeout=WAITS_MS)
