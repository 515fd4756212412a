"""A meter, a gateway and a node, each a process of its own: whatever is killed, readings arrive in order, once."""

from __future__ import annotations

import json
import random
import time
from itertools import pairwise
from pathlib import Path

import pytest

from ledgernode.client import Ledger
from ledgernode.identity.founding import organisation_directory
from ledgernode.identity.key_file import load_key
from tests.cli.command_line import done
from tests.conditions import until
from tests.devices.running import MeterRunning, commissioned, credit_token
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.running import NodeProcess, Person

pytestmark = pytest.mark.slow


class Books:
    """What stands on the ledger of one meter."""

    def __init__(self, node: NodeProcess, person: Person) -> None:
        self._node = node
        self._person = person

    def _ask(self, ledger: Ledger, contract: str, function: str) -> list[list[int]]:
        answer = ledger.evaluate(
            contract, function, {"meter": self._person.signer.identity.hex()}, signer=self._node.network.admin.signer
        )
        found: list[list[int]] = json.loads(answer.result)
        return found

    @property
    def rows(self) -> list[list[int]]:
        with self._node.ledger() as ledger:
            return self._ask(ledger, "metering", "rows")

    @property
    def told(self) -> list[list[int]]:
        with self._node.ledger() as ledger:
            return self._ask(ledger, "prepaid", "told")

    def whole(self, count: int) -> list[list[int]]:
        """So many rows and more; in order, each number once, registers that only grow."""
        found: list[list[int]] = until(lambda: rows if len(rows := self.rows) >= count else None, 45.0)
        assert [row[0] for row in found] == list(range(len(found)))
        assert [row[1] for row in found] == sorted({row[1] for row in found})
        assert [row[2] for row in found] == sorted(row[2] for row in found)
        return found


@pytest.fixture
def books(meter_node: NodeProcess, meter_person: Person) -> Books:
    return Books(meter_node, meter_person)


def test_what_is_sampled_stands_in_a_block(
    meter_node: NodeProcess, meter_gateway: GatewayProcess, meter_person: Person, books: Books
) -> None:
    """From codes of a converter to rows of the ledger; a token closes the relay, energy opens it again at zero."""
    home = commissioned(meter_node.network, meter_person)
    with MeterRunning(home, [meter_gateway.endpoint], load_w=2_000) as meter:
        meter.when(lambda: meter.gateway)
        assert not meter.supplied
        meter.do(credit_token(1_000, 1) + "#")
        meter.shows("TOKEN ACCEPTED")
        meter.when(lambda: meter.supplied)
        rows = books.whole(4)
        assert rows[-1][2] > 0
        watts, millivolts = rows[-1][7] / 1_000, rows[-1][5]
        assert watts == pytest.approx(2_000, rel=0.02)
        assert millivolts == pytest.approx(230_000, rel=0.02)
        until(lambda: [one for one in books.told if str(one[0]).startswith("redeem")])
        assert meter.terminate() == 0


def test_a_meter_goes_on_under_its_identity_with_a_new_key(
    meter_node: NodeProcess, meter_gateway: GatewayProcess, meter_person: Person, books: Books
) -> None:
    """Its organisation certifies the next key, the ledger is told while the meter runs, and the meter is started anew
    with it: numbers and registers go on, under the same identity."""
    home, network = commissioned(meter_node.network, meter_person), meter_node.network
    identity = meter_person.signer.identity.hex()
    with MeterRunning(home, [meter_gateway.endpoint]) as meter:
        before = len(books.whole(2))
        authority = organisation_directory(network.directory, "north")
        at = ("--genesis", network.directory / "genesis.json", "--endpoint", meter_node.endpoint)
        told = done("identity", "rotate", "--identity", home, "--org", authority, *at, "--json").document
        assert (told["rotated"], told["id"]) == (True, identity)
        assert load_key(home / "key.pem").public_key != meter_person.key.public_key
        assert meter.terminate() == 0
        facts = json.loads((home / "meter.json").read_text())
        (home / "meter.json").write_text(json.dumps(facts | {"identity": identity}))
        meter.start()
        books.whole(before + 3)
        assert meter.terminate() == 0


