"""A living community with its console, and people who look at it in a real browser.

The community is the product's own demo as a process: a ledger, a gateway, meters, a vending service. `Guest` is
somebody at a browser of their own: presses what a person would find by its name, and counts how often. What one does
on a page is in `pages`.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import msgspec
from playwright.sync_api import Browser, Locator, Page, Response, expect

from devices.living.visitors import FILE, Visitors
from ledgernode.identity.secret_file import read_secret
from tests.web.words import require_said

STARTS_S = 240
WAITS_MS = 30_000
"""For what appears on a page: a purchase goes through a vending service, a meter and two blocks."""
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}
_AXE = Path(__file__).parents[2] / "gateway" / "web" / "node_modules" / "axe-core" / "axe.min.js"
_SETTLED = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    await frame();
    const moving = document.getAnimations().filter((one) => one instanceof CSSTransition);
    await Promise.allSettled(moving.map((one) => one.finished));
}"""
_SEVERE = ("serious", "critical")


class Place(Protocol):
    """Where guests come."""

    @property
    def origin(self) -> str: ...

    def phrase_of(self, who: str) -> str:
        """The twelve words of somebody who may enter."""
        ...


class Site:
    """A demo that runs until it is closed."""

    def __init__(self, directory: Path, engine: str = "solo") -> None:
        self.log = directory.with_suffix(".log")
        command = [sys.executable, "-m", "ledgernode.cli", "demo", str(directory), "--engine", engine]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self._until(r"^Open in a browser")
        self._until(r"takes a token")
        visitors = msgspec.json.decode(read_secret(directory / FILE), type=Visitors)
        self.origin = visitors.origin
        self._phrases = {str(visitor.role): visitor.phrase for visitor in visitors.everybody}

    def phrase_of(self, who: str) -> str:
        return self._phrases[who]

    def _until(self, line: str) -> None:
        ends = time.monotonic() + STARTS_S
        while not re.search(line, self.log.read_text(), re.MULTILINE):
            assert self.process.poll() is None, f"the demo ended: {self.log.read_text()[-2_000:]}"
            assert time.monotonic() < ends, f"the demo did not come so far: {self.log.read_text()[-2_000:]}"
            time.sleep(0.2)

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        finally:
            self.process.kill()


