"""Pricing: what a tariff makes of energy, as lines of an invoice, and of money, as kWh to vend.

    tariff   data: bands or steps of the import price, bands of the feed-in, fixed and capacity charges, fees,
             levies, tax. All prices per kWh in micro major units; amounts per local month in minor units
    use      what a point took and gave while one version of a tariff held, energy by band
    line     a quantity, a price and an amount: rounded once, half to even, with what rounding left over in pico
    vending  the energy that an amount of money buys, in steps of 0.1 kWh that a token can carry exactly

The order of an invoice is always the same: import, fees and levies on it, fixed, capacity and reactive
charges, what is missing to the minimum, tax on the sum of all these, then feed-in, which carries no tax. So the
same use gives the same lines, bit by bit. Fixed amounts are prorated by local days of the local month. Steps count
what was taken since the local month began, and are not prorated.

Pure functions over integers; no state.
"""

from collections.abc import Sequence

from chaincode.api import Record, Refusal
from chaincode.calendar import (
    DAY_MS,
    MINUTE_MS,
    DayType,
    Season,
    Zone,
    civil,
    day_type_of,
    days_in_month,
    offset_minutes,
    season_of,
)
from chaincode.units import (
    MWH_PER_WH,
    half_even,
    largest_remainder,
    price_times_energy,
    rate_times_amount,
)
from chaincode.vended import LARGEST_UNITS, MWH_PER_UNIT, Line, Part, Vending, encodable

MINUTES_A_DAY = 1_440
BANDS_LIMIT = 48
STEPS_LIMIT = 12
LEVIES_LIMIT = 12
HOLIDAYS_LIMIT = 400
NAME_CHARACTERS = 40
QUADRANTS = 4
PRICE_LIMIT_MICRO = 1_000_000_000
RATE_LIMIT_MICRO = 1_000_000

FLAT = "flat"
TIME_OF_USE = "time_of_use"
STEPS = "steps"
NET_BY_ENERGY = "energy"
NET_BY_MONEY = "money"

# ---------------------------------------------------------------- data


class Band(Record):
    """A price for some minutes of some days; '' as season or day type means every one."""

    name: str
    price_micro: int
    season: str = ""
    day_type: str = ""
    from_minute: int = 0
    until_minute: int = MINUTES_A_DAY


class Step(Record):
    """A price for what is taken in a month up to this much; 0: without end."""

    up_to_wh: int
    price_micro: int


class Levy(Record):
    """Something on each kWh that the utility only collects."""

    name: str
    price_micro: int


class Tariff(Record):
    """One version of a tariff. A flat one has one band for every minute; one by steps has no band."""

    id: str
    utility: str
    zone: Zone
    kind: str
    bands: tuple[Band, ...] = ()
    steps: tuple[Step, ...] = ()
    feed_in: tuple[Band, ...] = ()
    net_metering: str = ""
    fixed_minor: int = 0
    capacity_minor: int = 0
    minimum_minor: int = 0
    grid_fee_micro: int = 0
    export_fee_micro: int = 0
    levies: tuple[Levy, ...] = ()
    tax_micro: int = 0
    reactive_micro: int = 0
    reactive_free_micro: int = 0
    reactive_quadrants: tuple[int, ...] = (1, 4)
    """Which registers count, added up, never set against one another: 1 and 4 go with what is taken."""
    seasons: tuple[Season, ...] = ()
    day_types: tuple[DayType, ...] = ()
    holidays: tuple[int, ...] = ()
    prepaid_class: int = 0


class Use(Record):
    """What a point took and gave in `days` of a local month under one version of a tariff."""

    import_mwh: list[int]
    export_mwh: list[int]
    days: int
    days_in_month: int
    peak_w: int = 0
    reactive_mvarh: int = 0
    other_mwh: int = 0
    """Taken of others (trades, pool), priced elsewhere: reactive energy may come with it as with the grid's."""
    before_mwh: int = 0
    """Taken since the month began, before this: where the steps go on."""


class TariffInvalid(Refusal):
    """The data of a tariff contradict themselves, or lie outside the limits."""

    code = "TARIFF_INVALID"


class TariffNotPrepaid(Refusal):
    """Only flat and step tariffs without prices below zero can be vended as kWh."""

    code = "TARIFF_NOT_PREPAID"


