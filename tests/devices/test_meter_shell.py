"""The shell around the core: what others see is on the disk before."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.journal import Journal
from devices.meter.core import new_state
from devices.meter.events import Alarm, Answer, Commanded, EnterToken, LinkUp, Receipted
from devices.meter.records import restored
from devices.meter_shell import Facts, MeterShell, create_home
from ledgernode.errors import BadMeterNumber, BadRequest, KeyFileUnsafe
from ledgernode.identity.keys import verify
from ledgernode.sts.keys import derive
from ledgernode.sts.tid import Tid
from ledgernode.sts.token import Credit, mint
from ledgernode.wire.transaction import parse_transaction
from tests.devices.meter.house import START_MS
from tests.sts.published import METER, VENDING_KEY

FACTS = Facts(METER.pan, "utility:home-1", "ab" * 32)
KEY = derive(VENDING_KEY, METER)


class Watcher:
    """Looks at the disk whenever the meter says anything."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.sent: list[tuple[str, int, bytes]] = []
        self.answers: list[Answer] = []
        self.lines = ("", "")
        self.relays: dict[str, bool] = {}

    def disk(self) -> Journal:
        """A copy of the file, as a start after a cut would read it."""
        copy = self.home / "copy" / "meter.journal"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes((self.home / "meter.journal").read_bytes())
        journal = Journal(copy)
        journal.close()
        return journal

    def send(self, key: str, sequence: int, envelope: bytes) -> None:
        waiting = restored(self.disk().records).outbox
        assert (key, sequence) in {(each.key, each.sequence) for each in waiting}
        self.sent.append((key, sequence, envelope))

    def answer(self, answer: Answer) -> None:
        assert answer in restored(self.disk().records).answers
        self.answers.append(answer)

    def switch(self, relay: str, closed: bool) -> None:
        if relay == "supply":
            assert restored(self.disk().records).supply.closed == closed
        self.relays[relay] = closed

    def show(self, first: str, second: str) -> None:
        self.lines = (first, second)

    def ask(self, pan: str) -> None: ...
    def request(self, certificate_request: str) -> None: ...
    def alarm(self, alarm: Alarm) -> None: ...


def test_whatever_others_see_is_on_the_disk_and_signed_by_the_meter(tmp_path: Path) -> None:
    """A token by command: answered, shown, switched and told; after a start it is told in the same bytes."""
    home = tmp_path / "meter"
    public_key = create_home(home, FACTS, new_state(KEY, METER.base))
    watcher = Watcher(home)
    shell = MeterShell(home, watcher, lambda: START_MS)
    shell.start()
    shell.step(LinkUp(START_MS))
    command = EnterToken(mint(Credit(tid=Tid(1_000), random=1, units=10), KEY))
    shell.step(Commanded(START_MS, 1, command))
    assert watcher.answers == [Answer("EnterToken", 1, "OK")]
    assert watcher.relays["supply"]
    assert watcher.lines[0] == "LOW CREDIT    ON"
    shell.close()
    again = MeterShell(home, watcher, lambda: START_MS)
    again.start()
    again.step(LinkUp(START_MS))
    redeems = {raw for _, _, raw in watcher.sent if parse_transaction(raw).body.function == "redeem"}
    [raw] = redeems
    parsed = parse_transaction(raw)
    assert parsed.public_key == public_key
    assert parsed.body.chain_id.hex() == FACTS.chain_id
    assert verify(public_key, parsed.body_bytes, parsed.signature)
    for key, sequence, _ in watcher.sent:
        again.step(Receipted(START_MS, sequence, "OK", key))
    assert restored(watcher.disk().records).outbox == ()
    again.close()


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        (Facts("600727000000000008", "utility:home-1", "ab" * 32), BadMeterNumber),
        (Facts(METER.pan, "home-1", "ab" * 32), BadRequest),
        (Facts(METER.pan, "utility:home-1", "ab"), BadRequest),
        (Facts(METER.pan, "utility:home-1", "no hex"), BadRequest),
    ],
)
def test_a_meter_that_cannot_be_is_not_made(tmp_path: Path, facts: Facts, refusal: type[Exception]) -> None:
    """And nothing is left of it."""
    with pytest.raises(refusal):
        create_home(tmp_path / "meter", facts, new_state(KEY, METER.base))
    assert not (tmp_path / "meter").exists()


def test_a_home_without_its_files_is_refused(tmp_path: Path) -> None:
    """A start needs all of them, and finds them closed to others."""
    home = tmp_path / "meter"
    create_home(home, FACTS, new_state(KEY, METER.base))
    assert all(path.stat().st_mode & 0o077 == 0 for path in [home, *home.iterdir()])
    (home / "hardware.secret").unlink()
    with pytest.raises(KeyFileUnsafe):
        MeterShell(home, Watcher(home), lambda: START_MS)
