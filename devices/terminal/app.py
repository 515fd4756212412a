"""The customer unit with Textual: a display of dots, twelve keys, lamps, and beside it what it means.

Keys are typed or clicked: digits, `*` or backspace, `#` or enter. Around the unit one may raise the load, fail the
mains and open the cover, to see what a meter makes of it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final

from rich.text import Text
from textual import events, on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical
from textual.css.query import NoMatches
from textual.reactive import reactive
from textual.widgets import Button, Footer, Static

from devices.customer_unit import COLUMNS, KEYS, Lines
from devices.terminal.bench import Bench
from devices.terminal.dots import drawn

TICK_S: Final = 0.25
LIT_S: Final = 20.0
"""So long after a key the display is lit."""
LOAD_STEP_W: Final = 250
MOST_LOAD_W: Final = 20_000
_KEY_OF: Final = {
    "asterisk": "*",
    "number_sign": "#",
    "enter": "#",
    "backspace": "*",
    "escape": "*",
    "delete": "*",
}
_BUTTONS: Final = "123456789*0#"
_NAMED: Final = {"*": "star", "#": "hash"}


class Display(Static):
    """Two lines of sixteen letters, in dots."""

    lines: reactive[Lines] = reactive((" " * COLUMNS, " " * COLUMNS))
    lit: reactive[bool] = reactive(True)

    def render(self) -> Text:
        return Text("\n".join([*drawn(self.lines[0]), "", *drawn(self.lines[1])]), no_wrap=True)

    def watch_lines(self, lines: Lines) -> None:
        self.tooltip = "\n".join(lines)

    def watch_lit(self, lit: bool) -> None:
        self.set_class(not lit, "dim")


class Lamp(Static):
    """A light-emitting diode and its name."""

    colour: reactive[str] = reactive("off")

    def __init__(self, label: str, name: str) -> None:
        super().__init__(id=f"lamp-{name}")
        self._label = label

    def render(self) -> Text:
        bright = {"green": "#4ade80", "red": "#f87171", "amber": "#fbbf24"}.get(self.colour)
        return Text.assemble(("● " if bright else "○ ", bright or "#57606a"), (self._label, "#aab4c0"))


class Key(Button):
    """One of the twelve. It takes the same key again at once: digits come twice in a row."""

    def __init__(self, key: str) -> None:
        super().__init__(key, id=f"key-{_NAMED.get(key, key)}")
        self.can_focus = False
        self.active_effect_duration = 0

    def flash(self) -> None:
        self.add_class("pressed")
        self.set_timer(0.12, lambda: self.remove_class("pressed"))


class CustomerUnit(App[None]):
    """One unit on a bench."""

    TITLE = "customer unit"
    ENABLE_COMMAND_PALETTE = False
    CSS_PATH = "unit.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (88, "-wide")]  # noqa: RUF012  # as Textual declares them
    VERTICAL_BREAKPOINTS = [(0, "-short"), (28, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,right", "load(1)", "more load", key_display="+"),
        Binding("minus,left", "load(-1)", "less", key_display="-"),
        Binding("m", "mains", "mains"),
        Binding("c", "cover", "cover"),
        Binding("q", "quit", "end"),
    ]

    def __init__(self, bench: Bench, *, speed: int = 1) -> None:
        super().__init__()
        self.bench = bench
        self._speed = speed
        self._lit_until = time.monotonic() + LIT_S
        self._pulses = 0

    # ------------------------------------------------------------ what it looks like

    def compose(self) -> ComposeResult:
        pan = self.bench.shell.meter.settings.pan
        with Horizontal(id="wall"):
            with Vertical(id="case"):
                with Horizontal(id="brand"):
                    yield Static("LEDGERNODE", id="brand-left")
                    yield Static(f"{pan[:2]} {pan[2:6]} {pan[6:10]} {pan[10:14]} {pan[14:]}", id="brand-right")
                with Vertical(id="glass"):
                    yield Display()
                with Horizontal(id="lamps"):
                    yield Lamp("MAINS", "mains")
                    yield Lamp("SUPPLY", "supply")
                    yield Lamp("LOW CREDIT", "low")
                    yield Lamp("IMP/kWh", "pulse")
                with Grid(id="keys"):
                    for key in _BUTTONS:
                        yield Key(key)
            with Vertical(id="beside"):
                yield Static("ON THE DISPLAY", classes="title")
                yield Static(id="page")
                yield Static("AROUND IT", classes="title")
                yield Static(id="around")
                yield Static("HAPPENED", classes="title")
                yield Static(id="happened")
        yield Footer()

    def on_mount(self) -> None:
        self.look()
        self.set_interval(TICK_S, self.pass_time)
        if self.bench.link is not None:
            self.run_worker(self.bench.link.run())

    def pass_time(self) -> None:
        self.bench.pass_time()
        with suppress(NoMatches):  # a tick can come while the screen is being taken down, piece by piece
            self.look()

    def look(self) -> None:
        """Bring everything to what the meter shows now."""
        bench, face = self.bench, self.bench.face
        display = self.query_one(Display)
        display.lines = face.lines
        display.lit = time.monotonic() < self._lit_until
        blinks = int(time.monotonic() * 2) % 2 == 0
        self._lamp("mains", "green" if bench.mains else "off")
        self._lamp("supply", "green" if bench.has_power else "red" if bench.mains else "off")
        self._lamp("low", "amber" if bench.is_low and blinks else "off")
        self._lamp("pulse", "red" if bench.pulses != self._pulses else "off")
        self._pulses = bench.pulses
        about, keys = bench.meaning
        self.query_one("#page", Static).update(Text.assemble((about, "#e6edf3"), "\n", (keys, "#8fa3b8")))
        self.query_one("#around", Static).update(self._around())
        happened = self.query_one("#happened", Static)
        lines = face.happened[-max(1, happened.size.height) :]
        happened.update(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"))

    def dark_from(self, until_s: float) -> None:
        """The light of the display goes out at this time, until a key is pressed."""
        self._lit_until = until_s
        self.look()

    def _around(self) -> Text:
        bench = self.bench
        drawn_w = bench.load_w if bench.has_power else 0
        lines = [
            ("load", f"{bench.load_w:>6,} W wanted"),
            ("", f"{drawn_w:>6,} W drawn"),
            ("mains", "  230 V" if bench.mains else "    0 V"),
            ("time", f"{self._speed:>6,} x" if self._speed > 1 else "  as it is"),
        ]
        return Text("\n").join(Text.assemble((f"{name:<6}", "#8fa3b8"), (value, "#e6edf3")) for name, value in lines)

    def _lamp(self, name: str, colour: str) -> None:
        self.query_one(f"#lamp-{name}", Lamp).colour = colour

    # ------------------------------------------------------------ what one does with it

    def press(self, key: str) -> None:
        """One of the twelve keys, however it came."""
        self._lit_until = time.monotonic() + LIT_S
        self.bench.press(key)
        self.look()

    def on_key(self, event: events.Key) -> None:
        key = _KEY_OF.get(event.key, event.character or "")
        if key and key in KEYS:
            event.stop()
            self.query_one(f"#key-{_NAMED.get(key, key)}", Key).flash()
            self.press(key)

    @on(Button.Pressed)
    def clicked(self, event: Button.Pressed) -> None:
        assert isinstance(event.button, Key)
        event.button.flash()
        self.press(str(event.button.label))

    def action_load(self, way: int) -> None:
        self.bench.pass_time()
        self.bench.load_w = min(MOST_LOAD_W, max(0, self.bench.load_w + way * LOAD_STEP_W))
        self.look()

    def action_mains(self) -> None:
        self.bench.switch_mains()
        self.look()

    def action_cover(self) -> None:
        self.bench.open_cover()
        self.look()


def run(home: Path, *, load_w: int, speed: int, gateways: Sequence[str] = ()) -> None:
    """Open a unit for a meter's home until it is ended."""
    began_s = time.monotonic()
    began_ms = _clock_ms()

    def clock_ms() -> int:
        return began_ms + int((time.monotonic() - began_s) * 1_000 * speed)

    bench = Bench(home, clock_ms, load_w=load_w, gateways=gateways)
    try:
        CustomerUnit(bench, speed=speed).run()
    finally:
        bench.close()


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000
