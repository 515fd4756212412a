"""Whatever is called, in whatever order: units and money are conserved, and a credit has one identifier."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.chaincode.vending_town import (
    COMMUNITY_FLAT,
    UTILITY_FLAT,
    UTILITY_STEPS,
    Home,
    VendingTown,
    audited,
    hash_of,
)

pytestmark = pytest.mark.slow

UNIT_MWH = 100_000
HOMES = 150
REACHED: set[str] = set()


@lru_cache
def the_town() -> VendingTown:
    """One ledger for all examples; each has houses of its own."""
    return VendingTown(houses=0)


class Conservation(RuleBasedStateMachine):
    """Three houses, of two utilities; their meters are modelled beside the ledger."""

    @initialize()
    def begin(self) -> None:
        if len(the_town().homes) > HOMES:
            the_town.cache_clear()
        self.town = the_town()
        self.homes = [self.town.home(tariff) for tariff in (UTILITY_FLAT, UTILITY_STEPS, COMMUNITY_FLAT)]
        self.town.later(minutes=15)
        self.entered = [0, 0, 0]
        self.used = [0, 0, 0]
        self.sent = [0, 0, 0]
        self.taken: list[tuple[Home, dict[str, Any]]] = []
        self.late: list[tuple[Home, str, dict[str, Any]]] = []
        self.waiting = [0, 0, 0]
        for at in range(3):
            self.buy(at, 60_000, True)

    which = st.integers(0, 2)
    energies = st.integers(1, 30).map(lambda units: units * UNIT_MWH) | st.integers(1, 3_000_000)

    def call(self, signer: Any, function: str, contract: str = "prepaid", **arguments: Any) -> Any:
        done = self.town.attempt(signer, contract, function, **arguments)
        if done.succeeded:
            REACHED.add(function)
        return done

    @rule(at=which, amount=st.integers(1, 40_000), request=st.integers(0, 30))
    def reserve(self, at: int, amount: int, request: int) -> None:
        home = self.homes[at]
        asked = {"point": home.point, "amount_minor": amount, "request": f"{request}"}
        self.call(self.homes[0].wallet, "reserve", **asked)

    @rule(at=which, place=st.integers(0, 5))
    def mint(self, at: int, place: int) -> None:
        if reserved := self.credits(self.homes[at], "reserved"):
            credit = reserved[place % len(reserved)]
            clerk = self.town.operator if credit["utility"] == "utility" else self.town.clerk
            where = {name: credit[name] for name in ("pan", "base", "tid")}
            self.call(clerk, "mint", **where, token_hash=hash_of(credit))

    @rule(at=which, place=st.integers(0, 5), told=st.booleans())
    def enter(self, at: int, place: int, told: bool) -> None:
        """The meter takes a token; it tells at once, or later."""
        home = self.homes[at]
        known = [credit for other, credit in self.taken if other is home]
        waiting = [credit for credit in self.credits(home, "minted") if hash_of(credit) not in map(hash_of, known)]
        if waiting:
            credit = waiting[place % len(waiting)]
            self.taken.append((home, credit))
            self.entered[at] += credit["energy_mwh"]
            home.balance_mwh += credit["energy_mwh"]
            self.tell(home, "redeem", home.redemption(credit), told)

    @rule(at=which, to=which, energy=energies, told=st.booleans())
    def share(self, at: int, to: int, energy: int, told: bool) -> None:
        home = self.homes[at]
        if energy <= home.balance_mwh:
            home.balance_mwh -= energy
            home.counter += 1
            self.sent[at] += energy
            self.waiting[at] += energy % UNIT_MWH
            said = {"counter": home.counter, "balance_mwh": home.balance_mwh, "energy_mwh": energy}
            self.tell(home, "debit", {**said, "recipient_pan": self.homes[to].pan}, told)

    @rule(at=which, energy=st.integers(0, 1_000_000))
    def use(self, at: int, energy: int) -> None:
        home = self.homes[at]
        home.balance_mwh -= energy
        home.counter += 1
        self.used[at] += energy
        self.call(home.meter, "report_balance", balance_mwh=home.balance_mwh, counter=home.counter)

    @rule(at=which, energy=energies, interval=st.integers(0, 3), back=st.booleans())
    def settle(self, at: int, energy: int, interval: int, back: bool) -> None:
        row = [self.homes[at].point, interval * 900_000, energy, "settlement"]
        function = "return_units" if back else "claw_back"
        new = self.call(self.town.operator, function, "settlement", rows=[row]).result
        self.waiting[at] += new * (energy if back else -energy)

    @rule(at=which, amount=st.integers(5_000, 60_000), told=st.booleans())
    def buy(self, at: int, amount: int, told: bool) -> None:
        """The whole way of a token, so that there is something to share."""
        asked = {"point": self.homes[at].point, "amount_minor": amount, "request": f"buy/{self.town.now_ms}"}
        self.call(self.homes[0].wallet, "reserve", **asked)
        self.mint(at, 0)
        self.enter(at, 0, told)

    @rule(minutes=st.integers(0, 6))
    def wait(self, minutes: int) -> None:
        self.town.later(minutes=minutes)

    @precondition(lambda self: self.late)
    @rule(place=st.integers(0, 9), keep=st.booleans())
    def arrives(self, place: int, keep: bool) -> None:
        """What was told late comes in any order, and more than once."""
        message = self.late[place % len(self.late)]
        if not keep:
            self.late.remove(message)
        home, function, said = message
        assert self.call(home.meter, function, **said).succeeded

    def tell(self, home: Home, function: str, said: dict[str, Any], told: bool) -> None:
        if told:
            assert self.call(home.meter, function, **said).succeeded
        else:
            self.late.append((home, function, said))

    def credits(self, home: Home, *statuses: str) -> list[dict[str, Any]]:
        found = self.town.ask(self.town.regulator, "prepaid", "credits", point=home.point)
        return [credit for credit in found if not statuses or credit["status"] in statuses]

    @invariant()
    def money_waits_only_for_vends(self) -> None:
        """Money in = money out: what is in escrow is what reservations hold, and nothing is lost in distribution."""
        if hasattr(self, "homes"):
            held = sum(credit["total_minor"] for home in self.homes for credit in self.credits(home, "reserved"))
            assert self.town.has(self.homes[0].wallet)[1] == held

    def teardown(self) -> None:
        if not hasattr(self, "homes"):
            return
        for home, function, said in self.late:
            assert self.call(home.meter, function, **said).succeeded
        for at, home in enumerate(self.homes):
            home.report()
            account = self.town.account(home)["account"]
            made = self.credits(home)
            # meter balance = tokens + transfers in + returns - transfers out - consumption
            assert account["credited_mwh"] == self.entered[at]
            assert account["shared_mwh"] == self.sent[at]
            assert account["consumed_mwh"] == self.used[at]
            assert account["balance_mwh"] == self.entered[at] - self.sent[at] - self.used[at] == home.balance_mwh
            self.lots_hold_the_balance(home)
            returned = [credit for credit in made if credit["kind"] == "return" and not credit["worths"]]
            withheld = sum(credit["withheld_mwh"] for credit in made if credit["status"] != "burned")
            collected = sum(credit["energy_mwh"] for credit in returned)
            assert self.town.account(home)["waiting_mwh"] + collected == self.waiting[at] + withheld
            assert len({(credit["pan"], credit["base"], credit["tid"]) for credit in made}) == len(made)
            assert sum(credit["energy_mwh"] for credit in made if credit["status"] == "redeemed") == self.entered[at]
        self.shares_arrive()

    def lots_hold_the_balance(self, home: Home) -> None:
        found, lots = self.town.account(home), self.town.lots(home)
        assert sum(lot["left_mwh"] for lot in lots) - found["short_mwh"] == found["account"]["balance_mwh"]
        for lot in lots:
            assert 0 <= lot["left_net_minor"] <= lot["worth"]["net_minor"]
            assert 0 <= lot["left_mwh"] <= lot["worth"]["energy_mwh"]

    def shares_arrive(self) -> None:
        """What left a meter has become a credit of another, or of itself, or waits to be returned."""
        for home in self.homes:
            for share in self.town.ask(self.town.regulator, "prepaid", "shares", point=home.point):
                made = {credit["number"]: credit for other in self.homes for credit in self.credits(other)}
                if share["credit"]:
                    credit = made[share["credit"]]
                    assert credit["units"] == share["units"] == share["energy_mwh"] // UNIT_MWH
                    assert sum(worth["energy_mwh"] for worth in credit["worths"]) == credit["energy_mwh"]


@pytest.mark.timeout(300)
def test_units_and_money_are_conserved_whatever_is_called() -> None:
    """Meter balance = tokens + transfers in + returns - transfers out - consumption; money in = money out; one credit
    one TID: with reports late, doubled and out of order. Every movement took effect at least once."""
    REACHED.clear()
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Conservation, settings=settings(max_examples=20, stateful_step_count=40, deadline=None, derandomize=True)
    )
    audited(the_town())
    assert {"reserve", "mint", "redeem", "debit", "report_balance", "return_units", "claw_back"} <= REACHED
