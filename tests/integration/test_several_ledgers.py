"""Several ledgers behind one node process: taken up and given up while it runs, each standing and falling by itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ledgernode.errors import LedgerError, UnknownLedger
from ledgernode.identity.home import LedgerLimits, NodeConfig, data_directory, genesis_path, tls_directory
from ledgernode.identity.tls import is_under, load_tls
from tests.conditions import until
from tests.several import Organisations, node_command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RETAIL, MARKET, SMALL = "north-retail", "market", "small"
"""`small` has a database that is soon full."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organisations]:
    small = {SMALL: LedgerLimits(store_bytes=2 * 1024 * 1024)}
    found = Organisations(tmp_path_factory.mktemp("several"), ("north", "south"), observe="127.0.0.1:0", limits=small)
    found.found(RETAIL, ("north",))
    found.found(MARKET, ("north", "south"))
    found.found(SMALL, ("north",))
    found.join("north", RETAIL)
    found.start("north")
    yield found
    found.close()


def remark(place: Organisations, ledger: str, text: str = "x") -> Any:
    """Something that is committed on any ledger, by an admin of north."""
    signer = place.person("north", ledger).signer
    return signer.transaction("identity", "suspend", {"identity": "0" * 64, "reason": text}, budget=20_000)


def commit(place: Organisations, ledger: str, text: str = "x") -> int:
    with place.ledger("north", ledger) as connected:
        return int(connected.submit_signed(remark(place, ledger, text), raise_refused=False).height)


def takes_more(place: Organisations, ledger: str) -> bool:
    """Does it commit as much as a megabyte?"""
    try:
        with place.ledger("north", ledger) as connected:
            many = [remark(place, ledger, "x" * 20_000 + str(number)) for number in range(50)]
            return all(outcome.height for outcome in connected.submit_many(many))
    except LedgerError:
        return False


def served(place: Organisations) -> list[str]:
    with place.operator("north") as operator:
        return [ledger.ledger for ledger in operator.status().ledgers]


def command(*arguments: object) -> Any:
    ended = subprocess.run([*node_command(*arguments), "--json"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def join(place: Organisations, ledger: str) -> None:
    """As an operator does it."""
    genesis = place.directory / f"{ledger}.genesis.json"
    accepted: list[object] = []
    for number, raw in enumerate(place.ledgers[ledger].acceptances):
        path = place.directory / f"{ledger}.{number}.acceptance.json"
        path.write_bytes(raw)
        accepted += ["--acceptance", path]
    command("join", place.home("north"), genesis, *accepted)


def asked(place: Organisations, address: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{place.nodes['north'].observe_port}{address}", timeout=20)


def test_a_running_node_takes_up_a_ledger_and_gives_it_up(place: Organisations) -> None:
    """By the commands that change its file; the ledger that was there before is served all the while."""
    assert commit(place, RETAIL) == 1
    join(place, MARKET)
    until(lambda: served(place) == [MARKET, RETAIL])
    assert (commit(place, MARKET), commit(place, RETAIL)) == (1, 2)
    with place.ledger("south", MARKET, at="north") as south:
        assert south.facts().height >= 1
    listed = command("list", place.home("north"))["ledgers"]
    process = place.nodes["north"].process.pid
    assert [(one["ledger"], one["serves"], one["process"]) for one in listed] == [
        (RETAIL, True, process),
        (MARKET, True, process),
    ]
    command("drop", place.home("north"), MARKET)
    until(lambda: served(place) == [RETAIL])
    with place.ledger("north", MARKET) as gone, pytest.raises(UnknownLedger):
        gone.facts()
    assert commit(place, RETAIL) == 3
    listed = {one["ledger"]: one for one in command("list", place.home("north"))["ledgers"]}
    assert (listed[MARKET]["serves"], listed[RETAIL]["serves"]) == (False, True)
    until(lambda: command("list", place.home("north"))["ledgers"][1]["process"] is None)


def test_what_was_given_up_is_taken_up_where_it_was_left(place: Organisations) -> None:
    """Its data stays; who was let in for its sake alone is let in again."""
    home = place.home("north")
    south = load_tls(place.admin_folder("south")).certificate
    assert not is_under(south, load_tls(tls_directory(home)).roots)
    join(place, MARKET)
    until(lambda: served(place) == [MARKET, RETAIL])
    assert is_under(south, load_tls(tls_directory(home)).roots)
    assert commit(place, MARKET) == 2


def test_what_is_erased_is_gone_once_the_node_has_closed_it(place: Organisations) -> None:
    """Not a moment before; and then the same ledger can be begun anew."""
    home = place.home("north")
    command("drop", home, MARKET, "--erase")
    assert not genesis_path(home, MARKET).exists()
    assert not data_directory(home, MARKET).exists()
    assert served(place) == [RETAIL]
    join(place, MARKET)
    until(lambda: served(place) == [MARKET, RETAIL])
    assert commit(place, MARKET) == 1


def test_a_ledger_that_halts_does_not_stop_the_others(place: Organisations) -> None:
    """One whose database is full stands still and says so; the node goes on, and its operator sees both."""
    join(place, SMALL)
    until(lambda: SMALL in served(place))
    place.nodes["north"].terminate()  # its limits are read when the process starts
    place.nodes["north"].start()
    until(lambda: not takes_more(place, SMALL), 60)
    with place.operator("north") as operator:
        state = {ledger.ledger: ledger.halted for ledger in operator.status().ledgers}
    assert state == {RETAIL: False, MARKET: False, SMALL: True}
    assert commit(place, RETAIL) > 0
    assert commit(place, MARKET) > 0
    ready = asked(place, "/health/ready")
    assert (ready.status_code, ready.json()["ledgers"][SMALL]["status"]) == (200, "halted")
    figures = asked(place, "/metrics").text
    assert f'ledgernode_halted{{ledger="{SMALL}"}} 1' in figures
    assert f'ledgernode_halted{{ledger="{MARKET}"}} 0' in figures
    command("drop", place.home("north"), SMALL, "--erase")
    assert served(place) == [MARKET, RETAIL]


def test_a_ledger_that_cannot_be_opened_is_left_out(place: Organisations) -> None:
    """The process starts with the others, says which one is missing, and takes it up when it is mended."""
    node, home = place.nodes["north"], place.home("north")
    node.terminate()
    genesis = genesis_path(home, MARKET)
    whole = genesis.read_bytes()
    genesis.write_bytes(place.ledgers[RETAIL].genesis)
    node.start()
    assert served(place) == [RETAIL]
    assert commit(place, RETAIL) > 0
    ready = asked(place, "/health/ready").json()["ledgers"][MARKET]
    assert ready["status"] == "halted"
    assert "the database holds the ledger" in ready["reason"]
    assert asked(place, "/health/started").status_code == 200
    assert f'ledgernode_halted{{ledger="{MARKET}"}} 1' in asked(place, "/metrics").text
    genesis.write_bytes(whole)
    command("drop", home, MARKET)
    until(lambda: MARKET not in asked(place, "/health/ready").json()["ledgers"])
    join(place, MARKET)
    until(lambda: served(place) == [MARKET, RETAIL])


def test_a_file_that_is_being_changed_harms_nobody(place: Organisations) -> None:
    """A node that cannot read its own file goes on with what it knows."""
    path = place.home("north") / "node.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:40])
    until(lambda: "the node's file cannot be read" in place.nodes["north"].log.read_text())
    assert commit(place, RETAIL) > 0
    path.write_bytes(whole)
    assert NodeConfig.read(place.home("north")).ledgers == (RETAIL, MARKET)
    assert served(place) == [MARKET, RETAIL]
