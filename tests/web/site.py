"""A living community with its console, and people who look at it in a real browser.

The community is the product's own demo as a process: a ledger, a gateway, meters, a vending service. `Guest` is
somebody at a browser of their own: presses what a person would find by its name, and counts how often.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
from playwright.sync_api import Browser, Locator, Page, Response, expect

from devices.living.visitors import FILE, Visitors
from ledgernode.identity.secret_file import read_secret

STARTS_S = 240
WAITS_MS = 30_000
"""For what appears on a page: a purchase goes through a vending service, a meter and two blocks."""
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}
_AXE = Path(__file__).parents[2] / "gateway" / "web" / "node_modules" / "axe-core" / "axe.min.js"
_SEVERE = ("serious", "critical")


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
        self.phrases = {str(visitor.role): visitor.phrase for visitor in visitors.everybody}

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

    def __init__(self, browser: Browser, site: Site, **options: Any) -> None:
        self.site = site
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
        if response.status >= 500:
            self.complaints.append(f"{response.status} {response.url}")

    def enter(self, role: str) -> Guest:
        """By the twelve words, as on a new device."""
        self.go("/")
        self.follow("I have a recovery phrase")
        self.fill("Recovery phrase", self.site.phrases[role])
        self.press("Bring it back")
        expect(self.page.get_by_role("link", name="Ledger").first).to_be_visible(timeout=WAITS_MS)
        self.actions = 0
        return self

    def go(self, path: str) -> None:
        self.page.goto(self.site.origin + path)
        expect(self.page.get_by_role("heading", level=1)).to_be_visible(timeout=WAITS_MS)

    def follow(self, link: str) -> None:
        self.actions += 1
        self.page.get_by_role("link", name=link).first.click()

    def press(self, button: str, *, within: Locator | None = None) -> None:
        self.actions += 1
        (within or self.page).get_by_role("button", name=button, exact=True).first.click()

    def fill(self, label: str, text: str) -> None:
        self.actions += 1
        self.page.get_by_label(label, exact=True).first.fill(text)

    @property
    def sheet(self) -> Locator:
        """What is to be signed, as it is shown."""
        return self.page.get_by_role("dialog")

    def confirm(self, *shows: str) -> str:
        """Sign once the sheet shows all of this, and no sooner, and wait until the ledger has it; the sheet's words."""
        for words in shows:
            expect(self.sheet).to_contain_text(words, timeout=WAITS_MS)
        shown = self.sheet.inner_text()
        self.press("Confirm", within=self.sheet)
        expect(self.sheet.get_by_role("status")).to_contain_text("signed by the validators", timeout=WAITS_MS)
        self.page.keyboard.press("Escape")
        return shown

    def sees(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_role("main")).to_contain_text(text, timeout=WAITS_MS)

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
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{self.page.url}: {one['id']}: {one['help']}: {[node['target'] for node in one['nodes']][:3]}"
            for one in found["violations"]
            if one["impact"] in _SEVERE
        ]
