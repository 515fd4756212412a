"""Pictures of every page, to be looked at: both themes, phone and desk; and of each way in which a page can stand.

    python -m tests.web.screenshots FOLDER

They belong outside the repository.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.gateway.sessions.openid_provider import running_provider
from tests.web.conftest import launched
from tests.web.every import PAGES, STATES, standing
from tests.web.site import DESK, PHONE, Guest
from tests.web.town import Town

_SIZES = {"phone": PHONE, "desk": DESK}


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as directory, running_provider() as provider, sync_playwright() as playwright:
        town, browser = Town(Path(directory), provider), launched(playwright)
        try:
            for name, (who, paths) in PAGES.items():
                guest = Guest(browser, town, forgives=True).enter(who)
                for path in paths:
                    taken = folder / name.replace(" ", "-") / (path.strip("/").replace("/", "-") or "first")
                    guest.go(path)
                    _take(guest.page, taken)
                    _take_states(guest, path, taken)
                guest.context.close()
                print(f"{name}: {len(paths)} pages", flush=True)
        finally:
            town.close()
    print(f"look into {folder}")


def _take(page: Page, taken: Path) -> None:
    page.wait_for_timeout(400)  # what slides in is in its place
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        for size, viewport in _SIZES.items():
            page.set_viewport_size(viewport)
            page.screenshot(path=taken.with_name(f"{taken.name}-{theme}-{size}.png"), full_page=True)
    page.emulate_media(color_scheme="light")


def _take_states(guest: Guest, path: str, taken: Path) -> None:
    for state in STATES:
        if state == "offline":
            guest.go(path)
        with standing(guest, state):
            if state != "offline":
                guest.page.goto(guest.place.origin + path)
            guest.page.wait_for_timeout(400)
            guest.page.screenshot(path=taken.with_name(f"{taken.name}-{state}.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
