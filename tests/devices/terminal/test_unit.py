"""The unit in a terminal: what is typed or clicked reaches the meter, and what the meter shows is on the display."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from textual.pilot import Pilot

from chaincode.calendar import FIXED_UTC
from chaincode.tables import table_of
from devices.customer_unit import COLUMNS, KEYS, PAGES, render
from devices.meter.core import new_state
from devices.meter.events import Commanded, SetTariff
from devices.meter_shell import Facts, create_home
from devices.terminal.app import CustomerUnit, Display, Lamp
from devices.terminal.bench import Bench
from devices.terminal.dots import BOX, CELL_COLUMNS, CELL_ROWS, LETTERS, drawn
from ledgernode.sts.keys import derive
from ledgernode.sts.tid import Tid
from ledgernode.sts.token import Credit, mint
from tests.chaincode.test_pricing import by_time
from tests.devices.test_customer_unit import WIDEST
from tests.sts.published import METER, VENDING_KEY

pytestmark = pytest.mark.slow

START_MS = 1_767_225_600_000
OTHER_PAN = "600727000000000017"
PIN = "1234"


class Bystander:
    """A unit on a bench, its clock in our hand."""

    def __init__(self, home: Path) -> None:
        self.now_ms = START_MS
        self.tid = 1_000
        key = derive(VENDING_KEY, METER)
        create_home(home, Facts(METER.pan, "utility:home-1", "00" * 32), new_state(key, METER.base))
        self.bench = Bench(home, lambda: self.now_ms)
        self.app = CustomerUnit(self.bench)
        self.pilot: Pilot[None] | None = None

    async def press(self, keys: Iterable[str]) -> tuple[str, str]:
        assert self.pilot is not None
        await self.pilot.press(*keys)
        return self.lines

    async def click(self, *names: str) -> tuple[str, str]:
        assert self.pilot is not None
        for name in names:
            assert await self.pilot.click(f"#key-{name}")
        return self.lines

    async def wait(self, ms: int) -> tuple[str, str]:
        assert self.pilot is not None
        self.now_ms += ms
        self.app.pass_time()
        await self.pilot.pause()
        return self.lines

    def token(self, units: int) -> str:
        self.tid += 1
        return mint(Credit(tid=Tid(self.tid), random=5, units=units), derive(VENDING_KEY, METER))

    @property
    def lines(self) -> tuple[str, str]:
        first, second = self.app.query_one(Display).lines
        assert (first, second) == self.bench.face.lines
        return first.rstrip(), second.strip()

    def lamp(self, name: str) -> str:
        return self.app.query_one(f"#lamp-{name}", Lamp).colour

    @property
    def balance_mwh(self) -> int:
        return self.bench.shell.meter.state.credit.balance_mwh


@pytest_asyncio.fixture
async def unit(tmp_path: Path) -> AsyncIterator[Bystander]:
    stand = Bystander(tmp_path / "meter")
    async with stand.app.run_test(size=(100, 32)) as pilot:
        stand.pilot = pilot
        yield stand
    stand.bench.close()


# ---------------------------------------------------------------- tokens


async def test_a_token_is_typed_and_the_load_has_power(unit: Bystander) -> None:
    """Twenty digits and enter; the supply's lamp goes from red to green."""
    assert unit.lines == ("NO CREDIT    OFF", "ENTER A TOKEN")
    assert (unit.lamp("mains"), unit.lamp("supply")) == ("green", "red")
    digits = unit.token(125)
    assert await unit.press(digits[:4]) == ("TOKEN       4/20", digits[:4])
    assert await unit.press([*digits[4:], "enter"]) == ("TOKEN ACCEPTED", "+       12.5 kWh")
    assert unit.lamp("supply") == "green"
    assert await unit.press(["escape"]) == ("CREDIT        ON", "12.50 kWh")
    assert await unit.press([*digits, "#"]) == ("E03 TOKEN USED", "USED")
    assert unit.bench.meaning[0] == "a token is good once"


