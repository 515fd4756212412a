"""A small town for the tests of the energy contracts: utility `utility`, a feeder, houses with meters and wallets."""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

from chaincode.calendar import CENTRAL_EUROPE
from ledgernode.execution.sandbox.package import pack
from ledgernode.store.kv import KeyValueStore
from ledgernode.testing import Committed, Member, TestLedger
from ledgernode.wire.parameters import Parameters

CONTRACTS = Path(__file__).parent.parent.parent / "src" / "chaincode"
INTERVAL_MS = 900_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
KWH = 1_000_000
PRICES_DIGITS = 4
AREA = "utility:area-1"
FEEDER = "utility:feeder-1"
TRANSFORMER = "utility:transformer-1"
RATING_W = 10_000


@lru_cache
def package(contract: str) -> bytes:
    return pack(CONTRACTS / f"{contract}.py")


class House:
    """One house: its ids, its meter and its customer's wallet."""

    def __init__(self, name: str, meter: Member, wallet: Member) -> None:
        self.name = name
        self.premises = f"utility:{name}"
        self.point = f"utility:{name}"
        self.customer = f"utility:{name}"
        self.meter = meter
        self.wallet = wallet


class Town:
    """A ledger with these contracts, and two people of the utility; nothing is built yet."""

    def __init__(
        self, *contracts: str, parameters: Parameters | None = None, store: KeyValueStore | None = None
    ) -> None:
        if store is None:  # founded once, and copied for each test
            vars(self).update(vars(deepcopy(_founded(contracts, parameters))))
        else:
            self._found(contracts, parameters, store)

    def _found(
        self, contracts: tuple[str, ...], parameters: Parameters | None, store: KeyValueStore | None = None
    ) -> None:
        self.ledger = TestLedger(parameters=parameters, store=store)
        for contract in ("registry", *contracts):
            self.ledger.deploy(package(contract), folder=CONTRACTS)
        self.admin = self.ledger.admin("utility")
        self.operator = self.ledger.identity("operator", role="operator", organisation="utility")
        self.regulator = self.ledger.identity("watch", role="regulator", organisation="regulator")
        self.stranger = self.ledger.identity("stranger", organisation="community")
        self.houses: list[House] = []
        self.ok(self.admin, "registry", "establish", interval_ms=INTERVAL_MS, digits=PRICES_DIGITS)
        self.treasury = self.ledger.identity("treasury", role="operator", organisation="utility")
        self.taxes = self.ledger.identity("taxes", role="operator", organisation="utility")
        self.levies = self.ledger.identity("levies", role="operator", organisation="utility")
        self.enlist(self.admin, self.treasury, self.taxes, self.levies)

    def enlist(self, admin: Member, treasury: Member, taxes: Member, levies: Member) -> None:
        accounts = {"treasury": treasury.id, "tax_account": taxes.id, "levy_account": levies.id}
        self.ok(admin, "registry", "enlist", zone=plain_zone(), **accounts)

    def build(self, houses: int = 0, **arguments: Any) -> list[House]:
        """An area with one feeder, and houses on it."""
        self.ok(self.operator, "registry", "add_area", id=AREA)
        voltages = {"rating_va": 12_500, "low_mv": 230_000, "high_mv": 11_000_000}
        self.ok(self.operator, "registry", "add_transformer", id=TRANSFORMER, **voltages)
        self.ok(self.operator, "registry", "add_feeder", id=FEEDER, transformer=TRANSFORMER, area=AREA)
        return self.settle_in(*(f"house-{number}" for number in range(1, houses + 1)), **arguments)

    def settle_in(self, *names: str, feeder: str = FEEDER, **arguments: Any) -> list[House]:
        """More houses on a feeder, each with a meter and a wallet of its own."""
        houses = [House(name, self.meter(f"meter-{name}"), self.ledger.identity(f"wallet-{name}")) for name in names]
        rows = [
            {
                "premises": house.premises,
                "point": house.point,
                "customer": house.customer,
                "wallet": house.wallet.id,
                "meter": {"id": house.meter.id},
            }
            for house in houses
        ]
        alike = {"import_rating_w": RATING_W, "export_rating_w": RATING_W, **arguments}
        if rows:
            self.ok(self.operator, "registry", "add_houses", feeder=feeder, houses=rows, **alike)
        self.houses += houses
        return houses

    def meter(self, name: str) -> Member:
        return self.ledger.identity(name, role="meter", organisation="utility")

    # ------------------------------------------------------------ calling

    def ok(self, signer: Member, contract: str, function: str, **arguments: Any) -> Any:
        return self.ledger.submit(signer, contract, function, **arguments).result

    def attempt(self, signer: Member, contract: str, function: str, **arguments: Any) -> Committed:
        return self.ledger.attempt(signer, contract, function, **arguments)

    def code(self, signer: Member, contract: str, function: str, **arguments: Any) -> str:
        """The receipt's code, without the contract's name."""
        return self.attempt(signer, contract, function, **arguments).code.rpartition(".")[2]

    def ask(self, signer: Member, contract: str, function: str, **arguments: Any) -> Any:
        return self.ledger.query(signer, contract, function, **arguments)

    def two(self, contract: str, function: str, **arguments: Any) -> Any:
        """Proposed by the operator, approved by the admin."""
        proposal = self.ok(self.operator, contract, function, **arguments)
        return self.ok(self.admin, contract, "approve", proposal=proposal)

    # ------------------------------------------------------------ time

    @property
    def now_ms(self) -> int:
        return self.ledger.time_ms

    @property
    def boundary_ms(self) -> int:
        """The next interval boundary; the present one if time stands on it."""
        return -(-self.now_ms // INTERVAL_MS) * INTERVAL_MS

    def to_boundary(self) -> int:
        """Move the clock to the next boundary; answers it."""
        self.ledger.advance(ms=self.boundary_ms - self.now_ms)
        return self.now_ms


@lru_cache(16)
def _founded(contracts: tuple[str, ...], parameters: Parameters | None) -> Town:
    town = object.__new__(Town)
    town._found(contracts, parameters)
    return town


def plain_zone() -> dict[str, Any]:
    """Central Europe, as JSON."""
    begins, ends = CENTRAL_EUROPE.begins, CENTRAL_EUROPE.ends
    assert begins is not None
    assert ends is not None
    changes = [
        {name: getattr(change, name) for name in ("month", "week", "weekday", "minute", "utc")}
        for change in (begins, ends)
    ]
    return {
        "name": CENTRAL_EUROPE.name,
        "standard_minutes": CENTRAL_EUROPE.standard_minutes,
        "summer_minutes": CENTRAL_EUROPE.summer_minutes,
        "begins": changes[0],
        "ends": changes[1],
    }
