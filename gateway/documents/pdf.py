"""The bill on paper: what, how much, until when; then how it was computed, line by line; and the way to its proof.

    page 1    who and for whom; a panel with the amount, the day, and the QR code; where the energy came from;
              what it is for; then the lines, on as many pages as they take, under a head that comes back
    the end   sums, four sentences that explain, and the proof in words

Set in Helvetica, which every reader has: nothing of this machine's fonts goes in, so the same bill is the same bytes.
What that font lacks is written without its accents.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import segno
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from gateway.documents.bill import LATE_FEE, Bill, Line
from gateway.documents.groups import LISTED, Flows, Group, Section, flows, remainder_pico, sections, summary
from gateway.documents.speech import MINUS, Speech

LINES_LIMIT: Final = 2_000
_FONT: Final = "helvetica"
_ENCODING: Final = "windows-1252"
_EDGE: Final = 18.0
_WIDTH: Final = 210.0 - 2 * _EDGE
_FOOT: Final = 20.0
_ROW: Final = 5.4
_COLUMNS: Final = (86.0, 32.0, 30.0, 26.0)
_QR: Final = 31.0
_PICO: Final = 12
_PAGES: Final = "¤"  # stands for the number of pages until it is known; as wide as a digit

_Colour = tuple[int, int, int]
_INK: Final[_Colour] = (23, 32, 42)
_SOFT: Final[_Colour] = (96, 108, 118)
_HAIR: Final[_Colour] = (217, 223, 228)
_PANEL: Final[_Colour] = (240, 246, 245)
_ACCENT: Final[_Colour] = (11, 107, 97)
_WARM: Final[_Colour] = (172, 58, 34)
_SOURCES: Final[dict[str, _Colour]] = {
    "grid": (70, 88, 105),
    "trade": (11, 134, 120),
    "pool": (92, 168, 120),
    "prepaid": (214, 158, 46),
}


def pdf(bill: Bill, speech: Speech) -> bytes:
    """The document. Refuses nothing: `read_view` has looked at the lines."""
    assert len(bill.invoice.lines) <= LINES_LIMIT, "an invoice has as many lines as a value of the ledger holds"
    page = _Paper(bill, speech)
    _heading(page)
    _panel(page)
    _facts(page)
    _pictures(page, flows(bill.invoice))
    _overview(page, summary(bill.invoice))
    _details(page, sections(bill.invoice))
    _sums(page)
    _notes(page)
    return bytes(page.output())


def plain(text: str) -> str:
    """As the font can write it."""
    made = []
    for letter in unicodedata.normalize("NFC", text).replace(MINUS, "–"):
        for known in (letter, "".join(one for one in unicodedata.normalize("NFKD", letter) if ord(one) < 128), "?"):
            try:
                known.encode(_ENCODING)
            except UnicodeEncodeError:
                continue
            if known and known.isprintable():
                made.append(known)
                break
            if known == "?" or known.isspace():
                made.append(" " if known.isspace() else known)
                break
    return "".join(made)


class _Paper(FPDF):
    """Pages of one bill, with what stands on each of them."""

    def __init__(self, bill: Bill, speech: Speech) -> None:
        super().__init__(format="A4")
        self.bill, self.speech = bill, speech
        self.core_fonts_encoding = _ENCODING
        self.table_goes_on = False
        self.alias_nb_pages(_PAGES)
        self.set_margins(_EDGE, 16, _EDGE)
        self.set_auto_page_break(auto=True, margin=_FOOT)
        self.set_creation_date(datetime.fromtimestamp(bill.invoice.issued_ms // 1_000, UTC))
        self.set_lang(speech.tag)
        self.set_title(plain(f"{speech['bill']} {bill.invoice.id}"))
        self.set_author(plain(bill.names.utility or bill.invoice.utility))
        self.set_creator("ledgernode")
        self.set_producer("ledgernode")
        self.add_page()

    # ------------------------------------------------------------ on each page

    def header(self) -> None:
        self.set_fill_color(*_ACCENT)
        self.rect(0, 0, 210, 3.2, style="F")
        self.set_y(16)
        if self.page_no() > 1:
            self.ink(8.5, _SOFT)
            self.put(f"{self.speech['bill']} {self.bill.invoice.id}", _WIDTH / 2)
            self.put(self.speech["carried"], _WIDTH / 2, align="R", down=True)
            self.ln(4)
            if self.table_goes_on:
                _column_heads(self)

    def footer(self) -> None:
        self.set_y(-13)
        self.hair(self.get_y() - 1.5)
        self.ink(7.5, _SOFT)
        self.put(self.bill.names.utility or self.bill.invoice.utility, _WIDTH / 2)
        self.put(self.speech["page"].format(self.page_no(), _PAGES), _WIDTH / 2, align="R")

    # ------------------------------------------------------------ strokes

    def ink(self, size: float, colour: _Colour = _INK, *, bold: bool = False) -> None:
        self.set_font(_FONT, "B" if bold else "", size)
        self.set_text_color(*colour)

    def put(self, text: str, width: float, *, height: float = _ROW, align: str = "L", down: bool = False) -> None:
        """One line of text, shortened to the width."""
        self.cell(
            width,
            height,
            self.fitting(plain(text), width),
            align=align,
            new_x=XPos.LMARGIN if down else XPos.RIGHT,
            new_y=YPos.NEXT if down else YPos.TOP,
        )

    def fitting(self, text: str, width: float) -> str:
        if self.get_string_width(text) <= width - 2 * self.c_margin:
            return text
        while text and self.get_string_width(text + "…") > width - 2 * self.c_margin:
            text = text[:-1]
        return text.rstrip() + "…"

    def hair(self, y: float, colour: _Colour = _HAIR) -> None:
        self.set_draw_color(*colour)
        self.set_line_width(0.2)
        self.line(_EDGE, y, _EDGE + _WIDTH, y)

    def room(self, height: float) -> None:
        """Go on to the next page where so much does not fit any more."""
        if self.will_page_break(height):
            self.add_page()

    def money(self, amount_minor: int) -> str:
        return self.speech.money(amount_minor, self.bill.ground.currency, self.bill.ground.digits)


# ---------------------------------------------------------------- the first page


def _heading(page: _Paper) -> None:
    """Who bills, and whom."""
    bill, speech = page.bill, page.speech
    top = page.get_y()
    page.ink(15, bold=True)
    page.put(bill.names.utility or bill.invoice.utility, _WIDTH * 0.6, height=8, down=True)
    page.ink(8.5, _SOFT)
    for line in bill.names.utility_lines[:4]:
        page.put(line, _WIDTH * 0.6, height=4.2, down=True)
    left = page.get_y()
    page.set_xy(_EDGE + _WIDTH * 0.6, top)
    page.ink(15, _ACCENT, bold=True)
    word = "late_bill" if bill.invoice.kind == LATE_FEE else "bill"
    page.put(speech[word], _WIDTH * 0.4, height=8, align="R", down=True)
    page.set_x(_EDGE + _WIDTH * 0.6)
    page.ink(8.5, _SOFT)
    page.put(bill.invoice.id, _WIDTH * 0.4, height=4.2, align="R", down=True)
    page.set_y(max(left, page.get_y()) + 5)
    if bill.names.customer:
        page.ink(10)
        page.put(bill.names.customer, _WIDTH * 0.6, height=5, down=True)
        for line in bill.names.customer_lines[:4]:
            page.put(line, _WIDTH * 0.6, height=5, down=True)
        page.ln(3)


def _panel(page: _Paper) -> None:
    """The one thing to know, and the way to its proof."""
    top, height = page.get_y(), 41.0
    page.set_fill_color(*_PANEL)
    page.rect(_EDGE, top, _WIDTH, height, style="F", round_corners=True, corner_radius=3)
    _code(page, page.bill.address, _EDGE + _WIDTH - _QR - 5, top + 5)
    headline, amount_minor, below, colour = _standing(page)
    wide = _WIDTH - _QR - 20
    page.set_xy(_EDGE + 6, top + 6)
    page.ink(10, _SOFT)
    page.put(headline, wide, down=True)
    page.set_x(_EDGE + 6)
    page.ink(29, colour, bold=True)
    page.put(page.money(amount_minor), wide, height=13, down=True)
    page.set_x(_EDGE + 6)
    page.ink(11, bold=True)
    page.put(below, wide, height=7, down=True)
    page.set_x(_EDGE + 6)
    page.ink(8, _SOFT)
    page.put(page.speech["scan"], wide, height=7, down=True)
    page.set_y(top + height + 6)


def _standing(page: _Paper) -> tuple[str, int, str, _Colour]:
    """(what, how much, until when, in which colour)."""
    bill, speech = page.bill, page.speech
    total_minor, status = bill.invoice.total_minor, bill.standing.status
    if total_minor < 0:
        return speech["your_favour"], -total_minor, speech["is_credit"], _ACCENT
    if status == "handed_over":
        return speech["to_pay"], total_minor, speech["handed_over"], _INK
    if not bill.open_minor:
        word = "nothing" if not total_minor else "credited_all" if status == "credited" else "paid_all"
        return speech["total"], total_minor, speech[word], _ACCENT
    due = speech.date(bill.standing.due_ms, bill.ground.zone)
    if status == "disputed":
        return speech["to_pay"], bill.open_minor, speech["disputed"], _INK
    if status == "overdue":
        return speech["to_pay"], bill.open_minor, speech["overdue"].format(due), _WARM
    return speech["to_pay"], bill.open_minor, speech["by"].format(due), _INK


def _code(page: _Paper, address: str, left: float, top: float) -> None:
    """A QR code as black squares on white: sharp in any size."""
    matrix = segno.make(address, error="m", micro=False, boost_error=False).matrix
    side = _QR / (len(matrix) + 4)
    page.set_fill_color(255, 255, 255)
    page.rect(left, top, _QR, _QR, style="F", round_corners=True, corner_radius=1.5)
    page.set_fill_color(0, 0, 0)
    for row, cells in enumerate(matrix):
        for start, width in _runs(cells):
            page.rect(left + side * (start + 2), top + side * (row + 2), side * width, side, style="F")
    page.link(left, top, _QR, _QR, address)


def _runs(cells: Sequence[int]) -> Iterable[tuple[int, int]]:
    """(start, length) of the dark cells of a row."""
    start = -1
    for at, cell in enumerate([*cells, 0]):
        if cell and start < 0:
            start = at
        elif not cell and start >= 0:
            yield start, at - start
            start = -1


def _facts(page: _Paper) -> None:
    bill, speech, zone = page.bill, page.speech, page.bill.ground.zone
    invoice = bill.invoice
    tariffs = list(dict.fromkeys(part.tariff for part in invoice.parts))
    told = [
        ("period", speech.span(invoice.from_ms, invoice.until_ms, zone)),
        ("issued", speech.date(invoice.issued_ms, zone)),
        ("customer", invoice.customer),
        ("point", bill.names.place or invoice.point),
    ]
    if invoice.about:
        told.append(("about", invoice.about))
    elif tariffs:
        told.append(("tariff", ", ".join(tariffs)))
    for at, (word, value) in enumerate(told):
        page.set_x(_EDGE + (at % 2) * _WIDTH / 2)
        page.ink(8.5, _SOFT)
        page.put(speech[word], 26)
        page.ink(9)
        page.put(value, _WIDTH / 2 - 26, down=at % 2 == 1 or at == len(told) - 1)
    page.ln(5)


def _pictures(page: _Paper, found: Flows) -> None:
    """Where energy came from and went, as bars."""
    shown = [(word, parts) for word, parts in (("came_from", found.taken), ("went_to", found.given)) if parts]
    for word, parts in shown:
        page.room(20)
        whole = sum(mwh for _, mwh in parts)
        page.ink(9, bold=True)
        page.put(page.speech[word], _WIDTH * 0.7, height=6)
        page.put(page.speech.energy(whole), _WIDTH * 0.3, height=6, align="R", down=True)
        left, top = _EDGE + 1, page.get_y()
        for name, mwh in parts:
            width = (_WIDTH - 2) * mwh / whole
            page.set_fill_color(*_SOURCES[name])
            page.rect(left, top, max(width - 0.4, 0.2), 4.2, style="F")
            left += width
        page.set_y(top + 5.4)
        for name, mwh in parts:
            page.set_fill_color(*_SOURCES[name])
            page.rect(page.get_x() + 1, page.get_y() + 1.2, 2, 2, style="F")
            page.set_x(page.get_x() + 3.5)
            page.ink(8, _SOFT)
            text = f"{page.speech[name]} {page.speech.energy(mwh)}"
            page.put(text, page.get_string_width(plain(text)) + 8, height=4.4)
        page.ln(8)


def _overview(page: _Paper, groups: Sequence[Group]) -> None:
    """The bill in a few rows."""
    if len(groups) < 2:
        return
    page.room(10 + _ROW * (len(groups) + 1))
    _title(page, page.speech["overview"])
    for group in groups:
        page.ink(9.5)
        page.put(page.speech[group.name], _WIDTH - 40, height=6)
        page.put(page.money(group.amount_minor), 40, height=6, align="R", down=True)
        page.hair(page.get_y())
    page.ink(9.5, bold=True)
    page.put(page.speech["total"], _WIDTH - 40, height=7)
    page.put(page.money(page.bill.invoice.total_minor), 40, height=7, align="R", down=True)
    page.ln(4)


def _title(page: _Paper, text: str) -> None:
    page.ink(11, _ACCENT, bold=True)
    page.put(text, _WIDTH, height=7, down=True)


# ---------------------------------------------------------------- line by line


def _details(page: _Paper, found: Sequence[Section]) -> None:
    page.room(34)
    _title(page, page.speech["details"])
    _column_heads(page)
    page.table_goes_on = True
    for section in found:
        title, about = _section_title(page, section)
        if title:
            page.room(_ROW * 4)
            page.ln(1.5)
            page.ink(9.5, bold=True)
            page.put(title, _COLUMNS[0])
            page.ink(8, _SOFT)
            page.put(about, sum(_COLUMNS[1:]), align="R", down=True)
        for group in section.groups:
            _group(page, group)
    page.table_goes_on = False


def _section_title(page: _Paper, section: Section) -> tuple[str, str]:
    speech, zone = page.speech, page.bill.ground.zone
    if section.corrects is not None:
        return speech["corrections"].format(speech.month(*section.corrects)), ""
    part = section.part
    if part is None:
        return "", ""
    about = speech["of_version"].format(part.tariff, speech.date(part.version_ms, zone))
    if part.prepaid:
        about = f"{speech['prepaid_point']} · {about}"
    return speech.span(part.from_ms, part.until_ms, zone), about


def _column_heads(page: _Paper) -> None:
    page.ink(8, _SOFT)
    heads = ("col_what", "col_quantity", "col_price", "col_amount")
    for at, (word, width) in enumerate(zip(heads, _COLUMNS, strict=True)):
        page.put(page.speech[word], width, align="R" if at else "L", down=at == len(_COLUMNS) - 1)
    page.hair(page.get_y(), _SOFT)
    page.ln(0.8)


def _group(page: _Paper, group: Group) -> None:
    page.room(_ROW * 2)
    listed = group.name == LISTED
    page.ink(8.5, _ACCENT if not listed else _SOFT, bold=True)
    page.put(page.speech[group.name], _COLUMNS[0] + _COLUMNS[1] + _COLUMNS[2])
    page.put("" if listed else page.money(group.amount_minor), _COLUMNS[3], align="R", down=True)
    for line in group.lines:
        page.room(_ROW)
        page.ink(9, _SOFT if listed else _INK)
        cells = (
            "  " + described(line, page.speech),
            _quantity(page, line),
            _price(page, line),
            "" if listed else page.money(line.amount_minor),
        )
        for at, (text, width) in enumerate(zip(cells, _COLUMNS, strict=True)):
            page.put(text, width, align="R" if at else "L", down=at == len(_COLUMNS) - 1)
    page.hair(page.get_y() + 0.4)
    page.ln(1.6)


def described(line: Line, speech: Speech) -> str:
    """A line in words."""
    name = _named(line.name, speech)
    match line.kind:
        case "tax":
            return f"{speech['line_tax'].format(speech.rate(line.price_micro)).strip()}{_behind(name)}"
        case "late_fee" if line.unit == "minor":
            return speech["line_late_rate"].format(speech.rate(line.price_micro))
        case "late_fee":
            return speech["line_late_fee"]
        case "levy":
            return name or speech["line_levy"]
        case "listed":
            return name
    word = f"line_{line.kind}"
    return (speech[word] if word in speech.words else line.kind) + _behind(name)


def _behind(name: str) -> str:
    return f", {name}" if name else ""


def _named(name: str, speech: Speech) -> str:
    """Names that contracts give are spoken; those that a utility gives stand as they are."""
    known = "name_" + name.replace(" ", "_")
    if known in speech.words:
        return speech[known]
    head, _, number = name.partition(" ")
    return speech["name_step"].format(number) if head == "step" and number.isdigit() else name


def _quantity(page: _Paper, line: Line) -> str:
    speech = page.speech
    match line.unit:
        case "mwh":
            return speech.energy(line.quantity)
        case "mvarh":
            return speech.energy(line.quantity).replace("kWh", "kvarh")
        case "w":
            return f"{speech.number(line.quantity, 3)} kW"
        case "minor":
            return speech["on"].format(page.money(line.quantity))
        case "days":
            return speech["day" if line.quantity == 1 else "days"].format(speech.number(line.quantity))
        case "times" | "adjustments":
            return speech[line.unit].format(speech.number(line.quantity))
    return f"{speech.number(line.quantity)} {line.unit}"


def _price(page: _Paper, line: Line) -> str:
    if line.kind in ("tax", "late_fee") or not line.price_micro:
        return ""
    return page.speech.price(line.price_micro, page.bill.ground.currency, "kvarh" if line.unit == "mvarh" else "kWh")


# ---------------------------------------------------------------- the end


def _sums(page: _Paper) -> None:
    bill, speech = page.bill, page.speech
    rows = [("total", bill.invoice.total_minor)]
    for word, amount_minor in (("paid", -bill.standing.paid_minor), ("credited", -bill.standing.credited_minor)):
        if amount_minor:
            rows.append((word, amount_minor))
    if len(rows) > 1:
        rows.append(("open", bill.open_minor))
    page.room(7 * len(rows) + 4)
    page.ln(1)
    for at, (word, amount_minor) in enumerate(rows):
        last = at == len(rows) - 1
        page.ink(11 if last else 9.5, bold=last)
        page.put(speech[word], _WIDTH - 50, height=7)
        page.put(page.money(amount_minor), 50, height=7, align="R", down=True)
    page.ln(4)


def _notes(page: _Paper) -> None:
    bill, speech = page.bill, page.speech
    rest = remainder_pico(bill.invoice)
    places = speech.number(rest, _PICO, least=bill.ground.digits)
    said = [speech["note_lines"]]
    if rest:
        said[0] += " " + speech["note_rounding"].format(f"{places} {bill.ground.currency}")
    if bill.open_minor and bill.standing.status not in ("disputed", "handed_over"):
        said.append(speech["note_pay"])
        said.append(speech["note_wrong"].format(bill.names.utility or bill.invoice.utility))
    proof = speech["note_proof"].format(speech.number(bill.proof.height), bill.proof.transaction)
    page.room(5 + 9 * (len(said) + 2))
    page.hair(page.get_y())
    page.ln(3)
    for text in [*said, proof]:
        page.ink(8, _SOFT)
        page.multi_cell(_WIDTH, 4, plain(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        page.ln(1)
    page.ink(8, _ACCENT)
    page.cell(_WIDTH, 4, plain(bill.address), link=bill.address, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
