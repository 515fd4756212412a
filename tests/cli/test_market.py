"""`ledgernode market clear`: the answer as promised, a page for people, and faults that name themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chaincode.clearing import MECHANISMS
from tests.cli.command_line import command, done


def order(id: str, owner: str, energy_wh: Any, price: Any, **more: Any) -> dict[str, Any]:
    return {"id": id, "owner": owner, "energy_wh": energy_wh, "price_micro_per_kwh": price, **more}


EVENING = {
    "bids": [
        order("b1", "ada", 2_000, 300_000),
        order("b2", "ben", 1_000, 250_000),
        order("b3", "cem", 1_000, 100_000),
    ],
    "asks": [order("s1", "dia", 1_000, 80_000), order("s2", "eli", 2_000, 150_000), order("s3", "fay", 1_000, 280_000)],
}


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "BOOK.json"
    path.write_text(json.dumps(EVENING))
    return path


def test_the_answer_is_the_promised_document(book: Path) -> None:
    """Volume, price, welfare, matches; nothing else."""
    assert done("market", "clear", "--mechanism", "uniform", "--json", book).document == {
        "volume_wh": 3_000,
        "price_micro_per_kwh": 200_000,
        "welfare_micro": 470_000,
        "matches": [
            {"bid": "b1", "ask": "s1", "energy_wh": 1_000, "price_micro_per_kwh": 200_000},
            {"bid": "b1", "ask": "s2", "energy_wh": 1_000, "price_micro_per_kwh": 200_000},
            {"bid": "b2", "ask": "s2", "energy_wh": 1_000, "price_micro_per_kwh": 200_000},
        ],
    }


@pytest.mark.parametrize(
    ("mechanism", "price", "volume_wh"),
    [
        ("uniform", 200_000, 3_000),
        ("pay-as-bid", None, 3_000),
        ("truthful", None, 1_000),
        ("central", None, 3_000),
        ("mid-market", 190_000, 3_000),
        ("bill-share", None, 3_000),
    ],
)
def test_every_mechanism_has_its_name(book: Path, mechanism: str, price: int | None, volume_wh: int) -> None:
    """The price is null where there is none for all."""
    found = done("market", "clear", "--mechanism", mechanism, "--json", book).document
    assert (found["price_micro_per_kwh"], found["volume_wh"]) == (price, volume_wh)
    assert mechanism in MECHANISMS


def test_where_two_prices_may_differ_both_are_shown(book: Path) -> None:
    """What sellers get, what buyers pay, and what is left over between them."""
    found = done("market", "clear", "--mechanism", "truthful", "--json", book).document
    (match,) = found["matches"]
    assert (match["price_micro_per_kwh"], match["buyer_price_micro_per_kwh"]) == (150_000, 250_000)
    assert found["surplus_micro"] == 100_000


def test_a_book_may_come_through_a_pipe() -> None:
    """`-` is standard input; an empty side has no price."""
    text = json.dumps({**EVENING, "asks": []})
    found = done("market", "clear", "--mechanism", "uniform", "--json", "-", input=text).document
    assert found == {"volume_wh": 0, "price_micro_per_kwh": None, "welfare_micro": 0, "matches": []}


def test_outside_prices_are_of_the_middle_of_the_market(book: Path) -> None:
    """--retail and --feed-in set it; other mechanisms have no use for them."""
    outside = ("--retail", 320_000, "--feed-in", 60_000)
    found = done("market", "clear", "--mechanism", "mid-market", *outside, "--json", book).document
    assert found["price_micro_per_kwh"] == 190_000
    refused = command("market", "clear", "--mechanism", "uniform", *outside, "--json", book)
    assert refused.error["code"] == "REQUEST_INVALID"


def test_a_person_sees_sums_matches_and_the_curves(book: Path) -> None:
    """A table and a plot; prices in major units a kWh."""
    out = done("market", "clear", "--mechanism", "uniform", book).out
    assert "0.200000 a kWh" in out
    assert "3.000 kWh" in out
    assert [row.split() for row in out.splitlines() if row.startswith("b2")] == [
        ["b2", "ben", "s2", "eli", "1.000", "0.200000", "0.200000"]
    ]
    plot = [row.partition("|")[2] for row in out.splitlines() if "|" in row]
    assert len(plot) == 12
    assert plot[0] == "b" * 30  # ada's two of four kWh, at the highest price
    assert plot[-1] == "s" * 15
    assert "-" * 60 in plot
    empty = done("market", "clear", "--mechanism", "uniform", "-", input='{"bids": [], "asks": []}').out
    assert "no bid meets an ask" in empty
    assert "|" not in empty


def test_many_matches_are_cut_for_a_person(tmp_path: Path) -> None:
    """All of them are in the document."""
    bids = [order(f"b{n}", f"buyer-{n}", 10, 50) for n in range(100)]
    asks = [order(f"s{n}", f"seller-{n}", 10, 40) for n in range(100)]
    (tmp_path / "book.json").write_text(json.dumps({"bids": bids, "asks": asks}))
    assert "and 60 more matches" in done("market", "clear", "--mechanism", "central", tmp_path / "book.json").out


BID = order("b", "ada", 5, 5)


@pytest.mark.parametrize(
    ("text", "order", "field", "says"),
    [
        ({"bids": [{**BID, "energy_wh": 0}], "asks": []}, "bid b", "energy_wh", "is 1 to 1000000000000, not 0"),
        ({"bids": [{**BID, "energy_wh": 1.5}], "asks": []}, "bid b", "energy_wh", "expected `int`, got `float`"),
        ({"bids": [{**BID, "energy_wh": True}], "asks": []}, "bid b", "energy_wh", "expected `int`"),
        ({"bids": [{**BID, "energy_wh": "5"}], "asks": []}, "bid b", "energy_wh", "expected `int`, got `str`"),
        (
            {"bids": [{**BID, "price_micro_per_kwh": 10**13}], "asks": []},
            "bid b",
            "price_micro_per_kwh",
            "to 1000000000000",
        ),
        ({"bids": [BID], "asks": [BID]}, "ask b", "id", "stands twice"),
        ({"bids": [BID, {"id": "c", "owner": "d"}], "asks": []}, "bid c", "energy_wh", "missing required field"),
        ({"bids": [], "asks": [{**BID, "colour": 1}]}, "ask b", "colour", "unknown field"),
        ({"bids": [], "asks": [5]}, "ask 0", "", "expected `object`"),
        ({"bids": [], "asks": [{**BID, "id": 7}]}, "ask 0", "id", "expected `str`"),
        ({"bids": []}, "", "asks", "missing required field"),
        ({"bids": {}, "asks": []}, "", "bids", "expected `array`"),
        ({"bids": [], "asks": [], "pairs": [{"seller_feeder": "x"}]}, "pair 0", "buyer_feeder", "missing required"),
        ({"bids": [], "asks": [], "fee_micro_per_kwh": -1}, "", "fee_micro_per_kwh", "not -1"),
        ([], "", "", "expected `object`"),
    ],
)
def test_a_fault_names_order_field_and_limit(text: Any, order: str, field: str, says: str) -> None:
    """The code is BOOK_INVALID; the facts are for programs, the words for people."""
    refused = command("market", "clear", "--mechanism", "uniform", "--json", "-", input=json.dumps(text))
    error = refused.error
    assert (refused.code, error["code"]) == (2, "BOOK_INVALID")
    assert (error["facts"]["order"], error["facts"]["field"]) == (order, field)
    assert error["facts"]["limit"]
    assert says in error["message"]
    assert order in error["message"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ('{"bids": [], "asks": []} {}', "not JSON"),
        ('{"bids": [], "bids": [], "asks": []}', "stands twice"),
        ('{"bids": [{"id": NaN}], "asks": []}', "NaN is no number"),
        ('{"bids": ' + "[" * 9 + "]" * 9 + ', "asks": []}', "nested deeper than 8"),
        ('{"bids": ' + "[" * 100_000, "nested deeper than 8"),
        ('{"bids": [], "asks": [{"id": ' + "1" * 5_000 + "}]}", "not JSON"),
    ],
)
def test_what_is_no_strict_json_is_refused(text: str, says: str) -> None:
    """One meaning for every reader, and no traceback whatever comes in."""
    refused = command("market", "clear", "--mechanism", "uniform", "--json", "-", input=text)
    assert refused.error["code"] == "BOOK_INVALID"
    assert says in refused.error["message"]


def test_a_mechanism_may_refuse_a_book() -> None:
    """The rule that it broke is among the facts."""
    bids, asks = (
        [order("b", "ada", 1, 9, feeder="elm")],
        [order("s", "ben", 1, 1), order("t", "ben", 1, 1, feeder="elm")],
    )
    pairs = [{"seller_feeder": "elm", "buyer_feeder": "elm", "fee_micro_per_kwh": 3}]
    text = json.dumps({"bids": bids, "asks": asks, "pairs": pairs})
    refused = command("market", "clear", "--mechanism", "uniform", "--json", "-", input=text)
    assert (refused.error["code"], refused.error["facts"]["rule"]) == ("BOOK_INVALID", "FEES_DIFFER")
    assert done("market", "clear", "--mechanism", "central", "--json", "-", input=text).document["volume_wh"] == 1


def test_a_file_that_is_not_there_and_an_unknown_mechanism(tmp_path: Path) -> None:
    """A mistyped command line ends with exit code 2."""
    assert command("market", "clear", "--mechanism", "uniform", tmp_path / "none.json").code == 2
    unknown = command("market", "clear", "--mechanism", "lottery", "-", input="{}")
    assert unknown.code == 2
    assert "pay-as-bid" in unknown.err


def test_completion_offers_the_mechanisms() -> None:
    """What the shell asks for while typing is answered from the tree."""
    environment = {
        "_LEDGERNODE_COMPLETE": "bash_complete",
        "COMP_WORDS": "ledgernode market clear --mechanism ",
        "COMP_CWORD": "4",
    }
    assert set(done(env=environment).out.split()) == {f"plain,{name}" for name in MECHANISMS}