# ---------------------------------------------------------------- which band holds


def band_at(tariff: Tariff, bands: Sequence[Band], time_ms: int) -> int:
    """The first band that an instant lies in, by its place; -1 if none."""
    minutes = time_ms // MINUTE_MS + offset_minutes(tariff.zone, time_ms)
    return _band_of(tariff, bands, minutes // MINUTES_A_DAY, minutes % MINUTES_A_DAY)


def price_at(tariff: Tariff, time_ms: int) -> int:
    """The import price per kWh at an instant; by steps the first step's."""
    if tariff.kind == STEPS:
        return tariff.steps[0].price_micro
    return tariff.bands[band_at(tariff, tariff.bands, time_ms)].price_micro


def bands_of_day(tariff: Tariff, bands: Sequence[Band], day: int, interval_ms: int) -> list[int]:
    """The place of the band of each interval of a UTC day, by the local clock at its start."""
    first_ms, count = day * DAY_MS, DAY_MS // interval_ms
    offset = offset_minutes(tariff.zone, first_ms)
    changes = offset != offset_minutes(tariff.zone, first_ms + DAY_MS - interval_ms)
    found: list[int] = []
    known_day, kinds = -1, [Band(name="", price_micro=0)]
    places = [0]
    for number in range(count):
        time_ms = first_ms + number * interval_ms
        if changes:
            offset = offset_minutes(tariff.zone, time_ms)
        minutes = time_ms // MINUTE_MS + offset
        local_day, minute = minutes // MINUTES_A_DAY, minutes % MINUTES_A_DAY
        if local_day != known_day:
            known_day = local_day
            places = _bands_of_local_day(tariff, bands, local_day)
            kinds = [bands[place] for place in places]
        found.append(_first(kinds, places, minute))
    return found


def _band_of(tariff: Tariff, bands: Sequence[Band], local_day: int, minute: int) -> int:
    places = _bands_of_local_day(tariff, bands, local_day)
    return _first([bands[place] for place in places], places, minute)


def _bands_of_local_day(tariff: Tariff, bands: Sequence[Band], local_day: int) -> list[int]:
    _, month, day = civil(local_day)
    season = season_of(tariff.seasons, month, day)
    day_type = day_type_of(tariff.day_types, tariff.holidays, local_day)
    return [place for place, band in enumerate(bands) if _is_for(band, season, day_type)]


def _is_for(band: Band, season: str, day_type: str) -> bool:
    return band.season in ("", season) and band.day_type in ("", day_type)


def _first(bands: Sequence[Band], places: Sequence[int], minute: int) -> int:
    for band, place in zip(bands, places, strict=True):
        if band.from_minute <= minute < band.until_minute:
            return place
    return -1


# ---------------------------------------------------------------- the lines of an invoice


def lines(tariff: Tariff, use: Use, digits: int) -> list[Line]:
    """The rows that this use makes, in the order of every invoice."""
    taken, given = netted(tariff, use)
    made = import_lines(tariff, taken, use.before_mwh, digits)
    made += _standing_lines(tariff, use, digits)
    net_minor = sum(line.amount_minor for line in made)
    least_minor = _prorated(tariff.minimum_minor, use)
    if tariff.minimum_minor and net_minor < least_minor:
        made.append(_line("minimum", "", use.days, "days", 0, (least_minor - net_minor, 0)))
        net_minor = least_minor
    made += _tax_lines(tariff, net_minor, digits)
    return made + _feed_in_lines(tariff, given, digits)


def netted(tariff: Tariff, use: Use) -> tuple[list[int], list[int]]:
    """Import by band and export by feed-in band that are left where export is set against import as energy."""
    taken, given = list(use.import_mwh), list(use.export_mwh)
    if tariff.net_metering == NET_BY_ENERGY:
        for place in range(len(given)):
            for against in range(len(taken)):
                offset_mwh = min(given[place], taken[against])
                given[place] -= offset_mwh
                taken[against] -= offset_mwh
    return taken, given


def import_lines(tariff: Tariff, import_mwh: Sequence[int], before_mwh: int, digits: int) -> list[Line]:
    """Energy by band or step, and the fees and levies on all of it."""
    made: list[Line] = []
    if tariff.kind == STEPS:
        for number, energy_mwh in enumerate(by_step(tariff.steps, sum(import_mwh), before_mwh)):
            if energy_mwh:
                price_micro = tariff.steps[number].price_micro
                made.append(_energy_line("import", f"step {number + 1}", price_micro, energy_mwh, digits))
    else:
        for band, energy_mwh in zip(tariff.bands, import_mwh, strict=True):
            if energy_mwh:
                made.append(_energy_line("import", band.name, band.price_micro, energy_mwh, digits))
    total_mwh = sum(import_mwh)
    if total_mwh and tariff.grid_fee_micro:
        made.append(_energy_line("grid_fee", "", tariff.grid_fee_micro, total_mwh, digits))
    if total_mwh:
        made += [_energy_line("levy", levy.name, levy.price_micro, total_mwh, digits) for levy in tariff.levies]
    return made


def by_step(steps: Sequence[Step], energy_mwh: int, before_mwh: int) -> list[int]:
    """How much of this energy lies in each step, when so much was taken before."""
    parts: list[int] = []
    low_mwh, end_mwh = 0, before_mwh + energy_mwh
    for step in steps:
        high_mwh = step.up_to_wh * MWH_PER_WH if step.up_to_wh else max(end_mwh, low_mwh)
        parts.append(max(0, min(end_mwh, high_mwh) - max(before_mwh, low_mwh)))
        low_mwh = high_mwh
    return parts


def _standing_lines(tariff: Tariff, use: Use, digits: int) -> list[Line]:
    made: list[Line] = []
    if tariff.fixed_minor:
        made.append(_line("fixed", "", use.days, "days", 0, (_prorated(tariff.fixed_minor, use), 0)))
    if tariff.capacity_minor and use.peak_w:
        amount = half_even(tariff.capacity_minor * use.peak_w * use.days, 1_000 * use.days_in_month)
        made.append(_line("capacity", "", use.peak_w, "w", 0, (amount, 0)))
    free_mvarh = tariff.reactive_free_micro * (sum(use.import_mwh) + use.other_mwh) // RATE_LIMIT_MICRO
    if tariff.reactive_micro and use.reactive_mvarh > free_mvarh:
        above_mvarh = use.reactive_mvarh - free_mvarh
        priced = price_times_energy(tariff.reactive_micro, above_mvarh, digits)
        made.append(_line("reactive", "", above_mvarh, "mvarh", tariff.reactive_micro, priced))
    return made


def _tax_lines(tariff: Tariff, net_minor: int, digits: int) -> list[Line]:
    if not tariff.tax_micro or not net_minor:
        return []
    taxed = rate_times_amount(tariff.tax_micro, net_minor, digits)
    return [_line("tax", "", net_minor, "minor", tariff.tax_micro, taxed)]


def _feed_in_lines(tariff: Tariff, export_mwh: Sequence[int], digits: int) -> list[Line]:
    made: list[Line] = []
    bands = tariff.bands if tariff.net_metering == NET_BY_MONEY else tariff.feed_in
    for band, energy_mwh in zip(bands, export_mwh, strict=True):
        if energy_mwh:
            made.append(_energy_line("feed_in", band.name, -band.price_micro, energy_mwh, digits))
    total_mwh = sum(export_mwh)
    if total_mwh and tariff.export_fee_micro:
        made.append(_energy_line("export_fee", "", tariff.export_fee_micro, total_mwh, digits))
    return made


def export_bands(tariff: Tariff) -> tuple[Band, ...]:
    """By which bands a point's export is kept."""
    return tariff.bands if tariff.net_metering == NET_BY_MONEY else tariff.feed_in


def fixed_due(tariff: Tariff, first_day: int, last_day: int) -> int:
    """Fixed charges of these local days, both included, without tax: of each month its part, rounded once."""
    due_minor = 0
    while tariff.fixed_minor and first_day <= last_day:
        year, month, day = civil(first_day)
        of_month = days_in_month(year, month)
        days = min(of_month - day + 1, last_day - first_day + 1)
        due_minor += half_even(tariff.fixed_minor * days, of_month)
        first_day += days
    return due_minor


def _prorated(amount_minor: int, use: Use) -> int:
    return half_even(amount_minor * use.days, use.days_in_month)


def _energy_line(kind: str, name: str, price_micro: int, energy_mwh: int, digits: int) -> Line:
    return _line(kind, name, energy_mwh, "mwh", price_micro, price_times_energy(price_micro, energy_mwh, digits))


def _line(kind: str, name: str, quantity: int, unit: str, price_micro: int, amount: tuple[int, int]) -> Line:
    return Line(
        kind=kind,
        name=name,
        quantity=quantity,
        unit=unit,
        price_micro=price_micro,
        amount_minor=amount[0],
        remainder_pico=amount[1],
    )


# ---------------------------------------------------------------- vending


def vend(tariff: Tariff, amount_minor: int, vended_mwh: int, digits: int) -> Vending:
    """The most energy that an amount buys, fees, levies and tax included, as a token can carry it.

    `vended_mwh` was vended since the local month began: the steps go on there. Refuses tariffs that cannot
    be vended as kWh.
    """
    require_prepaid(tariff)
    low, high = 0, LARGEST_UNITS
    while low < high:
        middle = (low + high + 1) // 2
        if _cost_minor(tariff, middle, vended_mwh, digits) <= amount_minor:
            low = middle
        else:
            high = middle - 1
    return sold(tariff, encodable(low), amount_minor, vended_mwh, digits)


def sold(tariff: Tariff, units: int, amount_minor: int, vended_mwh: int, digits: int) -> Vending:
    """What so many units cost, and what is left of an amount."""
    made = _vend_lines(tariff, units, vended_mwh, digits)
    total_minor = sum(line.amount_minor for line in made)
    return Vending(
        units=units,
        energy_mwh=units * MWH_PER_UNIT,
        lines=made,
        parts=_parts(tariff, units, vended_mwh, made),
        total_minor=total_minor,
        rest_minor=amount_minor - total_minor,
    )


def require_prepaid(tariff: Tariff) -> None:
    """Refuses a tariff that cannot be vended: by time, or with a price that would make more energy cost less."""
    prices = [band.price_micro for band in tariff.bands] + [step.price_micro for step in tariff.steps]
    extras = [levy.price_micro for levy in tariff.levies] + [tariff.grid_fee_micro]
    if tariff.kind == TIME_OF_USE or min(prices) <= 0 or min(extras) < 0:
        raise TariffNotPrepaid(f"{tariff.id} cannot be vended as kWh: it is by time, or has a price not above zero")


def _cost_minor(tariff: Tariff, units: int, vended_mwh: int, digits: int) -> int:
    return sum(line.amount_minor for line in _vend_lines(tariff, units, vended_mwh, digits))


def _vend_lines(tariff: Tariff, units: int, vended_mwh: int, digits: int) -> list[Line]:
    made = import_lines(tariff, [units * MWH_PER_UNIT], vended_mwh, digits)
    return made + _tax_lines(tariff, sum(line.amount_minor for line in made), digits)


def _parts(tariff: Tariff, units: int, vended_mwh: int, made: Sequence[Line]) -> list[Part]:
    """The lots: energy and money by step; what is on all of it is shared by energy, tax by what it is on."""
    energies = [units * MWH_PER_UNIT]
    prices = [band.price_micro for band in tariff.bands]
    if tariff.kind == STEPS:
        energies = by_step(tariff.steps, units * MWH_PER_UNIT, vended_mwh)
        prices = [step.price_micro for step in tariff.steps]
    places = [place for place, energy_mwh in enumerate(energies) if energy_mwh]
    if not places:
        return []
    imports = [line.amount_minor for line in made if line.kind == "import"]
    extra_minor = sum(line.amount_minor for line in made if line.kind in ("grid_fee", "levy"))
    tax_minor = sum(line.amount_minor for line in made if line.kind == "tax")
    extras = largest_remainder(extra_minor, [energies[place] for place in places])
    nets = [own + extra for own, extra in zip(imports, extras, strict=True)]
    taxes = largest_remainder(tax_minor, nets) if tax_minor else [0 for _ in places]
    return [
        Part(step=place, price_micro=prices[place], energy_mwh=energies[place], net_minor=net, tax_minor=tax)
        for place, net, tax in zip(places, nets, taxes, strict=True)
    ]


# ---------------------------------------------------------------- is it a tariff


def check(tariff: Tariff) -> None:
    """Refuses data that contradict themselves: gaps in time, steps out of order, prices out of range."""
    if tariff.kind == STEPS:
        _check_steps(tariff)
    elif tariff.kind in (FLAT, TIME_OF_USE):
        _require(not tariff.steps, "only a tariff by steps has steps")
        _require(tariff.kind != FLAT or len(tariff.bands) == 1, "a flat tariff has one band")
        _check_bands(tariff, tariff.bands, "import")
    else:
        raise TariffInvalid(f"the kind is {FLAT}, {TIME_OF_USE} or {STEPS}, not {tariff.kind[:NAME_CHARACTERS]}")
    _require(tariff.net_metering in ("", NET_BY_ENERGY, NET_BY_MONEY), "net metering is '', energy or money")
    if tariff.net_metering == NET_BY_MONEY:
        _require(tariff.kind != STEPS, "export is paid at the import price only where that does not go by steps")
        _require(not tariff.feed_in, "where export is paid at the import price there are no feed-in bands")
    else:
        _check_bands(tariff, tariff.feed_in, "feed-in")
    _check_charges(tariff)


def _check_steps(tariff: Tariff) -> None:
    steps = tariff.steps
    _require(not tariff.bands and 0 < len(steps) <= STEPS_LIMIT, f"1 to {STEPS_LIMIT} steps, and no bands")
    _require(steps[-1].up_to_wh == 0, "the last step has no end (0)")
    before_wh = 0
    for step in steps[:-1]:
        _require(step.up_to_wh > before_wh, "each step ends above the one before")
        before_wh = step.up_to_wh
    for step in steps:
        _require_price(step.price_micro)


def _check_bands(tariff: Tariff, bands: Sequence[Band], what: str) -> None:
    """Every minute of every kind of day lies in a band."""
    _require(0 < len(bands) <= BANDS_LIMIT, f"1 to {BANDS_LIMIT} {what} bands")
    for band in bands:
        _require_price(band.price_micro)
        _require(0 < len(band.name) <= NAME_CHARACTERS, f"a band's name has 1 to {NAME_CHARACTERS} characters")
        _require(0 <= band.from_minute < band.until_minute <= MINUTES_A_DAY, "a band lies within 0 to 1440 minutes")
    seasons = [season.name for season in tariff.seasons] + [""]
    day_types = [kind.name for kind in tariff.day_types] + [""]
    for season in seasons:
        for day_type in day_types:
            spans = [(band.from_minute, band.until_minute) for band in bands if _is_for(band, season, day_type)]
            covered = 0
            for begins, ends in sorted(spans):
                if begins <= covered:
                    covered = max(covered, ends)
            named = f"season {season or 'none'}, day type {day_type or 'none'}"
            _require(covered == MINUTES_A_DAY, f"minute {covered} has no {what} price ({named})")


def _check_charges(tariff: Tariff) -> None:
    _require(len(tariff.levies) <= LEVIES_LIMIT, f"at most {LEVIES_LIMIT} levies")
    _require(len(tariff.holidays) <= HOLIDAYS_LIMIT, f"at most {HOLIDAYS_LIMIT} holidays")
    for levy in tariff.levies:
        _require_price(levy.price_micro)
        _require(0 < len(levy.name) <= NAME_CHARACTERS, f"a levy's name has 1 to {NAME_CHARACTERS} characters")
    for price_micro in (tariff.grid_fee_micro, tariff.export_fee_micro, tariff.reactive_micro):
        _require(0 <= price_micro <= PRICE_LIMIT_MICRO, "a fee per kWh lies between 0 and the largest price")
    before = 0
    for quadrant in tariff.reactive_quadrants:
        _require(before < quadrant <= QUADRANTS, "quadrants are of 1 to 4, each once, in order")
        before = quadrant
    for amount_minor in (tariff.fixed_minor, tariff.capacity_minor, tariff.minimum_minor):
        _require(0 <= amount_minor <= PRICE_LIMIT_MICRO, "an amount per month lies between 0 and 10^9 minor units")
    for rate_micro in (tariff.tax_micro, tariff.reactive_free_micro):
        _require(0 <= rate_micro <= RATE_LIMIT_MICRO, "a rate lies between 0 and 1,000,000 micro (100 %)")


def _require_price(price_micro: int) -> None:
    _require(-PRICE_LIMIT_MICRO <= price_micro <= PRICE_LIMIT_MICRO, "a price is at most 1,000 major units per kWh")


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise TariffInvalid(rule)
