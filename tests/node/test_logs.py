"""Logs of a process: how much they say is changed while it runs, and what they say can be found again."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator

import pytest

from ledgernode import logs
from ledgernode.errors import BadRequest, LedgerError
from ledgernode.node.ledger import ServedLedger
from ledgernode.wire.answers import Wait
from ledgernode.wire.types import sha256
from tests.conditions import eventually


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    before = logs.level()
    yield
    logs.set_level(before)


def test_a_level_that_does_not_exist_is_refused() -> None:
    """And changes nothing."""
    logs.set_level("warning")
    with pytest.raises(BadRequest, match="loud"):
        logs.set_level("loud")
    assert logs.level() == "warning"


@pytest.mark.parametrize(("chosen", "back"), [("warning", "warning"), ("info", "info"), ("debug", "info")])
def test_a_toggle_leads_to_everything_and_back(chosen: str, back: str) -> None:
    """To what was chosen; where that was everything, to the usual."""
    logs.set_level(chosen)
    seen = [logs.toggle(), logs.toggle()]
    assert sorted(seen) == sorted(["debug", back])
    assert logs.says_all() is (seen[-1] == "debug")


async def test_a_hangup_toggles_it_from_outside() -> None:
    """For whoever has the process, and no certificate."""

    loop = asyncio.get_running_loop()
    logs.set_level("info")
    logs.heed_hangup(loop)
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        await eventually(logs.says_all)
        os.kill(os.getpid(), signal.SIGHUP)
        await eventually(lambda: not logs.says_all())
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


def test_lines_are_counted_by_level() -> None:
    """What an alert looks at."""
    handler = logs._Counting()
    before = logs.LINES["error"]
    handler.emit(logging.LogRecord("x", logging.ERROR, "x.py", 1, "failed", None, None))
    assert logs.LINES["error"] == before + 1


async def test_a_refused_transaction_is_named_where_everything_is_said(
    served: ServedLedger, caplog: pytest.LogCaptureFixture
) -> None:
    """By its id and code; nothing of it is said otherwise."""
    raw = bytes(200)
    for chosen in ("info", "debug"):
        logs.set_level(chosen)
        with pytest.raises(LedgerError):
            await served.submissions.submit(raw, Wait.ADMITTED, 1)
        said = [record for record in caplog.records if "transaction refused" in str(record.msg)]
        assert len(said) == (chosen == "debug")
    assert said[0].msg["transaction"] == sha256(raw[129:]).hex()  # type: ignore[index]
    assert said[0].msg["ledger"] == served.name  # type: ignore[index]


async def test_a_terminal_that_is_closed_ends_what_ran_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """There SIGHUP keeps its meaning: nobody is left running unseen."""
    monkeypatch.setattr(logs.sys.stderr, "isatty", lambda: True)
    loop = asyncio.get_running_loop()
    logs.heed_hangup(loop)
    assert not loop.remove_signal_handler(signal.SIGHUP)