class Guest:
    """Somebody with a browser of their own (nothing of another's is in it)."""

    def __init__(self, browser: Browser, place: Place, *, forgives: bool = False, **options: Any) -> None:
        """`forgives` what goes wrong behind the pages: somebody breaks it while they are looked at."""
        self.place = place
        self._forgives = forgives
        self.context = browser.new_context(viewport=options.pop("viewport", DESK), locale="en-GB", **options)
        self.context.set_default_timeout(WAITS_MS)
        self.page: Page = self.context.new_page()
        self.actions = 0
        self.complaints: list[str] = []
        """What the browser said that nobody should have caused: errors of scripts, refusals of the policy, 5xx."""
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self._said(message.type, message.text))
        self.page.on("response", self._answered)

    def _said(self, kind: str, text: str) -> None:
        if kind == "error" and "Failed to load resource" not in text:
            self.complaints.append(text)

    def _answered(self, response: Response) -> None:
        if response.status >= 500 and not self._forgives:
            self.complaints.append(f"{response.status} {response.url}")

    def enter(self, who: str) -> Self:
        """By the twelve words, as on a new device."""
        self.bring_back(self.place.phrase_of(who))
        places = self.page.get_by_role("navigation", name=require_said("Pages")).locator("visible=true")
        expect(places).to_be_visible(timeout=WAITS_MS)
        self.actions = 0
        return self

    def bring_back(self, phrase: str) -> None:
        self.go("/")
        self.follow("I have a recovery phrase")
        self.fill("Recovery phrase", phrase)
        self.press("Bring it back")

    def go(self, path: str) -> None:
        self.page.goto(self.place.origin + path)
        expect(self.page.get_by_role("heading", level=1)).to_be_visible(timeout=WAITS_MS)

    def settled(self) -> None:
        """Until what was asked for is there, and what slides in is in its place."""
        expect(self.page.locator("main .animate-breathe")).to_have_count(0, timeout=WAITS_MS)
        self.page.wait_for_timeout(300)

    def follow(self, link: str, *, within: Locator | None = None) -> None:
        self.actions += 1
        (within or self.page).get_by_role("link", name=require_said(link)).first.click()

    def open(self, what: str, *, within: Locator | None = None) -> None:
        """A link that is named by an id."""
        self.actions += 1
        (within or self.page).get_by_role("link", name=what, exact=True).first.click()

    def press(self, button: str, *, within: Locator | None = None) -> None:
        self.actions += 1
        (within or self.page).get_by_role("button", name=require_said(button), exact=True).first.click()

    def fill(self, label: str, text: str, *, within: Locator | None = None) -> None:
        self.actions += 1
        (within or self.page).get_by_label(require_said(label), exact=True).first.fill(text)

    def choose(self, label: str, option: str) -> None:
        self.actions += 1
        self.page.get_by_label(require_said(label), exact=True).first.select_option(option)

    def switch_to(self, one: str) -> None:
        """One of several that exclude each other."""
        self.actions += 1
        radio = self.page.get_by_role("radio", name=require_said(one), exact=True)
        self.page.locator("label", has=radio).click()

    def turn_to(self, tab: str) -> None:
        self.page.get_by_role("tab", name=require_said(tab), exact=True).click()

    def card(self, title: str) -> Locator:
        """A part of the page by its heading."""
        return self.page.get_by_role("region", name=require_said(title), exact=True)

    def row(self, *words: str) -> Locator:
        """A row of a table that says all of this."""
        found = self.page.get_by_role("row")
        for one in words:
            found = found.filter(has_text=one)
        return found.first

    @property
    def sheet(self) -> Locator:
        """What is to be signed, as it is shown."""
        return self.page.get_by_role("dialog")

    def confirm(self, *shows: str) -> str:
        """Sign once the sheet shows all of this, and no sooner, and wait until the ledger has it; the sheet's words."""
        shown = self._signed(shows)
        done = self.sheet.get_by_role("status").filter(has_text="signed by the validators")
        expect(done).to_be_visible(timeout=WAITS_MS)
        self.page.keyboard.press("Escape")
        expect(self.sheet).to_be_hidden(timeout=WAITS_MS)
        return shown

    def is_refused(self, *says: str) -> str:
        """Sign what the ledger will not take: the sheet says so, and why; its words."""
        self._signed(())
        refused = self.sheet.get_by_role("status").filter(has_text=require_said("The ledger refused it"))
        expect(refused).to_be_visible(timeout=WAITS_MS)
        for words in says:
            expect(refused).to_contain_text(words, timeout=WAITS_MS)
        shown = refused.inner_text()
        self.page.keyboard.press("Escape")
        expect(self.sheet).to_be_hidden(timeout=WAITS_MS)
        return shown

    def _signed(self, shows: Sequence[str]) -> str:
        for words in shows:
            expect(self.sheet).to_contain_text(words, timeout=WAITS_MS)
        expect(self.sheet.locator("[aria-busy=true]")).to_have_count(0, timeout=WAITS_MS)
        shown = self.sheet.inner_text()
        self.press("Confirm", within=self.sheet)
        return shown

    def sees(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_role("main")).to_contain_text(text, timeout=WAITS_MS)

    def sees_by(self, text: str, within_ms: int) -> None:
        """What takes its time: a page notices by itself."""
        expect(self.page.get_by_role("main")).to_contain_text(text, timeout=within_ms)

    def status(self, path: str) -> int:
        """What this browser is answered there, with whatever cookies it has."""
        found: int = self.page.evaluate("path => fetch(path).then((answer) => answer.status)", path)
        return found

    def downloads(self, link: str) -> Path:
        """What the link hands out, as a file of this machine."""
        self.actions += 1
        with self.page.expect_download(timeout=WAITS_MS) as begun:
            self.page.get_by_role("link", name=link, exact=True).first.click()
        return Path(begun.value.path())

    @property
    def words(self) -> str:
        return self.page.get_by_role("main").inner_text()

    @property
    def too_wide(self) -> int:
        """By how many pixels the page is wider than its window."""
        found = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return max(0, int(found))

    def barriers(self) -> list[str]:
        """What keeps people from using this page, as axe finds it: serious and critical ones."""
        self.page.evaluate(_AXE.read_text(encoding="utf-8"))
        self.page.evaluate(_SETTLED)  # or a colour on its way from one theme to the other is taken for too pale
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{self.page.url}: {one['id']}: {one['help']}: {[node['target'] for node in one['nodes']][:3]}"
            for one in found["violations"]
            if one["impact"] in _SEVERE
        ]
