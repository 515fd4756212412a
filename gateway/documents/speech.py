"""Words, numbers and dates of a language. Integers in; the decimal point is set at the last moment.

Another language is another `Speech` in `SPEECHES`: words that it lacks are looked for by the tests, not at run time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.readmodel.zones import DAY_MS, Zone, civil, offset_ms

MINUS: Final = "\N{MINUS SIGN}"
NARROW: Final = "\N{NO-BREAK SPACE}"
_SYMBOLS: Final = {"EUR": "€", "GBP": "£", "USD": "$"}


class Speech(msgspec.Struct, frozen=True):
    """`first`: the currency's sign stands before the amount."""

    tag: str
    point: str
    comma: str
    first: bool
    day: str
    months: tuple[str, ...]
    words: Mapping[str, str]

    def __getitem__(self, word: str) -> str:
        return self.words[word]

    # ------------------------------------------------------------ numbers

    def number(self, value: int, digits: int = 0, *, least: int | None = None) -> str:
        """`value` × 10^-digits, in groups of three; with `least`, zeros beyond so many places are not shown."""
        whole, rest = divmod(abs(value), 10**digits)
        places = f"{rest:0{digits}d}" if digits else ""
        if least is not None:
            places = places[:least] + places[least:].rstrip("0")
        text = f"{whole:,}".replace(",", self.comma) + (self.point + places if places else "")
        return MINUS + text if value < 0 else text

    def money(self, amount_minor: int, currency: str, digits: int) -> str:
        return self._money(self.number(abs(amount_minor), digits), currency, below=amount_minor < 0)

    def price(self, price_micro: int, currency: str, per: str) -> str:
        """A price of the sixth place: four places at least."""
        text = self._money(self.number(abs(price_micro), 6, least=4), currency, below=price_micro < 0)
        return f"{text}/{per}"

    def energy(self, energy_mwh: int) -> str:
        """In kWh, to the Wh."""
        return f"{self.number(_rounded(energy_mwh, 1_000), 3)}{NARROW}kWh"

    def rate(self, rate_micro: int) -> str:
        return f"{self.number(rate_micro, 4, least=0)}{NARROW}%"

    def _money(self, text: str, currency: str, *, below: bool) -> str:
        sign, symbol = MINUS if below else "", _SYMBOLS.get(currency, currency)
        if not self.first:
            return f"{sign}{text}{NARROW}{symbol}"
        return f"{sign}{symbol}{text}" if len(symbol) == 1 else f"{sign}{symbol}{NARROW}{text}"

    # ------------------------------------------------------------ dates

    def date(self, time_ms: int, zone: Zone) -> str:
        """The local day."""
        return self._day(*civil((time_ms + offset_ms(zone, time_ms)) // DAY_MS))

    def span(self, from_ms: int, until_ms: int, zone: Zone) -> str:
        """From the first local day to the last."""
        first = civil((from_ms + offset_ms(zone, from_ms)) // DAY_MS)
        last_ms = max(until_ms - 1, from_ms)
        last = civil((last_ms + offset_ms(zone, last_ms)) // DAY_MS)
        if first == last:
            return self._day(*first)
        if first[:2] == last[:2]:
            return f"{self.day.format(first[2])}{NARROW}–{NARROW}{self._day(*last)}"
        return f"{self._day(*first)} – {self._day(*last)}"

    def month(self, year: int, month: int) -> str:
        return f"{self.months[month - 1]} {year}"

    def _day(self, year: int, month: int, day: int) -> str:
        return f"{self.day.format(day)}{NARROW}{self.months[month - 1]}{NARROW}{year}"


def _rounded(value: int, by: int) -> int:
    """Half away from zero."""
    return (abs(value) * 2 + by) // (2 * by) * (-1 if value < 0 else 1)


_ENGLISH: Final = Speech(
    tag="en",
    point=".",
    comma=",",
    first=True,
    day="{}",
    months=(
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    words={
        "bill": "Bill",
        "late_bill": "Late fee",
        "to_pay": "To pay",
        "by": "by {}",
        "your_favour": "In your favour",
        "is_credit": "added to your credit",
        "nothing": "Nothing to pay",
        "paid_all": "Paid, nothing is left to pay",
        "credited_all": "Taken back, nothing is left to pay",
        "overdue": "overdue since {}",
        "disputed": "in dispute: nothing is due until it is decided",
        "handed_over": "comes off your next prepaid purchases",
        "scan": "Scan to verify this bill on the ledger",
        "customer": "Customer",
        "point": "Metering point",
        "period": "Period",
        "issued": "Issued",
        "tariff": "Tariff",
        "number": "Number",
        "about": "For bill",
        "came_from": "Where your energy came from",
        "went_to": "Where your energy went",
        "grid": "Grid",
        "trade": "Neighbours",
        "pool": "Pool",
        "prepaid": "Prepaid",
        "overview": "What it is for",
        "details": "How it was computed",
        "col_what": "What",
        "col_quantity": "Quantity",
        "col_price": "Price",
        "col_amount": "Amount",
        "taken": "Energy from the grid",
        "standing": "Standing charges",
        "tax": "Tax",
        "given": "Energy you fed in",
        "listed": "Settled already, for your information",
        "late": "Late fee",
        "other": "Corrections and other lines",
        "corrections": "Corrections of {}",
        "stay": "{}",
        "of_tariff": "tariff {}",
        "of_version": "tariff {} as of {}",
        "prepaid_point": "prepaid meter",
        "line_import": "Energy",
        "line_grid_fee": "Grid fee",
        "line_levy": "Levy",
        "line_fixed": "Standing charge",
        "line_capacity": "Capacity, by your highest load",
        "line_reactive": "Reactive energy",
        "line_minimum": "Up to the monthly minimum",
        "line_tax": "Tax {}",
        "line_feed_in": "Fed into the grid",
        "line_export_fee": "Fee for feeding in",
        "line_trade": "Trades",
        "line_late_fee": "Late fee",
        "line_late_rate": "Late fee {}",
        "name_trade_import": "Bought from neighbours",
        "name_pool_import": "Taken from the pool",
        "name_trade_export": "Sold to neighbours",
        "name_pool_export": "Given to the pool",
        "name_prepaid_import": "Taken off your prepaid credit",
        "name_step": "step {}",
        "on": "on {}",
        "days": "{} days",
        "day": "{} day",
        "times": "{} ×",
        "adjustments": "{} intervals",
        "total": "Total",
        "paid": "Paid",
        "credited": "Taken back by credit notes",
        "open": "To pay",
        "open_by": "To pay by {}",
        "sum_for": "Sum",
        "note_lines": "Every line is its quantity times its price, rounded once. kWh are shown to the Wh here; the"
        " ledger counts them a thousand times finer, and the CSV of this bill has them so.",
        "note_rounding": "What rounding took or gave in all: {}.",
        "note_wrong": "Is something wrong? Open the bill in the console and dispute it: it is not due until two people"
        " of {} have decided.",
        "note_pay": "Pay from any wallet, in parts if you like; the reference is the bill's number.",
        "note_proof": "This bill stands in block {} of the ledger, issued by transaction {}. Nobody can change it"
        " there. The code on the first page leads to its proof:",
        "page": "Page {} of {}",
        "carried": "Continued",
    },
)

_GERMAN: Final = Speech(
    tag="de",
    point=",",
    comma=".",
    first=False,
    day="{}.",
    months=(
        *("Januar", "Februar", "März", "April", "Mai", "Juni"),
        *("Juli", "August", "September", "Oktober", "November", "Dezember"),
    ),
    words={
        "bill": "Rechnung",
        "late_bill": "Säumnisgebühr",
        "to_pay": "Zu zahlen",
        "by": "bis {}",
        "your_favour": "Zu Ihren Gunsten",
        "is_credit": "wird Ihrem Guthaben zugeschrieben",
        "nothing": "Nichts zu zahlen",
        "paid_all": "Bezahlt, nichts mehr zu zahlen",
        "credited_all": "Zurückgenommen, nichts mehr zu zahlen",
        "overdue": "überfällig seit {}",
        "disputed": "im Widerspruch: bis zur Entscheidung nicht fällig",
        "handed_over": "wird bei Ihren nächsten Prepaid-Käufen verrechnet",
        "scan": "Scannen, um diese Rechnung auf dem Ledger zu prüfen",
        "customer": "Kunde",
        "point": "Messpunkt",
        "period": "Zeitraum",
        "issued": "Ausgestellt",
        "tariff": "Tarif",
        "number": "Nummer",
        "about": "Zu Rechnung",
        "came_from": "Woher Ihre Energie kam",
        "went_to": "Wohin Ihre Energie ging",
        "grid": "Netz",
        "trade": "Nachbarn",
        "pool": "Pool",
        "prepaid": "Prepaid",
        "overview": "Wofür",
        "details": "Wie gerechnet wurde",
        "col_what": "Was",
        "col_quantity": "Menge",
        "col_price": "Preis",
        "col_amount": "Betrag",
        "taken": "Energie aus dem Netz",
        "standing": "Grundgebühren",
        "tax": "Steuer",
        "given": "Eingespeiste Energie",
        "listed": "Schon abgerechnet, zu Ihrer Kenntnis",
        "late": "Säumnisgebühr",
        "other": "Korrekturen und andere Posten",
        "corrections": "Korrekturen für {}",
        "stay": "{}",
        "of_tariff": "Tarif {}",
        "of_version": "Tarif {}, Stand {}",
        "prepaid_point": "Prepaid-Zähler",
        "line_import": "Energie",
        "line_grid_fee": "Netzentgelt",
        "line_levy": "Umlage",
        "line_fixed": "Grundgebühr",
        "line_capacity": "Leistung, nach Ihrer höchsten Last",
        "line_reactive": "Blindenergie",
        "line_minimum": "Bis zum monatlichen Mindestbetrag",
        "line_tax": "Steuer {}",
        "line_feed_in": "Ins Netz eingespeist",
        "line_export_fee": "Einspeiseentgelt",
        "line_trade": "Handel",
        "line_late_fee": "Säumnisgebühr",
        "line_late_rate": "Säumnisgebühr {}",
        "name_trade_import": "Von Nachbarn gekauft",
        "name_pool_import": "Aus dem Pool bezogen",
        "name_trade_export": "An Nachbarn verkauft",
        "name_pool_export": "In den Pool gegeben",
        "name_prepaid_import": "Vom Prepaid-Guthaben bezogen",
        "name_step": "Stufe {}",
        "on": "auf {}",
        "days": "{} Tage",
        "day": "{} Tag",
        "times": "{} ×",
        "adjustments": "{} Intervalle",
        "total": "Summe",
        "paid": "Bezahlt",
        "credited": "Durch Gutschriften zurückgenommen",
        "open": "Zu zahlen",
        "open_by": "Zu zahlen bis {}",
        "sum_for": "Summe",
        "note_lines": "Jede Zeile ist Menge mal Preis, einmal gerundet. kWh stehen hier auf die Wh genau; der Ledger"
        " zählt sie tausendmal feiner, und die CSV-Datei dieser Rechnung ebenso.",
        "note_rounding": "Was das Runden insgesamt genommen oder gegeben hat: {}.",
        "note_wrong": "Stimmt etwas nicht? Öffnen Sie die Rechnung in der Konsole und widersprechen Sie: sie ist nicht"
        " fällig, bis zwei Personen von {} entschieden haben.",
        "note_pay": "Zahlen Sie aus jedem Wallet, gern in Teilen; die Referenz ist die Nummer der Rechnung.",
        "note_proof": "Diese Rechnung steht in Block {} des Ledgers, ausgestellt durch die Transaktion {}. Dort kann"
        " sie niemand ändern. Der Code auf der ersten Seite führt zu ihrem Beweis:",
        "page": "Seite {} von {}",
        "carried": "Fortsetzung",
    },
)

SPEECHES: Final[Mapping[str, Speech]] = {one.tag: one for one in (_ENGLISH, _GERMAN)}


def speech_of(wanted: str) -> Speech:
    """The first language of a list such as `de-AT,de;q=0.9` that is spoken here; else English."""
    for one in wanted.split(","):
        found = SPEECHES.get(one.partition(";")[0].strip().partition("-")[0].lower())
        if found is not None:
            return found
    return _ENGLISH
