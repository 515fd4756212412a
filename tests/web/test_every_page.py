"""Every page, for each who may see it: nothing keeps people out, nothing hangs over a phone's edge, in both themes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.web.site import DESK, PHONE, Guest

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
        someone.page.wait_for_timeout(300)  # what slides in is in its place
        barriers += someone.barriers()
        someone.page.set_viewport_size(PHONE)
        if someone.too_wide:
            too_wide[path] = someone.too_wide
    assert barriers == []
    assert too_wide == {}
    assert len(paths) >= len(PAGES[role])
