"""Logs of a process: structured lines on standard error, as JSON or for the console.

One line per thing that happens to a node or gateway, and for each transaction none above `debug`. Lines about a ledger
say `ledger`, about a block `height`, about a transaction `transaction` (its id), about another validator `peer`.
Whatever other modules and libraries log through `logging` comes out in the same form. The level can be changed while
the process runs.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, TextIO

import structlog

from ledgernode.errors import BadRequest

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_SHARED: Final[list[Any]] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


_CHOSEN: Final = ["info"]
LINES: Final[Counter[str]] = Counter()
"""Lines logged by this process since its start, by level."""


class _Counting(logging.StreamHandler[TextIO]):
    def emit(self, record: logging.LogRecord) -> None:
        LINES[record.levelname.lower()] += 1
        super().emit(record)


def set_up(*, as_json: bool, level: str = "info") -> None:
    """Choose form and level for the whole process; refuses a level that does not exist."""
    set_level(level)
    form: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            form,
        ],
    )
    handler = _Counting(sys.stderr)
    handler.setFormatter(formatter)
    logging.getLogger().handlers[:] = [handler]
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells at "info" which of its parts it has loaded
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def set_level(level: str) -> str:
    """Log from this level on; refuses one that does not exist."""
    if level not in LEVELS:
        raise BadRequest(f"a log level is one of {', '.join(LEVELS)}, not {level!r}")
    logging.getLogger().setLevel(LEVELS[level])
    _CHOSEN[0] = level
    return level


def toggle() -> str:
    """Everything, or again what was chosen; answers the level that holds now."""
    chosen = _CHOSEN[0] if _CHOSEN[0] != "debug" else "info"
    now = chosen if level() == "debug" else "debug"
    logging.getLogger().setLevel(LEVELS[now])
    return now


def heed_hangup(loop: asyncio.AbstractEventLoop) -> None:
    """SIGHUP toggles between everything and what was chosen: for whoever has the process and no certificate.

    In a terminal it goes on to mean that this was closed, and ends the process.
    """
    if sys.stderr.isatty():
        return

    def hung_up() -> None:
        logger().warning("log level set", level=toggle(), by="SIGHUP")

    loop.add_signal_handler(signal.SIGHUP, hung_up)


async def follow(read: Callable[[], str], every_ms: int) -> None:
    """Take up a level that has changed where `read` finds it, until cancelled. What cannot be read changes nothing."""
    known = _found(read)
    while True:
        await asyncio.sleep(every_ms / 1_000)
        found = _found(read)
        if found and found != known:
            known = found
            logger().warning("log level set", level=set_level(found), by="settings")


def _found(read: Callable[[], str]) -> str:
    """Empty where there is none, or none of ours."""
    try:
        found = read()
    except (BadRequest, OSError):
        return ""
    return found if found in LEVELS else ""


def says_all() -> bool:
    """Is there anybody to read what is said at the level debug? Ask before making a line for each transaction."""
    return logging.getLogger().isEnabledFor(logging.DEBUG)


def level() -> str:
    """The level in force."""
    number = logging.getLogger().getEffectiveLevel()
    return next((name for name, value in LEVELS.items() if value >= number), "error")


def logger(**bound: Any) -> Any:
    """A log with these facts on every line."""
    return structlog.get_logger("ledgernode", **bound)