async def test_keys_are_clicked_as_well(unit: Bystander) -> None:
    """The twelve of the keypad, by the mouse."""
    names = {"*": "star", "#": "hash"}
    digits = unit.token(10)
    await unit.click(*digits, "hash")
    assert unit.balance_mwh == 1_000_000
    await unit.click("star")
    assert await unit.click("hash") == ("1 SHARE   2 INFO", "3 PIN  4 ADVANCE")
    for key in KEYS:
        assert unit.app.query_one(f"#key-{names.get(key, key)}")


async def test_a_wrong_digit_is_taken_back(unit: Bystander) -> None:
    """Backspace is the star."""
    assert await unit.press(["1", "2", "backspace"]) == ("TOKEN       1/20", "1")
    assert await unit.press(["x", "tab", "up"]) == ("TOKEN       1/20", "1")


# ---------------------------------------------------------------- share


async def share(unit: Bystander, pin: str, tenths: str = "50") -> tuple[str, str]:
    for key in f"#1{OTHER_PAN}#{tenths}#":
        unit.app.press(key)  # as keyboard and keypad do, and quicker
    await unit.wait(100)
    assert unit.lines[0] == f"UNVERIFIED  {OTHER_PAN[-4:]}"
    return await unit.press(["#", *pin, "#"])


async def with_pin(unit: Bystander) -> None:
    for key in f"{unit.token(200)}#*":
        unit.app.press(key)
    assert await unit.press(["#", "3", *PIN, "#", *PIN, "#"]) == ("PIN SET", "KEY IS ASKED FOR")
    await unit.press(["*"])


async def test_units_are_shared_by_the_keypad(unit: Bystander) -> None:
    """Number, amount, UNVERIFIED without a link, PIN, a receipt's number; the PIN is shown as stars."""
    await with_pin(unit)
    await unit.press(["#", "3", *PIN])
    assert unit.lines == ("PIN", "****")
    await unit.wait(31_000)
    assert await share(unit, PIN) == ("SENT      5.0kWh", "RECEIPT        2")
    assert unit.balance_mwh == 15_000_000


async def test_a_wrong_pin_shares_nothing(unit: Bystander) -> None:
    """The third one locks sharing; tokens go on."""
    await with_pin(unit)
    assert await share(unit, "9999") == ("E16 WRONG PIN", "PIN WRONG")
    await share(unit, "9998")
    await share(unit, "9997")
    assert await unit.press(["#", "1"]) == ("E17 PIN LOCKED", "PIN LOCKED")
    assert unit.balance_mwh == 20_000_000
    assert (await unit.press([*unit.token(10), "#"]))[0] == "TOKEN ACCEPTED"


async def test_half_a_minute_without_a_key_cancels(unit: Bystander) -> None:
    """What was typed is forgotten; the display goes dark a while after the last key."""
    await with_pin(unit)
    await unit.press(["#", "1", "6", "0", "0"])
    assert (await unit.wait(29_000))[0] == "SHARE: TO METER"
    assert await unit.wait(1_100) == ("CREDIT        ON", "20.00 kWh")
    await unit.press(["#", "1"])
    assert unit.lines == ("SHARE: TO METER", "")
    unit.app.dark_from(0.0)
    assert unit.app.query_one(Display).has_class("dim")
    await unit.press(["*"])
    assert not unit.app.query_one(Display).has_class("dim")


# ---------------------------------------------------------------- around it


async def test_credit_runs_low_and_out(unit: Bystander) -> None:
    """The lamp blinks below what the utility calls low; at zero the relay opens and nothing is drawn."""
    await unit.press([*unit.token(10), "#", "*"])
    unit.bench.load_w = 1_000
    assert await unit.wait(1_000) == ("LOW CREDIT    ON", "0.99 kWh")
    seen = set()
    for _ in range(30):
        await unit.pilot.pause(0.1)  # type: ignore[union-attr]
        unit.app.look()
        seen.add(unit.lamp("low"))
    assert seen == {"amber", "off"}
    assert await unit.wait(3_600_000) == ("NO CREDIT    OFF", "ENTER A TOKEN")
    assert (unit.lamp("supply"), unit.bench.has_power) == ("red", False)
    before_mwh = unit.balance_mwh
    await unit.wait(3_600_000)
    assert unit.balance_mwh == before_mwh


