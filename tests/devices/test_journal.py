"""A device's disk: what was written is there, whatever happens to the process."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from devices.journal import Journal
from ledgernode.errors import DatabaseDamaged, DatabaseInUse


def opened(path: Path) -> dict[str, bytes]:
    journal = Journal(path)
    journal.close()
    return journal.records


def test_the_last_of_a_key_counts_and_an_empty_one_forgets_it(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = Journal(path)
    journal.write([("a", b"1"), ("b", b"2")])
    journal.write([("a", b"3"), ("b", b"")])
    journal.write([])
    journal.close()
    assert opened(path) == {"a": b"3"}
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("tail", [b"", b"\x00" * 100], ids=["short", "zeros"])
def test_a_torn_entry_is_cut_off_and_the_one_before_stands(tmp_path: Path, tail: bytes) -> None:
    """Wherever it was torn; and writing goes on after it."""
    path = tmp_path / "j"
    journal = Journal(path)
    journal.write([("a", b"first")])
    whole = path.stat().st_size
    journal.write([("a", b"second"), ("b", b"x" * 40)])
    journal.close()
    raw = path.read_bytes()
    for size in range(whole, len(raw)):
        path.write_bytes(raw[:size] + (tail if size == whole else b""))
        assert opened(path) == {"a": b"first"}
    journal = Journal(path)
    journal.write([("c", b"third")])
    journal.close()
    assert opened(path) == {"a": b"first", "c": b"third"}


def test_damage_in_the_middle_stops(tmp_path: Path) -> None:
    """What follows it is not to be trusted, and nothing is cut off."""
    path = tmp_path / "j"
    journal = Journal(path)
    journal.write([("a", b"first")])
    journal.write([("a", b"second")])
    journal.close()
    raw = bytearray(path.read_bytes())
    raw[9] ^= 1
    path.write_bytes(raw)
    with pytest.raises(DatabaseDamaged):
        Journal(path)
    assert path.read_bytes() == raw


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    with pytest.raises(DatabaseInUse):
        Journal(tmp_path / "j")
    journal.close()
    Journal(tmp_path / "j").close()


def test_a_file_that_only_grows_is_written_anew(tmp_path: Path) -> None:
    """And says the same; the one who wrote it still has it alone."""
    path = tmp_path / "j"
    journal = Journal(path)
    for number in range(60):
        journal.write([("a", bytes((number,)) * 50_000), ("b", b"same")])
    assert path.stat().st_size < 2_000_000
    with pytest.raises(DatabaseInUse):
        Journal(path)
    journal.write([("c", b"after")])
    journal.close()
    assert opened(path) == {"a": bytes((59,)) * 50_000, "b": b"same", "c": b"after"}


@examples(max_examples=30, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("abc"), st.binary(max_size=8)), min_size=1, max_size=4).map(tuple),
        max_size=8,
    )
)
def test_it_is_a_dictionary(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[tuple[str, bytes], ...]]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "j"
    expected: dict[str, bytes] = {}
    for entry in entries:
        journal = Journal(path)
        journal.write(entry)
        journal.close()
        expected |= dict(entry)
        expected = {key: content for key, content in expected.items() if content}
        assert opened(path) == expected
