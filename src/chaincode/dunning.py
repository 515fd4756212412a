"""Dunning: what becomes of an invoice that nobody pays, by timer and by the utility's rules.

    stage   so many days after the due date, and its name; the first one makes the invoice overdue and costs a fee

A late fee is an invoice of its own: one that stands is never edited. Fees bear no fee. What is disputed rests,
and begins again with a new due date. A stage is a word for people and other systems to act on: nothing is switched
off here, since that takes two people.
"""

from chaincode.api import Context, Record, Refusal
from chaincode.calendar import DAY_MS
from chaincode.dated import dated_at
from chaincode.ledgers import Standing, keep, open_of
from chaincode.units import LARGEST, MICRO, rate_times_amount
from chaincode.vended import Line

STAGES = 12
DAYS_LIMIT = 366
STAGE_CHARACTERS = 40


class Rules(Record):
    """Under `rules`, utility, time. `dunning`: (days after the due date, stage), rising; `run_day`: of the local month.

    A house whose days are not settled is tried again for `wait_days` after a run began, then left to the next one.
    """

    due_days: int = 14
    late_fee_minor: int = 0
    late_rate_micro: int = 0
    dunning: tuple[tuple[int, str], ...] = ((0, "overdue"), (14, "reminded"), (28, "final_notice"))
    run_day: int = 1
    wait_days: int = 5


class RulesInvalid(Refusal):
    """The rules contradict themselves, or lie outside the limits."""

    code = "RULES_INVALID"


def check_rules(rules: Rules) -> None:
    """Refuses stages that do not rise, and numbers out of range."""
    days = [day for day, _ in rules.dunning]
    rising = all(days[place] < days[place + 1] for place in range(len(days) - 1))
    if len(days) > STAGES or not rising or not all(0 <= day <= DAYS_LIMIT for day in days):
        raise RulesInvalid(f"at most {STAGES} stages, each later than the one before, within {DAYS_LIMIT} days")
    if not all(0 < len(stage) <= STAGE_CHARACTERS for _, stage in rules.dunning):
        raise RulesInvalid(f"a stage has a name of 1 to {STAGE_CHARACTERS} characters")
    if not 0 <= rules.due_days <= DAYS_LIMIT or not 1 <= rules.run_day <= 28 or not 0 <= rules.wait_days <= 28:
        raise RulesInvalid(f"due within {DAYS_LIMIT} days, run on day 1 to 28, wait for 0 to 28 days")
    if not 0 <= rules.late_fee_minor <= LARGEST or not 0 <= rules.late_rate_micro <= MICRO:
        raise RulesInvalid("a late fee is not below zero, a late rate 0 to 1,000,000 micro")


def rules_at(ctx: Context, utility: str, at_ms: int) -> Rules:
    found: Rules | None = dated_at(ctx, "rules", utility, at_ms, Rules)
    return Rules() if found is None else found


def watched(ctx: Context, standing: Standing, rules: Rules) -> None:
    """Set the timer of the next stage, if there is one and something is open."""
    if standing.stages < len(rules.dunning) and open_of(standing) > 0:
        due_ms = standing.due_ms + rules.dunning[standing.stages][0] * DAY_MS
        ctx.schedule("dun/" + standing.id, due_ms, "dun", invoice=standing.id)


def advanced(ctx: Context, standing: Standing, rules: Rules) -> Standing:
    """Put an open invoice into its next stage."""
    stage = rules.dunning[standing.stages][1]
    after = standing.replace(stage=stage, stages=standing.stages + 1, overdue=True)
    keep(ctx, after)
    if not standing.overdue:
        ctx.emit("InvoiceOverdue", invoice=after.id, customer=after.customer, open_minor=open_of(after))
    ctx.emit("DunningChanged", invoice=after.id, customer=after.customer, stage=stage)
    watched(ctx, after, rules)
    return after


def fee_lines(rules: Rules, open_minor: int, digits: int) -> list[Line]:
    """What being late costs: an amount, and a rate of what is open."""
    made: list[Line] = []
    if rules.late_fee_minor:
        made.append(fee_line("fee", 1, "times", 0, (rules.late_fee_minor, 0)))
    if rules.late_rate_micro:
        rated = rate_times_amount(rules.late_rate_micro, open_minor, digits)
        made.append(fee_line("rate", open_minor, "minor", rules.late_rate_micro, rated))
    return made


def fee_line(name: str, quantity: int, unit: str, price_micro: int, amount: tuple[int, int]) -> Line:
    return Line(
        kind="late_fee",
        name=name,
        quantity=quantity,
        unit=unit,
        price_micro=price_micro,
        amount_minor=amount[0],
        remainder_pico=amount[1],
    )