async def test_the_load_is_raised_and_the_mains_fail(unit: Bystander) -> None:
    """Plus, minus, m and c; after an outage the supply waits."""
    await unit.press([*unit.token(500), "#", "*"])
    await unit.press(["+", "+", "-"])
    assert unit.bench.load_w == 250
    await unit.wait(60_000)
    pulses = unit.bench.pulses
    assert pulses > 0
    await unit.press(["m"])
    assert (unit.lines[0], unit.lamp("mains"), unit.lamp("supply")) == ("NO MAINS", "off", "off")
    await unit.press(["m"])
    assert unit.lines[0] in {"POWER IS BACK", "CREDIT        ON"}
    await unit.wait(301_000)
    assert unit.lines[0] == "CREDIT        ON"
    await unit.press(["c"])
    assert unit.lines == ("TAMPER     COVER", "ASK THE UTILITY")
    assert any("tamper" in line for line in unit.bench.face.happened)


async def test_the_price_and_the_next_change_are_on_the_display(unit: Bystander) -> None:
    """Told by the utility; beside the unit stands what the page means."""
    assert (await unit.press("#2##"))[1] == "NOT KNOWN"
    tariff = by_time(zone=FIXED_UTC)
    table = msgspec.json.encode(table_of(msgspec.to_builtins(tariff), START_MS))
    unit.bench.shell.step(Commanded(START_MS, 1, SetTariff(START_MS, tariff.id, table)))
    assert await unit.press("*#2##") == ("PRICE      NIGHT", "0.2000 /kWh")
    assert "fees and tax included" in unit.bench.meaning[0]
    assert await unit.press("#") == ("NEXT   THU 06:00", "0.3000 /kWh")


@pytest.mark.parametrize("size", [(140, 50), (80, 24), (60, 22)])
async def test_it_fits(tmp_path: Path, size: tuple[int, int]) -> None:
    """On a small terminal too: every key can be clicked, both lines are whole."""
    stand = Bystander(tmp_path / "meter")
    async with stand.app.run_test(size=size) as stand.pilot:
        await stand.pilot.pause()
        await stand.click(*"0123456789", "star", "hash")
        region = stand.app.query_one(Display).content_region
        assert region.width >= COLUMNS * CELL_COLUMNS
        assert region.height >= 2 * CELL_ROWS + 1
    stand.bench.close()


# ---------------------------------------------------------------- dots


@pytest.mark.parametrize("page", PAGES)
def test_every_page_can_be_drawn(page: str) -> None:
    """Each letter of it has dots of its own."""
    lines = render(page, WIDEST | ({"energy": "999999.9"} if page.startswith("share") else {}))
    for line in lines:
        assert all(letter in LETTERS or letter.upper() in LETTERS for letter in line), line
        rows = drawn(line)
        assert [len(row) for row in rows] == [COLUMNS * CELL_COLUMNS] * CELL_ROWS


def test_letters_differ() -> None:
    """No two look the same, and what is not known is a box."""
    assert len(set(LETTERS.values())) == len(LETTERS)
    assert drawn("é") == drawn("€") != drawn("E")
    assert BOX not in LETTERS.values()
    assert drawn("l") == drawn("L")
    assert drawn(" ") == ("\u2800" * 3, "\u2800" * 3)


def test_a_letter_is_dots() -> None:
    """An I, dot by dot: three at the top, a stroke, three at the bottom."""
    assert drawn("I") == ("⠈⡏⠀", "⠠⠧⠀")
