"""One living community for all browser tests of a run, and one browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.web.site import Guest, Site

_CHROMIUM = "/usr/bin/chromium"
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    found = Site(tmp_path_factory.mktemp("console") / "demo")
    yield found
    found.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium: `tests/system.sh browser` installs it."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=_CHROMIUM, args=[*_QUIET, "--disable-sync"])
        yield found
        found.close()


@pytest.fixture
def guest(browser: Browser, site: Site) -> Iterator[Callable[..., Guest]]:
    """Makes guests; afterwards no browser of theirs has complained."""
    guests: list[Guest] = []

    def come(**options: Any) -> Guest:
        guests.append(Guest(browser, site, **options))
        return guests[-1]

    yield come
    complaints = [text for one in guests for text in one.complaints]
    for one in guests:
        one.context.close()
    assert complaints == []
