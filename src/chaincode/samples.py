"""Samples of a transformer: their form, what each one means, and what many of them come to.

A sample is one row:

    [time_ms, temperature_milli, high_mv, distortion_micro, ...]

then for each of one to three phases `voltage_mv, current_ma, power_mw, reactive_mvar`. Null stands where temperature,
high voltage or distortion are not measured. Power above zero flows into the feeder.

Pure functions over integers; no state.
"""

from chaincode.api import Record, Refusal
from chaincode.health import ageing_rate, apparent, apparent_at, hot_spot, loading, root
from chaincode.units import MICRO

ROWS_AT_ONCE = 60
FIXED_COLUMNS = 4
PHASE_COLUMNS = 4
PHASES = 3
MAY_BE_MISSING = (1, 2, 3)
NOT_NEGATIVE = (0, 2, 3)
LARGEST_SAMPLE = 10**12
"""A gigawatt; no electric figure is above it."""
AGED_AT_ONCE_MS = 900_000
"""Of a longer silence nothing is known: it counts as so much."""

# ---------------------------------------------------------------- values


class Phase(Record):
    """One phase, as it was measured."""

    voltage_mv: int
    current_ma: int
    power_mw: int
    reactive_mvar: int


class Sample(Record):
    """What was measured, and what it means. In `watched_ms` the insulation has aged by `aged_ms`."""

    time_ms: int
    temperature_milli: int | None
    high_mv: int | None
    distortion_micro: int | None
    phases: list[Phase]
    power_mw: int
    reactive_mvar: int
    apparent_mva: int
    loading_micro: int
    hot_spot_milli: int | None
    aged_ms: int
    watched_ms: int


class Window(Record):
    """Samples of a span, added up; the squares as text, since they outgrow 64 bits."""

    count: int = 0
    power_mw: int = 0
    reactive_mvar: int = 0
    squares: str = "0"
    peak_mva: int = 0


class Load(Record):
    """What a supply does not say of itself: its mean reactive power, or its power factor; how uneven it was."""

    reactive_mvar: int | None = None
    power_factor_milli: int | None = None
    root_mean_square_mva: int = 0
    peak_mva: int = 0


# ---------------------------------------------------------------- refusals


class BatchSize(Refusal):
    """A batch has 1 to 60 samples."""

    code = "BATCH_SIZE"


class RowInvalid(Refusal):
    """A sample has not the numbers it should have."""

    code = "ROW_INVALID"


class NotInOrder(Refusal):
    """Samples of one batch follow one another in time."""

    code = "NOT_IN_ORDER"


class InFuture(Refusal):
    """A sample is ahead of the ledger's time: the meter's clock is wrong."""

    code = "IN_FUTURE"


# ---------------------------------------------------------------- one sample


def require_samples(rows: list[list[int | None]], latest_ms: int) -> None:
    """Refuses a batch with a sample that is not of its form, out of order, or from the future."""
    if not 1 <= len(rows) <= ROWS_AT_ONCE:
        raise BatchSize(f"a batch has 1 to {ROWS_AT_ONCE} samples, not {len(rows)}")
    last_ms = 0
    for row in rows:
        phases, rest = divmod(len(row) - FIXED_COLUMNS, PHASE_COLUMNS)
        if rest or not 1 <= phases <= PHASES:
            raise RowInvalid("a sample has four numbers, and four more for each of one to three phases")
        for at, number in enumerate(row):
            if number is None:
                if at not in MAY_BE_MISSING:
                    raise RowInvalid("only temperature, high voltage and distortion may be missing")
            elif at and not -LARGEST_SAMPLE <= number <= LARGEST_SAMPLE:
                raise RowInvalid("a number of a sample is out of range")
            elif number < 0 and (at in NOT_NEGATIVE if at < FIXED_COLUMNS else at % PHASE_COLUMNS < 2):
                raise RowInvalid("voltages, currents and distortion are not below zero")
        time_ms = row[0] or 0
        if time_ms <= last_ms:
            raise NotInOrder("samples of one batch follow one another in time")
        last_ms = time_ms
    if last_ms > latest_ms:
        raise InFuture(f"a sample of {last_ms} is ahead of the ledger's time: set the meter's clock")


def sampled(row: list[int | None], last: Sample | None, rating_va: int, rise_milli: int) -> Sample:
    """A sample and what it means. Apparent power is each phase's own, summed: an uneven load spares no winding."""
    numbers = [number or 0 for number in row]
    phases: list[Phase] = []
    power_mw = reactive_mvar = apparent_mva = 0
    for at in range(FIXED_COLUMNS, len(numbers), PHASE_COLUMNS):
        phase = Phase(
            voltage_mv=numbers[at],
            current_ma=numbers[at + 1],
            power_mw=numbers[at + 2],
            reactive_mvar=numbers[at + 3],
        )
        phases.append(phase)
        power_mw += phase.power_mw
        reactive_mvar += phase.reactive_mvar
        apparent_mva += apparent(phase.power_mw, phase.reactive_mvar)
    loading_micro = loading(apparent_mva, rating_va)
    hot_spot_milli = None if row[1] is None else hot_spot(row[1], rise_milli, loading_micro)
    aged_ms = 0 if last is None else last.aged_ms
    watched_ms = 0 if last is None else last.watched_ms
    if last is not None and hot_spot_milli is not None:
        elapsed_ms = min(numbers[0] - last.time_ms, AGED_AT_ONCE_MS)
        aged_ms += ageing_rate(hot_spot_milli) * elapsed_ms // MICRO
        watched_ms += elapsed_ms
    return Sample(
        time_ms=numbers[0],
        temperature_milli=row[1],
        high_mv=row[2],
        distortion_micro=row[3],
        phases=phases,
        power_mw=power_mw,
        reactive_mvar=reactive_mvar,
        apparent_mva=apparent_mva,
        loading_micro=loading_micro,
        hot_spot_milli=hot_spot_milli,
        aged_ms=aged_ms,
        watched_ms=watched_ms,
    )


# ---------------------------------------------------------------- many


def widened(window: Window, sample: Sample) -> Window:
    return Window(
        count=window.count + 1,
        power_mw=window.power_mw + sample.power_mw,
        reactive_mvar=window.reactive_mvar + sample.reactive_mvar,
        squares=str(int(window.squares) + sample.apparent_mva * sample.apparent_mva),
        peak_mva=max(window.peak_mva, sample.apparent_mva),
    )


def load_of(window: Window) -> Load:
    """What these samples say of their span."""
    return Load(
        reactive_mvar=window.reactive_mvar // window.count,
        root_mean_square_mva=root(int(window.squares) // window.count),
        peak_mva=window.peak_mva,
    )


def apparent_of(power_mw: int, load: Load) -> int:
    if load.reactive_mvar is not None:
        return apparent(power_mw, load.reactive_mvar)
    return apparent_at(power_mw, load.power_factor_milli or 0)
