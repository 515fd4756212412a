"""How soon the console's first page can be used, what it weighs, and how soon a reading is seen.

    python -m tests.suites.pages [--samples 60]

A town with a console, as the browser tests have it (a node, a gateway, the built pages: `make console`), and Debian's
Chromium. First pages are opened with an empty cache, several times; a reading is signed by a house's meter and handed
to the ledger, and its time appears on the customer's open page. Ends with 1 where it takes longer than promised.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.gateway.sessions.openid_provider import running_provider
from tests.web.conftest import CHROMIUM, QUIET
from tests.web.site import Guest
from tests.web.speed import (
    FIRST_LOAD_BYTES,
    FIRST_PAGE_MS,
    PIXEL_MS,
    FirstPage,
    built_first_load,
    entry,
    home,
    p95,
    to_pixel,
    told,
)
from tests.web.town import Town

OPENED = 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=60)
    given = parser.parse_args()
    weighs = sum(built_first_load().values())
    print(f"first load as built, gzip: {weighs:,} bytes", flush=True)
    with tempfile.TemporaryDirectory() as folder, running_provider() as provider, sync_playwright() as playwright:
        town = Town(Path(folder), provider)
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
            entries = [entry(browser, town.origin) for _ in range(OPENED)]
            customer = Guest(browser, town).enter("moving-1")
            homes = [home(customer) for _ in range(OPENED)]
            for name, pages in (("first page", entries), ("home", homes)):
                _print(name, pages)
            took = to_pixel(customer, town, town.house("moving", 1), given.samples)
            print(told("reading to pixel", took), f"load {os.getloadavg()[0]:.1f}")
            browser.close()
        finally:
            town.close()
    soon = statistics.median(page.ms for page in entries) < FIRST_PAGE_MS
    sys.exit(not (soon and weighs < FIRST_LOAD_BYTES and p95(took) < PIXEL_MS))


def _print(name: str, pages: list[FirstPage]) -> None:
    took = sorted(page.ms for page in pages)
    of_thread = statistics.median(page.cpu_ms for page in pages)
    print(f"{name}: median {took[len(took) // 2]} ms of {took}, {of_thread} ms of the page's thread", end="")
    print(f", {pages[-1].bytes:,} bytes; load {os.getloadavg()[0]:.1f}")
    for one in pages[-1].fetched:
        print(f"    {one.bytes:>8,}  {one.path}")


if __name__ == "__main__":
    main()
