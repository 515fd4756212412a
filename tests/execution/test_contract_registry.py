"""Names and the code behind them: by height, by hash, and bounded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgernode.errors import ChaincodeRefused, DatabaseDamaged, UnknownContract
from ledgernode.execution.contracts import Contracts, LoadedPackages
from ledgernode.execution.ledger_view import LedgerView, RecordCache
from ledgernode.execution.values import encode_value
from ledgernode.identity import records
from ledgernode.identity.records import IdentityRecord, Role, Status
from ledgernode.store.state import record
from ledgernode.testing import TestLedger
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import Height, TimeMs

SOURCE = '''
from chaincode.api import Context, Contract, query


class Answer(Contract):
    """Says a number."""

    name = "{name}"
    version = "{version}"

    @query
    def say(self, ctx: Context) -> int:
        return {number}
'''


def write(directory: Path, number: int, name: str = "answer") -> Path:
    path = directory / f"{name}_{number}.py"
    path.write_text(SOURCE.format(name=name, version=f"{number}.0", number=number))
    return path


def test_each_height_runs_the_code_of_its_day(tmp_path: Path) -> None:
    """An upgrade answers from the next block on; questions about earlier heights get the earlier answer."""
    ledger = TestLedger()
    asker = ledger.admin()
    with pytest.raises(UnknownContract):
        ledger.query(asker, "answer", "say")
    ledger.deploy(write(tmp_path, 1))
    first = ledger.height
    ledger.deploy(write(tmp_path, 2))
    assert ledger.query(asker, "answer", "say") == 2
    assert ledger.query_at(first, asker, "answer", "say") == 1


def test_system_contracts_cannot_be_replaced(tmp_path: Path) -> None:
    """Nor can a contract take a name of the runtime."""
    ledger = TestLedger()
    for name in ("identity", "governance", "lifecycle"):
        with pytest.raises(Exception, match="reserved"):
            ledger.deploy(write(tmp_path, 1, name))
    assert ledger.query(ledger.admin(), "governance", "policy")["policy"] == "majority"


def test_package_that_breaks_the_language_is_refused_when_installed(tmp_path: Path) -> None:
    """With the line and the reason."""
    path = tmp_path / "clock.py"
    path.write_text(SOURCE.format(name="clock", version="1", number="__import__('time').time()"))
    with pytest.raises(ChaincodeRefused, match=r"clock\.py:13"):
        TestLedger().deploy(path)


def test_loaded_packages_are_kept_and_bounded(tmp_path: Path) -> None:
    """The same hash is loaded once; beyond the bound the least recently used goes."""
    ledger = TestLedger()
    names = ("one", "two", "three")
    for name in names:
        ledger.deploy(write(tmp_path, 1, name))
    packages = LoadedPackages(limit=2)
    contracts = Contracts(packages=packages)
    with ledger.chain.state() as view:
        known = LedgerView(view, RecordCache(), Height(ledger.height + 1), TimeMs(ledger.time_ms + 1))
        one = contracts.resolve("one", known)
        two = contracts.resolve("two", known)
        assert contracts.resolve("one", known) is one
        contracts.resolve("three", known)
        assert contracts.resolve("one", known) is one
        assert contracts.resolve("two", known) is not two
        for name in ("_timer", "nobody"):
            with pytest.raises(UnknownContract):
                contracts.resolve(name, known)


class Records:
    """A state view of a few records, which counts what it is asked."""

    def __init__(self) -> None:
        self.stored = {records.PARAMETERS_STATE: record(0, 0, _encode(Parameters()))}
        self.asked: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        self.asked.append(key)
        return self.stored.get(key)

    def scan(self, start: bytes, end: bytes | None, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        raise AssertionError((start, end, reverse))


def _encode(value: object) -> bytes:
    return encode_value(value, Parameters())


def identity(status: Status) -> IdentityRecord:
    return IdentityRecord("ab" * 32, "utility", Role.METER, {"serial": "1"}, status, ())


def test_records_are_read_once_a_block_and_decoded_once_while_they_stand() -> None:
    """The cache is right across blocks: it is used while the stored bytes are the same, and only then."""
    key, cache, state = records.identity_state("ab" * 32), RecordCache(), Records()
    state.stored[key] = record(1, 0, _encode(identity(Status.ACTIVE)))

    def view(height: int) -> LedgerView:
        return LedgerView(state, cache, Height(height), TimeMs(height))

    first = view(2)
    found = first.identity("ab" * 32)
    assert found == identity(Status.ACTIVE)
    assert first.identity("ab" * 32) is found
    assert state.asked.count(key) == 1
    assert view(3).identity("ab" * 32) is found
    state.stored[key] = record(3, 0, _encode(identity(Status.REVOKED)))
    assert first.identity("ab" * 32) is found
    assert view(4).identity("ab" * 32) == identity(Status.REVOKED)
    del state.stored[key]
    assert view(5).identity("ab" * 32) is None


def test_cache_is_bounded() -> None:
    """However many identities sign."""
    cache, state = RecordCache(limit=3), Records()
    for number in range(10):
        name = f"{number:064x}"
        state.stored[records.identity_state(name)] = record(1, 0, _encode(identity(Status.ACTIVE)))
        assert LedgerView(state, cache, Height(2), TimeMs(1)).identity(name) == identity(Status.ACTIVE)
        assert len(cache) <= 3


def test_lost_or_unreadable_records_of_the_ledger_stop_the_node() -> None:
    """A ledger without its own records is damaged; nobody's transaction is to blame."""
    state = Records()
    view = LedgerView(state, RecordCache(), Height(2), TimeMs(1))
    with pytest.raises(DatabaseDamaged):
        view.validators()
    with pytest.raises(DatabaseDamaged):
        view.package("00" * 32)
    state.stored[records.PARAMETERS_STATE] = record(1, 0, b"\xc1")
    with pytest.raises(DatabaseDamaged):
        LedgerView(state, RecordCache(), Height(2), TimeMs(1))
