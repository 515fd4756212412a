"""What people and programs are shown."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.cli import output
from ledgernode.errors import BadArguments


def printed(part: object, *, as_json: bool = False) -> str:
    @click.command()
    def once() -> None:
        output.show({"ü": 1}, as_json, part)  # type: ignore[arg-type]

    return CliRunner().invoke(once).stdout


@given(st.text())
def test_text_of_others_never_reaches_the_terminal_as_control(text: str) -> None:
    """Whatever a contract says, only printable characters and line ends are written out."""
    shown = output.visible(text)
    assert all(sign.isprintable() or sign == "\n" for sign in shown)
    assert shown == text or not text.isprintable()


def test_escape_sequences_in_tables_are_written_out() -> None:
    """A message cannot colour, move or clear the reader's screen."""
    shown = printed(output.table(("message",), [["\x1b[2Jgone [red]x[/red]"]]))
    assert r"\x1b[2Jgone [red]x[/red]" in shown
    assert "\x1b" not in shown


@given(st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.dictionaries(st.text(), inner)))
def test_json_shows_no_control_characters_and_loses_nothing(value: object) -> None:
    """Escaped or not, what is printed reads back as the same value."""
    shown = output.as_text(value, indent=2)
    assert json.loads(shown) == value
    assert all(sign.isprintable() or sign == "\n" for sign in shown)


def test_json_is_one_document_with_its_characters() -> None:
    """--json prints the document and nothing else."""
    assert json.loads(printed("text", as_json=True)) == {"ü": 1}
    assert "ü" in printed("text", as_json=True)


def test_table_has_no_trailing_blanks_and_keeps_long_cells_whole() -> None:
    """What is piped into a file can be searched: no cell is cut, no line ends in blanks."""
    shown = printed(output.table(("a", "b"), [["x" * 64, "y"]]))
    assert "x" * 64 in shown
    assert all(line == line.rstrip() for line in shown.splitlines())


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1_023, "1023 B"),
        (1_024, "1.0 KiB"),
        (5 << 20, "5.0 MiB"),
        (3 << 40, "3.0 TiB"),
        (9 << 50, "9216.0 TiB"),
    ],
)
def test_sizes_for_people(count: int, text: str) -> None:
    """Bytes in the largest unit that leaves a whole number before the point."""
    assert output.size(count) == text


def test_moments_are_utc_and_zero_is_none() -> None:
    """Times are the ledger's: UTC, whatever the machine's zone."""
    assert output.moment(1_767_225_600_000) == "2026-01-01 00:00:00"
    assert output.moment(0) == "-"


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": 1.5}', '{"a": 1, "a": 2}', '{"a": 9007199254740993}'])
def test_arguments_are_as_strict_as_on_the_ledger(text: str) -> None:
    """What the ledger would refuse is refused before it is signed; nothing is silently changed."""
    with pytest.raises(BadArguments):
        output.arguments(text)


def test_progress_is_silent_where_there_is_no_terminal() -> None:
    """A bar never ends up in a log file."""

    @click.command()
    def long_work() -> None:
        with output.progress("working") as report:
            report(1, 2)

    result = CliRunner().invoke(long_work)
    assert (result.exit_code, result.output) == (0, "")
