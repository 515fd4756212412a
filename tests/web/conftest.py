"""One living community and one town for all browser tests of a run, and one browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.gateway.sessions.openid_provider import running_provider
from tests.web.site import Guest, Place, Site
from tests.web.town import Town

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def launched(playwright: Playwright) -> Browser:
    """Debian's own, headless."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    found = Site(tmp_path_factory.mktemp("console") / "demo")
    yield found
    found.close()


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with running_provider() as provider:
        found = Town(tmp_path_factory.mktemp("town"), provider)
        yield found
        found.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium: `tests/system.sh browser` installs it."""
    with sync_playwright() as playwright:
        found = launched(playwright)
        yield found
        found.close()


@pytest.fixture
def guests(browser: Browser) -> Iterator[Callable[..., Guest]]:
    """Makes guests of a place; afterwards no browser of theirs has complained."""
    came: list[Guest] = []

    def come(place: Place, **options: Any) -> Guest:
        came.append(Guest(browser, place, **options))
        return came[-1]

    yield come
    complaints = [text for one in came for text in one.complaints]
    for one in came:
        one.context.close()
    assert complaints == []


@pytest.fixture
def guest(guests: Callable[..., Guest], site: Site) -> Callable[..., Guest]:
    """Who comes to the demo."""
    return partial(guests, site)


@pytest.fixture
def visitor(guests: Callable[..., Guest], town: Town) -> Callable[..., Guest]:
    """Who comes to the town."""
    return partial(guests, town)
