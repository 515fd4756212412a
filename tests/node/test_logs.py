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
from tests.node.conftest import House


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


async def test_a_level_is_taken_up_from_settings_that_change() -> None:
    """Only a change counts: what was chosen at the start stays until then, and nonsense changes nothing."""
    said = ["info"]

    def read() -> str:
        if said[0] == "gone":
            raise BadRequest("no such file")
        return said[0]

    logs.set_level("warning")
    following = asyncio.create_task(logs.follow(read, 1))
    await asyncio.sleep(0.02)
    assert logs.level() == "warning"
    said[0] = "debug"
    await eventually(logs.says_all)
    for said[0] in ("loud", "gone"):
        await asyncio.sleep(0.02)
        assert logs.says_all()
    said[0] = "error"
    await eventually(lambda: logs.level() == "error")
    following.cancel()


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


async def test_what_comes_to_nothing_in_a_block_is_named_where_everything_is_said(
    house: House, served: ServedLedger, caplog: pytest.LogCaptureFixture
) -> None:
    """By its id, height and code; a contract's refusal is no matter for other levels."""
    for chosen in ("info", "debug"):
        logs.set_level(chosen)
        sent = house.remark(chosen)
        outcome = await served.submissions.submit(sent.envelope, Wait.COMMITTED, 20)
        said = [record.msg for record in caplog.records if "transaction failed" in str(record.msg)]
        assert len(said) == (chosen == "debug")
    named = {"transaction": sent.id.hex(), "height": outcome.height, "code": outcome.code, "ledger": served.name}
    assert named.items() <= said[0].items()  # type: ignore[attr-defined]
