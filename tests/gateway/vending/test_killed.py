"""A vending service that is killed again and again while kiosks sell, and one whose keys are in another process."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.community import Community
from tests.acceptance.prepayment import Keypad
from tests.acceptance.street import House
from tests.conditions import until
from tests.gateway.vending.keys import passphrase_file
from tests.gateway.vending.shop import Shop, units_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
KILLS = 3
PER_HOUSE = 2
AMOUNT_MINOR = 20_000
PATIENCE_S = 120


def sell(shop: Shop, house: House, key: str) -> dict[str, Any]:
    """As a kiosk does: with the same key until there is an answer that stays."""
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        try:
            answer = shop.pay(house, AMOUNT_MINOR, key)
        except httpx.TransportError:
            time.sleep(0.3)
            continue
        if answer.status_code == 200:
            return answer.json()  # type: ignore[no-any-return]
        assert answer.status_code in (429, 500, 503, 504), answer.text
        time.sleep(0.3)
    raise AssertionError(f"{key} was never answered")


def test_over_any_kill_each_sale_is_one_token(shop: Shop) -> None:
    """Every key has one credit, minted; its digits are the same as before the kill; money adds up to the unit."""
    community, houses = shop.community, shop.community.streets["killed"].houses
    chance = random.Random(7)
    wanted = [(house, f"{house.name}/{number}") for house in houses for number in range(PER_HOUSE)]
    before = community.money(shop.kiosk)
    had = Counter({house.point: len(shop.credits(house)) for house in houses})
    with ThreadPoolExecutor(6) as kiosks:
        selling = [kiosks.submit(sell, shop, house, key) for house, key in wanted]
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.1, 1.2))
            shop.vending.kill()
            shop.vending.start()
        sold = {key: one.result() for (_, key), one in zip(wanted, selling, strict=True)}
    with ThreadPoolExecutor(6) as kiosks:
        again = list(kiosks.map(lambda one: sell(shop, *one), wanted))
    assert [one["token"] for one in again] == [sold[key]["token"] for _, key in wanted]
    assert len({one["token"] for one in sold.values()}) == len(wanted)
    for house in houses:
        keypad = Keypad(community, house)
        of_house = [sold[key] for owner, key in wanted if owner is house]
        assert len(shop.credits(house)) - had[house.point] == PER_HOUSE
        for one in of_house:
            assert units_of(one["token"], keypad) * 100_000 == one["energy_mwh"]
    spent_minor = sum(one["total_minor"] for one in sold.values())
    after = community.money(shop.kiosk)
    assert (before[0] - after[0], after[1]) == (spent_minor, 0)
    listed = {one["key"]: one for one in shop.purchases()}
    assert {listed[key]["state"] for _, key in wanted} == {"minted"}
    numbers = {one["credit"] for one in sold.values()}

    def delivered() -> bool:
        found = {one["number"]: one["status"] for house in houses for one in shop.credits(house)}
        return all(found[number] == "delivered" for number in numbers)

    until(delivered, 60)


@pytest.fixture
def apart(town: Community, tmp_path: Path) -> Iterator[Shop]:
    """A shop whose keys are in a process of their own."""
    shop = Shop(town, tmp_path, module="module/socket", hold_keys=_module)
    yield shop
    shop.close()


def _module(directory: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ledgernode.cli", "vending", "module", str(directory / "keys.json")]
    command += ["--socket", str(directory / "module/socket"), "--passphrase-file", str(passphrase_file(directory))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ))
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"holding the keys")
    return process


def test_keys_in_a_process_of_their_own(apart: Shop) -> None:
    """The service that partners reach has no key. Without the module nothing is minted, and nothing is lost."""
    shop = apart
    house = shop.community.streets["killed"].houses[0]
    assert shop.vending.serving["keys"] == 1
    first = sell(shop, house, "apart-1")
    assert units_of(first["token"], Keypad(shop.community, house)) * 100_000 == first["energy_mwh"]
    shop.holders[-1].kill()
    shop.holders[-1].wait()
    answer = shop.pay(house, AMOUNT_MINOR, "apart-2")
    assert (answer.status_code, answer.json()["code"]) == (503, "NODE_UNREACHABLE")
    [waiting] = [one for one in shop.purchases() if one["key"] == "apart-2"]
    assert waiting["state"] == "received", "no money waits for digits that nobody can make"
    shop.holders.append(_module(shop.directory))
    assert sell(shop, house, "apart-2")["state"] == "minted"
