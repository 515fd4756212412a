"""How soon a page can be used, what it weighs, and how soon what is measured is seen.

Times are those of the browser's and this machine's one clock. `python -m tests.suites.pages` measures with many samples
and the limits that are promised; `test_speed` with few of them, on a machine that may be busy.
"""

from __future__ import annotations

import gzip
import re
import statistics
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

from playwright.sync_api import Browser, Page, expect

from gateway.http.pages import BUILT
from tests.acceptance.street import House
from tests.web.site import DESK, WAITS_MS, Guest
from tests.web.town import Town

FIRST_LOAD_BYTES: Final = 300_000
"""Of all that is fetched before the first page can be used, compressed."""
FIRST_PAGE_MS: Final = 1_500
PIXEL_MS: Final = 2_000
MINUTE_MS: Final = 60_000
_SEEN: Final = r"\bat \d\d:\d\d"
_WATCH: Final = """
() => {
  const said = /SEEN/;
  window.seen = [];
  let last = document.querySelector("main").innerText.match(said)?.[0];
  new MutationObserver(() => {
    const now = document.querySelector("main")?.innerText.match(said)?.[0];
    if (!now || now === last) return;
    last = now;
    requestAnimationFrame(() => window.seen.push(performance.timeOrigin + performance.now()));
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}
""".replace("SEEN", _SEEN)


class Fetched(NamedTuple):
    """One request of a page: what came over the wire, head and all."""

    path: str
    bytes: int


class FirstPage(NamedTuple):
    """From the navigation to what is there to be used; and the processor time of the page's own thread."""

    ms: float
    cpu_ms: float
    fetched: tuple[Fetched, ...]

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.fetched)


def entry(browser: Browser, origin: str) -> FirstPage:
    """Nobody has been here before: an empty cache, no session; the way in can be pressed."""
    context = browser.new_context(viewport=DESK, locale="en-GB")
    page = context.new_page()
    found = _opened(page, f"{origin}/", 'a:has-text("I have a recovery phrase")')
    context.close()
    return found


def home(guest: Guest) -> FirstPage:
    """Who is signed in comes again with an empty cache: the figures of the home are there."""
    with_cache = guest.page.context.new_cdp_session(guest.page)
    with_cache.send("Network.clearBrowserCache")
    return _opened(guest.page, f"{guest.place.origin}/", "main >> text=Right now")


def _opened(page: Page, address: str, there: str) -> FirstPage:
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Performance.enable", {"timeDomain": "threadTicks"})
    paths: dict[str, str] = {}
    fetched: list[Fetched] = []
    network.on("Network.requestWillBeSent", lambda told: paths.update({told["requestId"]: told["request"]["url"]}))
    network.on("Network.loadingFinished", lambda told: fetched.append(_fetched(paths, told)))
    page.goto(address, wait_until="commit")
    page.locator(there).first.wait_for(state="visible", timeout=WAITS_MS)
    page.locator(there).first.click(trial=True)  # in its place, not covered, and enabled
    ms = page.evaluate("performance.now()")
    tasks = {one["name"]: one["value"] for one in network.send("Performance.getMetrics")["metrics"]}
    network.detach()
    return FirstPage(
        round(ms),
        round(tasks["TaskDuration"] * 1_000),
        tuple(one for one in fetched if not one.path.startswith("/api/v1/live")),
    )


def _fetched(paths: dict[str, str], told: dict[str, Any]) -> Fetched:
    path = re.sub(r"^[a-z]+://[^/]+", "", paths.get(told["requestId"], ""))
    return Fetched(path, int(told["encodedDataLength"]))


def built_first_load(built: Path = BUILT) -> dict[str, int]:
    """What index.html names and what that imports before anything is shown, by its size under gzip."""
    index = (built / "index.html").read_text(encoding="utf-8")
    waiting = re.findall(r'(?:src|href)="/(assets/[^"]+)"', index)
    sizes = {"index.html": len(gzip.compress(index.encode()))}
    while waiting:
        name = waiting.pop()
        if name in sizes:
            continue
        text = (built / name).read_bytes()
        sizes[name] = len(gzip.compress(text))
        if name.endswith(".js"):
            imported = re.findall(rb'(?:^|[;}])import(?:[^"();]*from)?"\./([^"]+)"', text)
            waiting += [f"assets/{one.decode()}" for one in imported]
    return sizes


def to_pixel(guest: Guest, town: Town, house: House, samples: int) -> list[float]:
    """A meter signs a reading, a minute after the one before, and hands it in: until its time is on the page, ms."""
    street = next(street for street in town.community.streets.values() if house in street.houses)
    guest.go("/")
    expect(guest.page.get_by_role("main")).to_contain_text(re.compile(_SEEN), timeout=WAITS_MS)
    guest.page.evaluate(_WATCH)
    took = []
    for number in range(samples):
        street.read_ms += MINUTE_MS
        town.community.to(street.read_ms + 100)
        house.shown.registers[0] += 1_000
        house.shown.take(street.read_ms)
        began = time.time() * 1_000
        street.send(house.shown)
        _until_seen(guest.page, number)
        took.append(guest.page.evaluate(f"window.seen[{number}]") - began)
    return took


def _until_seen(page: Page, number: int) -> None:
    """Asked again and again: the pages' policy lets nobody evaluate within them, so the browser cannot wait for us."""
    ends = time.monotonic() + WAITS_MS / 1_000
    while page.evaluate("window.seen.length") <= number:
        assert time.monotonic() < ends, f"reading {number} was not seen"
        page.wait_for_timeout(20)


def p95(took: list[float]) -> float:
    return sorted(took)[-(-len(took) * 95 // 100) - 1]


def told(name: str, took: list[float]) -> str:
    return f"{name}: p50 {statistics.median(took):.0f} ms, p95 {p95(took):.0f}, longest {max(took):.0f}, of {len(took)}"
