"""A gateway's read model, looked over without being made or moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.doctor import look_over
from gateway.readmodel.database import Database
from gateway.readmodel.migrating import migrate, newest
from gateway.readmodel.standing import standing
from ledgernode.doctor.finding import Severity
from tests.running import now_ms


@pytest.fixture
async def model(tmp_path: Path) -> Path:
    """With our tables, and nothing in them."""
    database = Database(str(tmp_path / "model.db"))
    async with database.writer.begin() as connection:
        await migrate(connection)
    await database.close()
    return tmp_path / "model.db"


async def test_tables_without_rows(model: Path) -> None:
    """Of our version; below block 0."""
    seen = await standing(str(model), 7)
    assert (seen.refusal, seen.schema, seen.height, seen.unread, seen.ledger_height) == ("", newest(), -1, 0, 7)


async def test_a_file_that_is_none(tmp_path: Path) -> None:
    """As its driver says it, in a line."""
    (tmp_path / "model.db").write_bytes(b"no database at all" * 500)
    assert "not a database" in (await standing(str(tmp_path / "model.db"), None)).refusal


async def test_a_server_that_is_away() -> None:
    """Its password is not repeated."""
    seen = await standing("postgresql://reader:secret@127.0.0.1:1/market", None)
    assert seen.refusal
    assert "secret" not in f"{seen}"


def test_the_doctor_says_how_it_stands(tmp_path: Path) -> None:
    """A file that is not there is not made; a server that is away is an error with advice."""
    (tmp_path / "gateway.json").write_text('{"read_model": "model.db"}')
    found = look_over(tmp_path, None, (), now_ms)
    assert any("no read model yet" in one.what for one in found)
    assert not (tmp_path / "model.db").exists()
    (tmp_path / "gateway.json").write_text('{"read_model": "postgresql://reader@127.0.0.1:1/market"}')
    [error] = [one for one in look_over(tmp_path, None, (), now_ms) if one.severity is Severity.ERROR]
    assert "does not answer" in error.what
    assert error.advice
