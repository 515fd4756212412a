"""One utility's records never reach another's validators, though both share a market and a regulator.

Three node processes. Each utility keeps what concerns its customers on a ledger of its own with the regulator, and both
trade on a third. After a story through all three, every byte that each process has written is searched for the numbers
and names of the others: databases with their free pages, snapshots, logs.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from ledgernode.client import Ledger
from ledgernode.errors import LedgerError, UnknownLedger
from ledgernode.identity.home import tls_directory
from ledgernode.identity.records import Role
from ledgernode.identity.tls import channel_credentials, load_tls
from ledgernode.wire.answers import Outcome
from tests.conditions import until
from tests.running import NOTEBOOK, deploy, notes
from tests.several import Organisations

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NORTH, SOUTH, MARKET = "north-retail", "south-retail", "market"
QUICK = {"first_target_bits": 10, "interval_ms": 100, "depth_blocks": 2}
SEATS = {"north-retail": ["north"], "south-retail": ["south"], "market": ["regulator"]}
"""One miner each, which the other nodes follow: consensus is not the matter here."""
MEMBERS = {
    NORTH: ("north", "regulator"),
    SOUTH: ("south", "regulator"),
    MARKET: ("north", "south", "regulator"),
}


class Told:
    """What was written to one ledger: a name and a number that stand nowhere else, and the transactions' own ids."""

    def __init__(self) -> None:
        self.meter = f"meter-{secrets.token_hex(8)}"
        self.register_mwh = 10**17 + secrets.randbelow(10**17)
        self.outcomes: list[Outcome] = []

    @property
    def marks(self) -> dict[str, bytes]:
        found = {"the meter": self.meter.encode(), "its register": str(self.register_mwh).encode()}
        return found | {f"transaction {at}": bytes(one.transaction_id) for at, one in enumerate(self.outcomes)}


class _Deployable:
    """What `deploy` needs to know of a ledger."""

    def __init__(self, place: Organisations, ledger: str) -> None:
        self.admins = [place.person(member, ledger) for member in MEMBERS[ledger]]
        self.admin = self.admins[0]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organisations]:
    found = Organisations(
        tmp_path_factory.mktemp("privacy"),
        ("north", "south", "regulator"),
        log_level="debug",
        snapshot_every_blocks=4,
    )
    for ledger, members in MEMBERS.items():
        found.found(ledger, members, engine="pow", validators=SEATS[ledger], options=QUICK)
    for name in found.names:
        found.join(name, *(ledger for ledger, members in MEMBERS.items() if name in members))
    found.start()
    yield found
    found.close()


@pytest.fixture(scope="module")
def told(place: Organisations) -> dict[str, Told]:
    """The story, on all three at the same time."""
    with ThreadPoolExecutor(len(MEMBERS)) as together:
        return dict(zip(MEMBERS, together.map(lambda ledger: _story(place, ledger), MEMBERS), strict=True))


def _story(place: Organisations, ledger: str) -> Told:
    """Its first member records what is its own; every node of the ledger has it when this returns."""
    one, members = Told(), MEMBERS[ledger]
    signer = place.person(members[0], ledger).signer
    with place.ledger(members[0], ledger) as connected:
        deploy(connected, _Deployable(place, ledger), NOTEBOOK)  # type: ignore[arg-type]
        sent = notes(signer, [f"{one.meter}-{at}" for at in range(3)], text=f"import {one.register_mwh} mWh")
        one.outcomes += connected.submit_many(sent)
    assert all(outcome.succeeded for outcome in one.outcomes)
    last = max(outcome.height for outcome in one.outcomes)
    for member in members:
        until(partial(_reaches, place, member, ledger, last), 60)
    return one


def _reaches(place: Organisations, member: str, ledger: str, height: int) -> bool:
    return _height(place, member, ledger) >= height


def _height(place: Organisations, member: str, ledger: str) -> int:
    try:
        with place.ledger(member, ledger) as connected:
            return int(connected.facts().height)
    except LedgerError:
        return -1


def written(home: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file of a node, and the name of each."""
    for path in sorted(home.rglob("*")):
        if path.is_file():
            yield path, str(path.relative_to(home)).encode() + b"\0" + path.read_bytes()


def test_the_other_utility_asks_in_vain_wherever_it_asks(place: Organisations, told: dict[str, Told]) -> None:
    """At the node of the utility and at the regulator's: by admins, regulators of its own making, and its validator."""
    inspector = place.newcomer("south", "inspector", Role.REGULATOR)
    for who in (place.admin_folder("south"), inspector, tls_directory(place.home("south"))):
        for at in ("north", "regulator"):
            credentials = channel_credentials(load_tls(who))
            with Ledger([place.endpoints[at]], NORTH, credentials) as connected:
                with pytest.raises(UnknownLedger):
                    connected.facts()
                with pytest.raises(UnknownLedger):
                    next(iter(connected.blocks(1)))
                with pytest.raises(UnknownLedger):
                    connected.transaction(told[NORTH].outcomes[0].transaction_id)


def test_nothing_of_one_utility_is_on_the_disk_of_the_other(place: Organisations, told: dict[str, Told]) -> None:
    """Whatever the process wrote, while it ran and as it ended; the same search finds it where it belongs."""
    for node in place.nodes.values():
        node.terminate()
    mine = {"north": NORTH, "south": SOUTH}
    for owner, ledger in mine.items():
        other = "south" if owner == "north" else "north"
        for path, raw in written(place.home(other)):
            found = [mark for mark, text in told[ledger].marks.items() if text in raw]
            assert not found, f"{path} of {other} holds {found} of {owner}"
        assert not [path for path, raw in written(place.home(other)) if ledger.encode() in raw]
        for holder in (owner, "regulator"):
            whole = b"".join(raw for _, raw in written(place.home(holder)))
            missing = [mark for mark, text in told[ledger].marks.items() if text not in whole]
            assert not missing, f"the search finds nothing even at {holder}: {missing}"
    for holder in place.names:
        whole = b"".join(raw for _, raw in written(place.home(holder)))
        assert all(text in whole for text in told[MARKET].marks.values()), f"the market is not at {holder}"
