"""A street: an area of its own with one feeder, its houses, and their meters, whose registers only count up.

Meters sign their readings with numbers of their own (so they may send them days later), at the boundaries of intervals.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from ledgernode.sts.pan import check_digit

if TYPE_CHECKING:
    from tests.acceptance.community import Community, Member

INTERVAL_MS = 900_000
MINUTE_MS = 60_000
KWH = 1_000_000
POWER_FACTOR_MILLI = 970
FLAT_TARIFF = "north:flat"


class Plan(NamedTuple):
    """A street to be built: so many houses, how they pay, what their line carries."""

    houses: int
    prepaid: tuple[int, ...] = ()
    """Which of them (from 1) prepay."""
    solar: tuple[int, ...] = ()
    """Which have a generation meter."""
    head: bool = False
    """Whether a meter hangs at the head of the feeder."""
    tariff: str = FLAT_TARIFF
    rating_va: int = 50_000
    rating_w: int = 100_000
    limit_w: int = 0
    reverse_limit_w: int = 0


class Meter:
    """A device at a point, and what it shows."""

    def __init__(self, point: str, member: Member, pan: str = "") -> None:
        self.point = point
        self.member = member
        self.pan = pan
        self.registers = [0, 0]
        self.unsent: list[list[int]] = []
        self._rows = 0

    def take(self, at_ms: int) -> None:
        """Keep a reading: number, time, registers, flags, and what is electric about it."""
        self._rows += 1
        electric = [230_000, 0, 0, 0, POWER_FACTOR_MILLI]
        self.unsent.append([self._rows, at_ms, *self.registers, 0, *electric])


class House:
    """A house: its ids, its meter, its customer's wallet; where it prepays, the balance that its meter keeps."""

    def __init__(self, name: str, meter: Meter, wallet: Member) -> None:
        self.name = name
        self.point = self.premises = self.customer = meter.point
        self.shown = meter
        self.meter = meter.member
        self.pan = meter.pan
        self.wallet = wallet
        self.balance_mwh = 0
        self.counter = 0

    def signed_balance(self) -> dict[str, int]:
        """What the meter puts under its next word: its balance, numbered."""
        self.counter += 1
        return {"balance_mwh": self.balance_mwh, "counter": self.counter}


class Street:
    """What was built by a plan. Its ids are `north:<street>-…`."""

    def __init__(
        self,
        community: Community,
        name: str,
        plan: Plan,
        houses: list[House],
        solar: dict[int, Meter],
        head: Meter | None,
    ) -> None:
        self.community = community
        self.name = name
        self.plan = plan
        self.area = f"north:{name}-area"
        self.feeder = f"north:{name}-feeder"
        self.transformer = f"north:{name}-transformer"
        self.market = f"north:{name}-market"
        self.houses = houses
        self.solar = solar
        self.head = head
        self.read_ms = 0

    @property
    def meters(self) -> list[Meter]:
        return [*(house.shown for house in self.houses), *self.solar.values(), *([self.head] if self.head else [])]

    # ------------------------------------------------------------ readings

    def begin(self) -> int:
        """To the next boundary, where every meter tells what it shows. Answers that boundary."""
        self.read_ms = self.community.to_boundary()
        self.read()
        return self.read_ms

    def read(self, but: Iterable[Meter] = ()) -> None:
        """All meters take a reading, and send what they have, but these."""
        for meter in self.meters:
            meter.take(self.read_ms)
        silent = set(but)
        self.send(*(meter for meter in self.meters if meter not in silent))

    def send(self, *meters: Meter) -> list[Any]:
        """These meters sign what they have not sent."""
        from tests.acceptance.community import Call

        calls = [Call(meter.member, "metering", "record", {"rows": meter.unsent}) for meter in meters]
        found = self.community.together(calls)
        for meter in meters:
            meter.unsent = []
        return found

    def flow(self, *energies_kwh: tuple[float, ...], loss_kwh: float = 0, but: Iterable[Meter] = ()) -> int:
        """An interval passes in which houses take, give (and make) so much, and the head sees what that needs.

        Meters have reported when this returns; answers when it began.
        """
        start_ms, needed = self.read_ms, loss_kwh
        for number, (house, energy) in enumerate(zip(self.houses, energies_kwh, strict=False), 1):
            imported, exported, made = (*energy, 0.0)[:3]
            needed += imported - exported
            house.shown.registers[0] += round(imported * KWH)
            house.shown.registers[1] += round(exported * KWH)
            if number in self.solar:
                self.solar[number].registers[1] += round(made * KWH)
        if self.head:
            self.head.registers[needed < 0] += round(abs(needed) * KWH)
        self.read_ms += INTERVAL_MS
        self.community.to(self.read_ms + 100)
        self.read(but)
        return start_ms

    # ------------------------------------------------------------ settlement

    def open(self) -> int:
        """Settle this area from the next boundary on, which is then; answers it."""
        self.community.ok(self.community.operator, "settlement", "open_area", area=self.area)
        return self.begin()

    def settle(self, *energies_kwh: tuple[float, ...], **more: Any) -> int:
        """An interval passes, as `flow`, and is closed by its timer; answers when it began."""
        start_ms = self.flow(*energies_kwh, **more)
        self.close()
        return start_ms

    def close(self, *, late: bool = False) -> None:
        """Until all that has been measured is closed; by somebody, where readings came too late for the timer."""
        self.community.to(self.read_ms + MINUTE_MS + 100)
        if late:
            self.community.ok(self.community.operator, "settlement", "close", area=self.area)
        self.community.until(lambda: self.closed_ms >= self.read_ms)
        self.community.seen()

    @property
    def closed_ms(self) -> int:
        self.community.seen()
        return int(self.community.ask(self.community.operator, "settlement", "area", area=self.area)["next_ms"])

    def row(self, start_ms: int, house: House) -> list[float]:
        """Of a house in an interval, in kWh: trade, pool, grid in; trade, pool, grid out. It adds up."""
        asked = {"area": self.area, "interval_ms": start_ms}
        found = self.community.ask(self.community.operator, "settlement", "interval", **asked)
        assert self.community.ask(self.community.regulator, "settlement", "reconcile", **asked)["agrees"]
        return [energy / KWH for energy in found["rows"][found["points"].index(house.point)][2:]]


def pan_of(number: int) -> str:
    digits = f"600727{number:011d}"
    return digits + check_digit(digits)
