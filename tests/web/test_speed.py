"""Pages are light, soon there, and soon say what was measured. Limits in time are generous: the machine may be busy."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser

from tests.web.site import Guest
from tests.web.speed import FIRST_LOAD_BYTES, built_first_load, entry, home, p95, to_pixel, told
from tests.web.town import Town

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
PATIENT_MS = 20_000
SAMPLES = 5


def test_the_built_first_load_is_light() -> None:
    """Under 300 kB by gzip: what index.html names, with all that it imports at once; charts come later."""
    sizes = built_first_load()
    assert len(sizes) >= 3, sizes
    assert sum(sizes.values()) < FIRST_LOAD_BYTES, sizes
    assert not any("Plot" in name or "Chart" in name for name in sizes)


def test_the_first_page_is_light_and_soon_usable(browser: Browser, town: Town) -> None:
    """All that a browser fetches of it, over the wire, until one can go on."""
    pages = [entry(browser, town.origin) for _ in range(3)]
    print([page.ms for page in pages], pages[-1].fetched)
    assert max(page.bytes for page in pages) < FIRST_LOAD_BYTES
    assert min(page.ms for page in pages) < PATIENT_MS


def test_a_reading_is_soon_seen(visitor: Callable[..., Guest], town: Town) -> None:
    """From a meter's signature to the figure on a customer's home, with nothing pressed in between."""
    customer = visitor().enter("moving-1")
    print(home(customer))
    took = to_pixel(customer, town, town.house("moving", 1), SAMPLES)
    print(told("reading to pixel", took))
    assert p95(took) < PATIENT_MS
