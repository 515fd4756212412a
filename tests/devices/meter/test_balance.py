"""Whatever happens in whatever order: meter balance = tokens + in + returns - out - sum of I - cleared."""

from __future__ import annotations

from typing import Any

from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from devices.meter.events import (
    BlockSupply,
    ClockSynced,
    CloseAccount,
    EnterToken,
    PowerLost,
    PowerRestored,
    ShareUnits,
    Tampered,
)
from devices.meter.records import restored
from ledgernode.sts.pan import check_digit
from tests.devices.meter.house import OTHER_PAN, House, PowerCut

UNIT_MWH = 100_000


class Life(RuleBasedStateMachine):
    """A meter beside a plain sum; the power may go at any event, and everything may come twice."""

    @initialize()
    def begin(self) -> None:
        self.house = House(ring=12, batch_rows=4)
        self.house.set_pin()
        self.tokens: list[tuple[str, int]] = []
        self.taken: set[str] = set()
        self.shares: dict[int, int] = {}
        self.sent = self.used = self.cleared = 0
        self.command = 100
        self.signed: dict[tuple[str, int], Any] = {}

    def attempt(self, cut: str, act: Any) -> bool:
        """Whether the event happened: it has where its records were written."""
        before = self.house.state
        self.house.cut = cut
        try:
            act()
        except PowerCut:
            happened = restored(self.house.disk) != before
            self.house.restart()
            return cut == "after" and happened
        finally:
            self.house.cut = ""
        return True

    cuts = st.sampled_from(["", "", "", "before", "after"])

    @rule(units=st.integers(1, 400))
    def mint(self, units: int) -> None:
        self.tokens.append((self.house.credit_token(units), units))

    @rule(place=st.integers(0, 9), how=st.sampled_from(["keypad", "wire", "command"]), cut=cuts)
    def enter(self, place: int, how: str, cut: str) -> None:
        """A token, perhaps one that was taken."""
        if not self.tokens:
            return
        digits, _ = self.tokens[place % len(self.tokens)]
        before = self.house.state.credit.credited_mwh
        if how == "keypad":
            self.house.keys("*")
            self.house.keys(digits)
            self.attempt(cut, lambda: self.house.keys("#"))
            self.house.keys("*")
        elif how == "wire":
            self.attempt(cut, lambda: self.house.wire(digits))
        else:
            self.command += 1
            self.attempt(cut, lambda: self.house.command(self.command, EnterToken(digits)))
        if self.house.state.credit.credited_mwh > before:
            assert digits not in self.taken
            self.taken.add(digits)

    @rule(energy=st.integers(0, 9_000_000), cut=cuts)
    def use(self, energy: int, cut: str) -> None:
        if self.attempt(cut, lambda: self.house.use(energy)):
            self.used += energy

    @rule(tenths=st.integers(1, 300), cut=cuts)
    def share(self, tenths: int, cut: str) -> None:
        """At the keypad, offline or with nobody who answers."""
        before = self.house.state.credit.sent_mwh
        self.house.keys("**")
        self.house.keys(f"#1{OTHER_PAN}#{tenths}#")
        if self.house.meter.session.page == "share_asking":
            self.house.wait(8_000)
        if self.house.meter.session.page == "share_unverified":
            self.house.keys("#1234")
            self.attempt(cut, lambda: self.house.keys("#"))
        self.house.wait(30_000)
        moved = self.house.state.credit.sent_mwh - before
        assert moved in (0, tenths * UNIT_MWH)
        self.sent += moved

    @rule(units=st.integers(1, 300), number=st.integers(1, 6), cut=cuts)
    def share_for_the_web(self, units: int, number: int, cut: str) -> None:
        """The same number may come again: it is carried out once."""
        before = self.house.state.credit.sent_mwh
        energy_mwh = self.shares.setdefault(number, units * UNIT_MWH)
        asked = ShareUnits(number, OTHER_PAN, energy_mwh, self.house.now_ms + 60_000)
        self.attempt(cut, lambda: self.house.command(number, asked))
        moved = self.house.state.credit.sent_mwh - before
        assert moved in (0, energy_mwh)
        self.sent += moved
        if moved:
            said = [each for each in self.house.told("debit") if each["share"] == number]
            assert len(said) <= 1

    @rule(cut=cuts)
    def close(self, cut: str) -> None:
        self.command += 1
        before = self.house.state.credit.cleared_mwh
        self.attempt(cut, lambda: self.house.command(self.command, CloseAccount()))
        self.cleared += self.house.state.credit.cleared_mwh - before

    @rule(
        kind=st.sampled_from(["lost", "back", "up", "down", "cover", "clock", "block", "free", "restart", "receipts"])
    )
    def something(self, kind: str) -> None:
        house = self.house
        self.command += 1
        match kind:
            case "lost":
                house.do(PowerLost(house.now_ms))
            case "back":
                house.do(PowerRestored(house.now_ms))
            case "up" | "down":
                house.link(up=kind == "up")
            case "cover":
                house.do(Tampered(house.now_ms, "cover"))
            case "clock":
                house.do(ClockSynced(house.now_ms, house.now_ms + 40_000))
            case "block" | "free":
                house.command(self.command, BlockSupply(kind == "block"))
            case "restart":
                house.restart()
            case "receipts":
                house.receipt_all()

    @rule(ms=st.integers(1, 400_000))
    def wait(self, ms: int) -> None:
        self.house.wait(ms)

    @invariant()
    def accounted(self) -> None:
        if not hasattr(self, "house"):
            return
        units = dict(self.tokens)
        came = sum(units[digits] for digits in self.taken) * UNIT_MWH
        state = self.house.state
        assert state.credit.balance_mwh == came - self.sent - self.used - self.cleared
        assert restored(self.house.disk) == state
        assert len(state.readings) <= 12
        if state.credit.balance_mwh <= 0:
            assert not self.house.relays["supply"]

    @invariant()
    def signed_once(self) -> None:
        """No number is ever signed for two contents, and numbers of balances rise."""
        if hasattr(self, "house"):
            for outgoing in self.house.sendings:
                known = self.signed.setdefault((outgoing.key, outgoing.sequence), outgoing)
                assert known == outgoing
            self.house.sendings.clear()


def test_the_balance_is_what_came_less_what_went() -> None:
    """Random orders with crashes and duplicates."""
    run_state_machine_as_test(Life, settings=examples(max_examples=60, stateful_step_count=40, deadline=None))


def test_the_recipient_of_these_tests_is_a_meter() -> None:
    assert check_digit(OTHER_PAN[:-1]) == OTHER_PAN[-1]
