"""What wallets have signed goes to the nodes as it stands, from who has signed it, once."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from gateway.api import submitting
from ledgernode.client import Signed
from ledgernode.errors import CommitUnknown, MempoolFull
from ledgernode.wire.answers import Outcome, Stage, Wait
from tests.gateway.api.site import Site
from tests.gateway.api.test_bad_questions import is_problem

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60, func_only=True)]  # the town is built once, for all of them
BYTES = {"content-type": "application/octet-stream"}


async def handed_in(site: Site, who: str, raw: bytes, path: str = "/transactions", **headers: str) -> httpx.Response:
    async with site.looking(who) as client:
        return await client.post(path, content=raw, headers=BYTES | headers)


def transfer(site: Site, who: str = "customer", amount_minor: int = 5, **arguments: Any) -> bytes:
    to = site.people["regulator"].id
    return site.signed(who, "currency", "transfer", to=to, amount_minor=amount_minor, **arguments)


async def test_a_transaction_goes_through_byte_by_byte_and_is_in_the_list(site: Site) -> None:
    raw = transfer(site)
    response = await handed_in(site, "customer", raw)
    receipt = response.json()
    assert (response.status_code, receipt["stage"], receipt["code"]) == (200, "committed", "OK")
    assert site.ledger.given == [raw]
    await site.model.catch_up()
    found = (await site.get("customer", f"/transactions/{receipt['transaction_id']}")).json()
    assert (found["row"]["height"], found["withheld"]) == (receipt["height"], False)
    assert found["call"]["arguments"]["amount_minor"] == 5
    newest = (await site.get("neighbour", "/transactions?size=1")).json()["items"][0]
    assert (newest["id"], newest["creator"]) == (receipt["transaction_id"], "")


async def test_the_same_bytes_again_act_once(site: Site) -> None:
    raw = transfer(site)
    first, again = [(await handed_in(site, "customer", raw)).json() for _ in range(2)]
    assert first == again
    heights = site.town.ledger.height
    assert heights == first["height"]


async def test_a_refusal_of_the_contract_stands_on_the_ledger_and_is_a_receipt(site: Site) -> None:
    response = await handed_in(site, "customer", transfer(site, amount_minor=10**14))
    assert (response.status_code, response.json()["stage"]) == (200, "committed")
    assert response.json()["code"].startswith("currency.")


async def test_each_byte_that_is_altered_makes_it_refused(site: Site) -> None:
    """Somewhere in each part: key, signature, tag, chain, creator, and the arguments."""
    raw = transfer(site)
    for place in (0, 1, 40, 65, 100, 128, 130, 150, 170, 200, len(raw) - 1):
        altered = bytearray(raw)
        altered[place] ^= 1
        response = await handed_in(site, "customer", bytes(altered))
        assert response.status_code in {400, 401, 403}, (place, response.text)
    assert site.ledger.given == []


async def test_nobody_hands_in_what_somebody_else_has_signed(site: Site) -> None:
    for who in ("neighbour", "operator", "regulator"):
        assert is_problem(await handed_in(site, who, transfer(site)), 403, "ROLE_REFUSED")
    query = site.signed("customer", "currency", "book", query=True)
    assert is_problem(await handed_in(site, "operator", query, "/queries"), 403, "ROLE_REFUSED")
    assert is_problem(await handed_in(site, "nobody", transfer(site)), 403, "ORIGIN_REFUSED") is False
    assert is_problem(await handed_in(site, "nobody", transfer(site)), 401, "TICKET_INVALID")
    assert site.ledger.given == []


async def test_what_is_no_envelope_or_of_another_kind_is_refused(site: Site) -> None:
    for raw in (b"", b"\x00", b"{}", bytes(200), transfer(site)[:-1], transfer(site) + b"\x00"):
        assert is_problem(await handed_in(site, "customer", raw), 400, "TRANSACTION_MALFORMED")
    query = site.signed("customer", "currency", "book", query=True)
    assert is_problem(await handed_in(site, "customer", query), 400, "TRANSACTION_MALFORMED")
    assert is_problem(await handed_in(site, "customer", transfer(site), "/queries"), 400, "TRANSACTION_MALFORMED")
    as_json = {"content-type": "application/json"}
    assert is_problem(await handed_in(site, "customer", transfer(site), **as_json), 415, "MEDIA_TYPE_REFUSED")


async def test_another_page_hands_in_nothing(site: Site) -> None:
    elsewhere = {"origin": "https://elsewhere.example"}
    assert is_problem(await handed_in(site, "customer", transfer(site), **elsewhere), 403, "ORIGIN_REFUSED")


async def test_a_question_is_answered_to_whom_the_contract_lets(site: Site) -> None:
    own = site.signed("customer", "currency", "balance", query=True, account=site.people["customer"].id)
    answer = (await handed_in(site, "customer", own, "/queries")).json()
    assert answer["result"]["available_minor"] >= 0
    assert answer["height"] == site.town.ledger.height
    other = site.signed("neighbour", "currency", "balance", query=True, account=site.people["customer"].id)
    refused = await handed_in(site, "neighbour", other, "/queries")
    assert is_problem(refused, 409, "currency.NOT_YOUR_ACCOUNT")


async def test_nodes_that_are_away_are_a_503_and_a_full_node_says_when(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.cookie("customer")
    site.ledger.is_away = True
    assert is_problem(await handed_in(site, "customer", transfer(site)), 503, "NODE_UNREACHABLE")
    site.ledger.is_away = False

    async def full(*_: object, **__: object) -> Outcome:
        raise MempoolFull("later", retry_ms=1_500)

    monkeypatch.setattr(site.ledger, "submit_signed", full)
    refused = await handed_in(site, "customer", transfer(site))
    assert is_problem(refused, 429, "MEMPOOL_FULL")
    assert refused.headers["retry-after"] == "2"


async def test_what_waits_for_its_block_is_a_202_and_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asked has left; the transaction is not taken back."""
    release, ended = asyncio.Event(), asyncio.Event()

    async def slow(signed: Signed, *, wait: Wait = Wait.COMMITTED, raise_refused: bool = True) -> Outcome:
        await release.wait()
        ended.set()
        return Outcome(signed.id, Stage.COMMITTED, "OK")

    monkeypatch.setattr(site.ledger, "submit_signed", slow)
    response = await handed_in(site, "customer", transfer(site), "/transactions?wait_ms=1")
    assert (response.status_code, response.json()["stage"]) == (202, "waiting")
    monkeypatch.setattr(submitting, "UNDER_WAY", 1)
    assert is_problem(await handed_in(site, "customer", transfer(site)), 429, "RATE_LIMITED")
    release.set()
    await asyncio.wait_for(ended.wait(), 10)
    assert (await handed_in(site, "customer", transfer(site))).status_code == 200


async def test_an_outcome_that_stays_unknown_is_a_202_and_one_that_never_comes_a_refusal(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unknown(*_: object, **__: object) -> Outcome:
        raise CommitUnknown("the wait ended first")

    async def never(signed: Signed, **__: object) -> Outcome:
        return Outcome(signed.id, Stage.NEVER, "TRANSACTION_EXPIRED", "block time has passed it")

    monkeypatch.setattr(site.ledger, "submit_signed", unknown)
    assert (await handed_in(site, "customer", transfer(site))).status_code == 202
    monkeypatch.setattr(site.ledger, "submit_signed", never)
    assert is_problem(await handed_in(site, "customer", transfer(site)), 409, "TRANSACTION_EXPIRED")


async def test_a_transaction_of_another_ledger_or_out_of_date_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = transfer(site)
    site.town.ledger.advance(minutes=5)
    refused = await handed_in(site, "customer", raw)
    assert is_problem(refused, 409, "TRANSACTION_EXPIRED")
    monkeypatch.setattr(site.asking, "chain_id", bytes(32))
    assert is_problem(await handed_in(site, "customer", transfer(site)), 400, "WRONG_CHAIN")
