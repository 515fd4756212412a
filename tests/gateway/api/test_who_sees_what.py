"""Every route, asked by everybody: what each may see, and nothing else. A route that stands in no row fails."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from gateway.http.app import PREFIX
from ledgernode.testing import Member
from tests.audit.whole_town import WholeTown
from tests.gateway.api.expected.form import ROLES, Row
from tests.gateway.api.site import NOBODY, Site, peopled
from tests.postgres import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60, func_only=True)]  # the town is built once, for all of them
_SESSION = f"{PREFIX}/session"
ENDLESS = {"GET /live"}
"""Who is told what there is the matter of `test_live.py`."""
_PARTS = 3
"""So that each test is short."""
_TELLS = 5
"""The first of `ROLES` are answered; a device and nobody are refused."""


def rows() -> dict[str, Row]:
    """Of every area: one file each in `expected/`."""
    found: dict[str, Row] = {}
    for file in sorted((Path(__file__).parent / "expected").glob("*.py")):
        if file.stem != "form":
            area: dict[str, Row] = importlib.import_module(f"tests.gateway.api.expected.{file.stem}").ROWS
            assert not area.keys() & found.keys()
            found |= area
    return found


def routes(app: FastAPI) -> set[str]:
    """What the application serves by its own description, but for entering and leaving."""
    return {
        f"{method.upper()} {path.removeprefix(PREFIX)}"
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if not path.startswith(_SESSION)
    }


@pytest.fixture(scope="module")
def town() -> tuple[WholeTown, dict[str, Member]]:
    """Of its own: in the one that other tests share time goes on, and what stood open ends."""
    return peopled()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("seen") / "model.db")


@pytest.fixture(scope="module")
def postgresql(postgres: PostgresServer) -> str:
    return postgres.url("seen")


async def test_every_route_has_its_row(site: Site) -> None:
    """A row is named after its route, and perhaps after what else it asks."""
    named = {" ".join(name.split(" ")[:2]) for name in rows()}
    assert named | ENDLESS == routes(site.app)
    for who, status in (("meter", 403), ("nobody", 401)):
        assert (await site.get(who, "/live?topics=blocks")).status_code == status


@pytest.mark.parametrize("part", range(_PARTS))
async def test_each_sees_what_is_for_it(any_site: Site, part: int) -> None:
    """On each kind of database, every row by every role; all differences are told at once."""
    wrong: list[str] = []
    for name, row in list(rows().items())[part::_PARTS]:
        wrong += [f"{name}: {what}" for what in await differences(any_site, name, row)]
    assert not wrong, "\n" + "\n".join(wrong)


async def differences(site: Site, name: str, row: Row) -> list[str]:
    found: dict[str, Any] = {}
    wrong = []
    for who, expected in zip(ROLES, (*row.seen.split(), "meter", "nobody"), strict=True):
        status, answer = await asked(site, name, row, who)
        if who in ROLES[_TELLS:]:
            refusal = (200, None) if row.open else (401, "TICKET_INVALID") if who == NOBODY else (403, "ROLE_REFUSED")
            if (status, answer.get("code") if status != 200 else None) != refusal:
                wrong.append(f"{who} is answered {status} {str(answer)[:200]}")
        elif not is_as_expected(status, answer, expected):
            items = f", {len(answer['items'])} items" if "items" in answer else f" {str(answer)[:200]}"
            wrong.append(f"{who} sees {status}{items} instead of {expected}")
        else:
            found[who] = answer
    if row.checked is not None and not wrong:
        try:
            row.checked(site, found)
        except AssertionError as error:
            wrong.append(str(error)[:500])
    return wrong


async def asked(site: Site, name: str, row: Row, who: str) -> tuple[int, dict[str, Any]]:
    path = row.path if isinstance(row.path, str) else row.path(site)
    async with site.looking(who) as client:
        if name.startswith("POST "):
            sender = "customer" if who == NOBODY else who
            content = row.body(site, sender) if row.body is not None else b""
            response = await client.post(path, content=content, headers={"content-type": "application/octet-stream"})
        else:
            response = await client.get(path)
    kind = response.headers.get("content-type", "")
    answer = response.json() if "json" in kind else {}
    return response.status_code, answer if isinstance(answer, dict) else {}


def is_as_expected(status: int, answer: dict[str, Any], expected: str) -> bool:
    if expected in {"200", "404"}:
        return status == int(expected) and (status == 200 or answer["code"] == "ADDRESS_UNKNOWN")
    if status != 200 or "items" not in answer:
        return False
    return len(answer["items"]) > 0 if expected == "+" else len(answer["items"]) == int(expected)
