"""What a command prints: a table or lines for people, or with ``--json`` one document for programs.

The document of a read is stable: fields are added, never renamed or removed. Hashes and ids are
lower-case hex, times are UTC milliseconds (``…_ms``) as the ledger has them. Text that comes from the
ledger was written by others: control characters in it are made visible and never reach the terminal.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ledgernode.wire.arguments import check_arguments
from ledgernode.wire.parameters import Parameters

PIPE_WIDTH: Final = 200  # columns, where there is no terminal to ask
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_INVISIBLE: Final = re.compile(r"[^\x20-\x7e\n]")
SHORT: Final = 16  # hex digits of an id that a person is shown
_F = TypeVar("_F", bound=Callable[..., Any])

json_option: Callable[[_F], _F] = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def show(document: dict[str, Any], as_json: bool, *parts: Table | str) -> None:
    """The document, or the parts that say the same to a person."""
    if as_json:
        click.echo(as_text(document, indent=2))
        return
    for part in parts:
        click.echo(part if isinstance(part, str) else drawn(part))


def drawn(part: Table, *, indent: str = "") -> str:
    """A table as text, without the blanks at the ends of its lines."""
    screen = console()
    with screen.capture() as captured:
        screen.print(part)
    return "\n".join(f"{indent}{row}".rstrip() for row in captured.get().splitlines())


def line(document: dict[str, Any]) -> None:
    """One document of an endless stream: one line each."""
    click.echo(as_text(document))


def console(*, to_error: bool = False) -> Console:
    """A terminal, or a plain wide page where output goes to a file or a pipe."""
    stream = sys.stderr if to_error else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(stderr=to_error, width=width, markup=False, highlight=False, emoji=False)


def table(columns: Iterable[str], rows: Iterable[Iterable[object]], *, numbers: Iterable[str] = ()) -> Table:
    """Rows under their headings; the columns named in `numbers` stand to the right."""
    headings, right = tuple(columns), frozenset(numbers)
    made = Table(box=box.SIMPLE, pad_edge=False, show_edge=False, header_style="bold")
    for heading in headings:
        made.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(visible(str(cell)) for cell in row))
    return made


def facts(rows: Iterable[tuple[str, object]]) -> Table:
    """Names and values of one thing."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, visible(str(value)))
    return made


def visible(text: str) -> str:
    """The text with its control characters written out."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign == "\n" else sign.encode("unicode_escape").decode() for sign in text
    )


def done(text: str, as_json: bool = False, document: dict[str, Any] | None = None) -> None:
    """Say that a change was made."""
    if as_json:
        show(document or {}, True)
    else:
        click.echo(f"{click.style('✓', fg='green')} {visible(text)}")


@contextmanager
def progress(title: str, *, shown: bool = True) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error for long work: call with (done, total). Silent where there is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = console(to_error=True)
    with Progress(*columns, console=screen, transient=True, disable=not (shown and screen.is_terminal)) as bar:
        task = bar.add_task(title, total=None)
        yield lambda finished, total: bar.update(task, completed=finished, total=total)


def short(hexadecimal: str) -> str:
    return hexadecimal[:SHORT]


def moment(time_ms: int) -> str:
    """A time for people: UTC, to the second."""
    if time_ms <= 0:
        return "-"
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def counted(count: int, what: str) -> str:
    """A number of things in words: "1 block", "2 blocks"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def size(count_bytes: int) -> str:
    """Bytes for people."""
    power = min((max(count_bytes, 1).bit_length() - 1) // 10, len(_UNITS) - 1)
    return f"{count_bytes} B" if power == 0 else f"{count_bytes / 1_024**power:.1f} {_UNITS[power]}"


def as_text(value: Any, *, indent: int | None = None) -> str:
    """A value as JSON, its control and other invisible characters escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _INVISIBLE.sub(lambda found: json.dumps(found[0])[1:-1] if not found[0].isprintable() else found[0], text)


def decoded(raw: bytes) -> Any:
    """JSON bytes of the ledger as a value; nothing is null."""
    return json.loads(raw) if raw else None


def arguments(text: str) -> dict[str, Any]:
    """Arguments as given on a command line: a JSON object, `@FILE`, or `-` for standard input."""
    if text == "-":
        raw = sys.stdin.buffer.read()
    else:
        raw = Path(text[1:]).read_bytes() if text.startswith("@") else text.encode()
    return check_arguments(raw, Parameters().arguments_depth)