@pytest.mark.parametrize("seed", [7, 8, 9, 10])
def test_killed_at_any_moment_no_reading_is_lost_or_doubled(
    meter_node: NodeProcess, meter_gateway: GatewayProcess, meter_person: Person, books: Books, seed: int
) -> None:
    """SIGKILL twenty times in all, at random; what was shown of tokens stays, what was used is counted once."""
    home = commissioned(meter_node.network, meter_person)
    chance = random.Random(seed)
    with MeterRunning(home, [meter_gateway.endpoint], load_w=1_000) as meter:
        meter.do(credit_token(2_000, 1_000) + "#")
        meter.shows("TOKEN ACCEPTED")
        for _ in range(5):
            time.sleep(chance.uniform(0.0, 0.4))
            meter.kill()
            meter.start()
            assert not meter.last("alarm", kind="TRANSACTION_REFUSED")
        meter.when(lambda: meter.gateway)
        reached = len(books.rows)
        books.whole(reached + 2)
        redeems = until(lambda: [one for one in books.told if str(one[0]).startswith("redeem")])
        assert len(redeems) == 1
        meter.do(credit_token(2_000, 1_000) + "#")
        meter.shows("TOKEN USED")


def test_what_was_read_while_the_link_was_down_arrives_in_order_once(
    meter_node: NodeProcess, meter_person: Person, books: Books, tmp_path: Path
) -> None:
    """Metering, tokens and the display go on; then all of it, whichever gateway brings it."""
    home = commissioned(meter_node.network, meter_person)
    first = gateway_identity(meter_node.network, "offline-1")
    network, nodes = meter_node.network, [meter_node.endpoint]
    with (
        GatewayProcess(network, nodes, tmp_path / "first", first) as near,
        MeterRunning(home, [near.endpoint, near.endpoint], load_w=500) as meter,
    ):
        meter.when(lambda: meter.gateway)
        books.whole(1)
        near.kill()
        meter.when(lambda: not meter.gateway)
        meter.do(credit_token(3_000, 50) + "#")
        meter.shows("TOKEN ACCEPTED")
        reached = len(books.rows)
        time.sleep(4.0)
        assert len(books.rows) == reached
        near.start()
        rows = books.whole(reached + 4)
        gaps = [late[1] - early[1] for early, late in pairwise(rows)]
        assert max(gaps) < 3_000, "readings were taken all the time"
        until(lambda: [one for one in books.told if str(one[0]).startswith("redeem")])


def test_the_next_gateway_takes_over_when_one_fails(
    meter_node: NodeProcess, meter_gateway: GatewayProcess, meter_person: Person, books: Books, tmp_path: Path
) -> None:
    """000-12: a second bearer. What the first had not passed on, the second brings; nothing comes twice."""
    home = commissioned(meter_node.network, meter_person)
    identity = gateway_identity(meter_node.network, "bearer-1")
    with (
        GatewayProcess(meter_node.network, [meter_node.endpoint], tmp_path / "wifi", identity) as wifi,
        MeterRunning(home, [wifi.endpoint, meter_gateway.endpoint], load_w=500) as meter,
    ):
        meter.when(lambda: meter.gateway == wifi.endpoint)
        books.whole(1)
        wifi.kill()
        meter.when(lambda: meter.gateway == meter_gateway.endpoint)
        reached = len(books.rows)
        books.whole(reached + 3)


def test_the_unit_goes_on_by_its_battery_when_the_mains_fail(
    meter_node: NodeProcess, meter_gateway: GatewayProcess, meter_person: Person, books: Books
) -> None:
    """000-12: it shows, takes tokens and reports; nothing is consumed meanwhile."""
    home = commissioned(meter_node.network, meter_person)
    with MeterRunning(home, [meter_gateway.endpoint], load_w=2_000) as meter:
        meter.when(lambda: meter.gateway)
        meter.do("mains off")
        meter.shows("NO MAINS")
        meter.do(credit_token(4_000, 10) + "#")
        meter.shows("TOKEN ACCEPTED")
        rows = books.whole(len(books.rows) + 2)
        assert rows[-1][2] == 0
        assert not meter.supplied
        meter.do("*")
        meter.do("mains on")
        meter.shows("POWER IS BACK")
