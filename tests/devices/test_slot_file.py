"""The file of two slots: on the disk when `write` returns, whole after a kill, in one process at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devices.metrology.registers import Registers, decode, encode
from devices.slot_file import SlotFile
from devices.slots import SLOT_BYTES
from ledgernode.errors import DatabaseInUse, DiskFull, RegistersDamaged

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
from devices.metrology.registers import Registers, encode
from devices.slot_file import SlotFile
with SlotFile.open(Path(sys.argv[1])) as file:
    for number in range(1, 1_000_000):
        file.write(encode(Registers(import_nwh=number)))
        print(number, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    SlotFile.create(tmp_path / "registers", encode(Registers(import_nwh=1)))
    return tmp_path / "registers"


def test_registers_come_back(path: Path) -> None:
    """After every write, and without leaving anything else in the folder."""
    for number in range(5):
        with SlotFile.open(path) as file:
            file.write(encode(Registers(import_nwh=number, q4_nvarh=9)))
            assert file.generation == number + 1
        with SlotFile.open(path) as file:
            assert decode(file.payload) == Registers(import_nwh=number, q4_nvarh=9)
    assert [found.name for found in path.parent.iterdir()] == ["registers"]
    assert path.stat().st_size == 2 * SLOT_BYTES


def test_one_that_exists_is_not_begun_anew(path: Path) -> None:
    with pytest.raises(FileExistsError):
        SlotFile.create(path, encode(Registers()))
    with SlotFile.open(path) as file:
        assert decode(file.payload) == Registers(import_nwh=1)


def test_two_processes_never_have_one_meter(path: Path) -> None:
    with SlotFile.open(path), pytest.raises(DatabaseInUse):
        SlotFile.open(path)
    SlotFile.open(path).close()


def test_a_torn_slot_is_written_again_and_the_other_never(path: Path) -> None:
    """The next write goes to the torn one."""
    with SlotFile.open(path) as file:
        file.write(b"second")
        file.write(b"third")
    content = bytearray(path.read_bytes())
    content[20] ^= 0xFF  # the third lies in the first slot
    path.write_bytes(content)
    with SlotFile.open(path) as file:
        assert file.payload == b"second"
        file.write(b"fourth")
        assert path.read_bytes()[SLOT_BYTES:] == content[SLOT_BYTES:]
    with SlotFile.open(path) as file:
        assert file.payload == b"fourth"


def test_a_file_without_a_whole_copy_is_refused(path: Path) -> None:
    """A meter never goes on from zero by itself."""
    path.write_bytes(b"\0" * 2 * SLOT_BYTES)
    with pytest.raises(RegistersDamaged):
        SlotFile.open(path)
    path.write_bytes(b"")
    with pytest.raises(RegistersDamaged):
        SlotFile.open(path)


def test_a_write_that_fails_leaves_what_was_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk refuses, or takes half: said with a code, and a second try goes to the same slot."""
    with SlotFile.open(path) as file:
        whole = os.pwrite
        for broken in (_refusing, lambda at, slot, offset: whole(at, slot[:100], offset)):
            monkeypatch.setattr(os, "pwrite", broken)
            with pytest.raises(DiskFull):
                file.write(b"lost")
            assert decode(file.payload) == Registers(import_nwh=1)
        monkeypatch.undo()
        file.write(b"kept")
        assert file.generation == 1
    with SlotFile.open(path) as file:
        assert file.payload == b"kept"


def _refusing(at: int, slot: bytes, offset: int) -> int:
    raise OSError(5, "Input/output error")


@pytest.mark.slow
def test_a_killed_meter_keeps_what_it_had_written(path: Path) -> None:
    """SIGKILL at any moment, five times: the register stands at what was acknowledged, or one further."""
    for _ in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(20):
            assert writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        said = [int(line) for line in writer.stdout.read().splitlines()]
        writer.wait()
        writer.stdout.close()
        with SlotFile.open(path) as file:
            kept = decode(file.payload).import_nwh
        last = said[-1] if said else 20
        assert last <= kept <= last + 1
