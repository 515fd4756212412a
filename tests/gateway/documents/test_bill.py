"""A bill as a document: everything on it, nothing twice, the same bytes each time."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
import zlib

import msgspec
import pytest

from gateway.documents.bill import Line, Part, read_view
from gateway.documents.groups import Flows, flows, remainder_pico, sections, summary
from gateway.documents.pdf import pdf, plain
from gateway.documents.speech import SPEECHES, speech_of
from gateway.documents.table import COLUMNS, bill_csv
from ledgernode.errors import BadRequest
from tests.gateway.documents.bills import BERLIN, FEBRUARY_MS, JANUARY_MS, LINES, bill

ENGLISH, GERMAN = SPEECHES["en"], SPEECHES["de"]
MANY = LINES + tuple(
    Line("import", f"correction 2025-{month} band {number}", -1_000_000, "mwh", 312_400, -31)
    for month in (11, 12)
    for number in range(40)
)
_TEXT = re.compile(rb"\(((?:[^()\\]|\\.)*)\) Tj")


def said(document: bytes) -> list[str]:
    """Every piece of text, in order of the pages."""
    streams = map(zlib.decompress, re.findall(rb"stream\n(.*?)\nendstream", document, re.DOTALL))
    raw = [re.sub(rb"\\(.)", rb"\1", one) for stream in streams for one in _TEXT.findall(stream)]
    return [one.decode("cp1252").replace("\xa0", " ").strip() for one in raw]


def pages(document: bytes) -> int:
    return len(re.findall(rb"/Type /Page\n", document))


def test_a_bill_says_what_how_much_and_until_when() -> None:
    text = said(pdf(bill(), ENGLISH))
    for words in ("To pay", "€111.80", "by 17 February 2026", "north:1042", "Northern Light & Power"):
        assert words in text
    assert "148.312 kWh" in text
    assert "€0.3124/kWh" in text
    assert "–€0.0820/kWh" in text
    assert "Tax 19 %" in text
    assert "on €98.32" in text
    assert "tariff north:home-2026 as of 1 January 2026" in text


def test_every_line_stands_there_once_on_as_many_pages_as_it_takes() -> None:
    document = pdf(bill(MANY, own=len(LINES)), ENGLISH)
    text = said(document)
    assert pages(document) >= 3
    for number in range(40):
        assert text.count(f"Energy, band {number}") == 2
    assert "Corrections of November 2025" in text
    assert [one for one in text if one.startswith("Page")] == [f"Page {at + 1} of" for at in range(pages(document))]
    assert text.count("Quantity") == len([1 for one in text if one == "Amount"])
    assert pages(pdf(bill(), ENGLISH)) == 2


def test_another_language_says_all_of_it_in_its_own_manner() -> None:
    text = said(pdf(bill(), GERMAN))
    assert "111,80 €" in text
    assert "bis 17. Februar 2026" in text
    assert "–0,0820 €/kWh" in text
    assert set(ENGLISH.words) == set(GERMAN.words)
    for word, words in ENGLISH.words.items():
        assert words.count("{}") == GERMAN[word].count("{}"), word


@pytest.mark.parametrize(
    ("wanted", "tag"),
    [("de-AT,de;q=0.9,en;q=0.8", "de"), ("fr, de;q=0.5", "de"), ("", "en"), ("xx", "en"), ("EN", "en")],
)
def test_the_first_language_that_is_spoken_is_taken(wanted: str, tag: str) -> None:
    assert speech_of(wanted).tag == tag


@pytest.mark.parametrize(
    ("lines", "standing", "told"),
    [
        (LINES, {"status": "overdue"}, "overdue since 17 February 2026"),
        (LINES, {"status": "disputed"}, "in dispute: nothing is due until it is decided"),
        (LINES, {"status": "paid", "paid_minor": 11_180}, "Paid, nothing is left to pay"),
        (LINES, {"status": "handed_over"}, "comes off your next prepaid purchases"),
        (LINES, {"status": "partly", "paid_minor": 1_180}, "€100.00"),
        (LINES[-1:], {"status": "paid"}, "added to your credit"),
        (LINES[:3], {"status": "paid"}, "Nothing to pay"),
    ],
)
def test_how_it_stands_is_the_first_thing_said(lines: tuple[Line, ...], standing: dict[str, int], told: str) -> None:
    assert told in said(pdf(bill(lines, standing=standing), ENGLISH))


def test_a_late_fee_is_a_bill_of_its_own() -> None:
    fee = (Line("late_fee", "fee", 1, "times", 0, 500), Line("late_fee", "rate", 11_180, "minor", 10_000, 112))
    text = said(pdf(bill(fee, bare=True, kind="late_fee", about="north:1042", id="north:1050"), ENGLISH))
    assert "Late fee" in text
    assert "Late fee 1 %" in text
    assert "on €111.80" in text
    assert "For bill" in text


@pytest.mark.slow
def test_the_same_bill_is_the_same_bytes_in_another_process_too() -> None:
    made = pdf(bill(), ENGLISH)
    again = "import sys; from tests.gateway.documents.bills import bill; from gateway.documents import pdf, speech;"
    again += "sys.stdout.buffer.write(pdf.pdf(bill(), speech.SPEECHES['en']))"
    other = subprocess.run([sys.executable, "-c", again], capture_output=True, check=True, env={"TZ": "Asia/Tokyo"})
    assert other.stdout == made
    assert pdf(bill(total_minor=11_180, customer="north:c-2042"), ENGLISH) != made


def test_the_code_leads_to_the_proof() -> None:
    """The squares are those of the address, and a click leads there too."""
    document = pdf(bill(), ENGLISH)
    assert b"/URI (https://console.north.example/verify/north:1042)" in document
    assert bill().address == "https://console.north.example/verify/north:1042"
    assert pdf(bill(id="north:1043"), ENGLISH) != document


def test_letters_that_the_font_lacks_lose_their_accents_alone() -> None:
    assert plain("Łódź – Größe 5 €") == "?ódz – Größe 5 €"
    assert plain("e\u0301tage\x00\u202e") == "étage??"
    assert pdf(bill(customer="家" * 300), ENGLISH)


# ---------------------------------------------------------------- what is grouped


def test_no_line_is_left_out_or_counted_twice() -> None:
    invoice = bill(MANY, own=len(LINES)).invoice
    lines = [line for section in sections(invoice) for group in section.groups for line in group.lines]
    assert len(lines) == len(invoice.lines)
    assert sum(group.amount_minor for section in sections(invoice) for group in section.groups) == invoice.total_minor
    assert sum(group.amount_minor for group in summary(invoice)) == invoice.total_minor
    assert [section.corrects for section in sections(invoice)] == [None, (2025, 11), (2025, 12)]


def test_a_bill_of_two_stays_is_told_stay_by_stay() -> None:
    middle = JANUARY_MS + 10 * 86_400_000
    two = (
        Part(JANUARY_MS, middle, "north:a", JANUARY_MS, prepaid=False, lines=5),
        Part(middle, FEBRUARY_MS, "north:b", middle, prepaid=True, lines=len(LINES) - 5),
    )
    text = said(pdf(bill(parts=two), ENGLISH))
    assert "1 – 10 January 2026" in text
    assert "prepaid meter · tariff north:b as of 11 January 2026" in text


def test_flows_are_those_of_the_bills_own_time() -> None:
    found = flows(bill(MANY, own=len(LINES)).invoice)
    assert found == Flows(
        (("grid", 240_316_457), ("trade", 41_250_000), ("pool", 12_804_113)),
        (("grid", 63_450_000), ("trade", 8_500_000)),
    )


def test_numbers_are_written_without_floats() -> None:
    assert ENGLISH.money(-1_234_567, "EUR", 2) == "−€12,345.67"
    assert GERMAN.money(1_234_567, "CHF", 2) == "12.345,67\xa0CHF"
    assert ENGLISH.money(5, "JPY", 0) == "JPY\xa05"
    assert ENGLISH.energy(9_007_199_254_740_991) == "9,007,199,254.741\xa0kWh"
    assert ENGLISH.energy(-500) == "−0.001\xa0kWh"
    assert ENGLISH.price(123_456, "EUR", "kWh") == "€0.123456/kWh"
    assert ENGLISH.rate(75_000) == "7.5\xa0%"
    assert ENGLISH.span(JANUARY_MS, FEBRUARY_MS, BERLIN) == "1\xa0–\xa031\xa0January\xa02026"


# ---------------------------------------------------------------- what comes in, what goes out


def test_the_contracts_answer_is_read_and_looked_at() -> None:
    good = bill()
    view = {"invoice": good.invoice, "standing": {**msgspec.to_builtins(good.standing), "stage": ""}, "open_minor": 1}
    assert read_view(msgspec.json.encode(view)) == (good.invoice, good.standing)
    with pytest.raises(BadRequest, match="not its total"):
        read_view(msgspec.json.encode({**view, "invoice": msgspec.structs.replace(good.invoice, total_minor=1)}))
    stays = (msgspec.structs.replace(good.invoice.parts[0], lines=99),)
    beyond = msgspec.json.encode({**view, "invoice": msgspec.structs.replace(good.invoice, parts=stays)})
    with pytest.raises(BadRequest, match="more lines"):
        read_view(beyond)
    with pytest.raises(BadRequest, match="no invoice"):
        read_view(b'{"invoice": 1.5}')


def test_the_table_has_every_figure_exactly_and_the_total() -> None:
    rows = list(csv.DictReader(io.StringIO(bill_csv(bill(MANY, own=len(LINES))).decode())))
    assert tuple(rows[0]) == COLUMNS
    assert [int(row["quantity"]) for row in rows[:-1]] == [line.quantity for line in MANY]
    assert sum(int(row["amount_minor"]) for row in rows[:-1]) == int(rows[-1]["amount_minor"])
    assert sum(int(row["remainder_pico"]) for row in rows) == remainder_pico(bill(MANY).invoice)
    assert rows[0]["tariff"] == "north:home-2026"
    assert rows[len(LINES)]["tariff"] == ""


def test_no_cell_of_the_table_is_a_formula() -> None:
    lines = (Line("levy", '=HYPERLINK("x")', 1, "mwh", -5, -1),)
    text = bill_csv(bill(lines)).decode()
    assert "\"'=HYPERLINK" in text
    assert ",-5,-1," in text
