"""The customer's unit: two lines of sixteen characters and twelve keys, driven by the meter's core.

Every page that can be shown stands in `PAGES`, every code in `CODES`: `python -m devices.customer_unit >
docs/customer-unit.md` prints them, and a test fails when that page is stale. Pure: names and values in, two lines out.

    keys  0-9   type · choose            *  back, delete the last digit            #  on, enter
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final, NamedTuple

COLUMNS: Final = 16
KEYS: Final = "0123456789*#"

Lines = tuple[str, str]


class Page(NamedTuple):
    first: str
    second: str
    about: str
    keys: str = "a digit begins a token; #: menu; *: back"


class Code(NamedTuple):
    number: int
    first: str
    about: str


_AT_REST: Final = "a digit begins a token; #: menu"
_MENU: Final = "0-9; *: back; #: on"

PAGES: Final[Mapping[str, Page]] = {
    # at rest
    "credit": Page(
        "CREDIT       {supply:>3}", "{energy:>12} kWh", "what is left, and whether the load has power", _AT_REST
    ),
    "low": Page("LOW CREDIT   {supply:>3}", "{energy:>12} kWh", "less is left than the utility calls low", _AT_REST),
    "empty": Page("NO CREDIT    OFF", "ENTER A TOKEN", "the relay opened at zero; a recharge closes it", _AT_REST),
    "postpaid": Page("IMPORT       {supply:>3}", "{energy:>12} kWh", "a meter that is not prepaid", _AT_REST),
    "outage": Page("NO MAINS", "{energy:>12} kWh", "the unit runs on its battery", _AT_REST),
    "waiting": Page(
        "POWER IS BACK", "SUPPLY IN {seconds:>4} s", "after an outage houses come back one by one", _AT_REST
    ),
    "overload": Page("TOO MUCH POWER", "SUPPLY IN {seconds:>4} s", "above the limit, or phases too uneven", _AT_REST),
    "blocked": Page("SUPPLY BLOCKED", "ASK THE UTILITY", "the utility has blocked the supply", _AT_REST),
    "tampered": Page("TAMPER {kind:>9}", "ASK THE UTILITY", "cover, magnet or bypass; a token clears it", _AT_REST),
    "message": Page("{first}", "{second}", "from the utility, until a key is pressed", "any key: away"),
    # tokens
    "token": Page("TOKEN      {count:>2}/20", "{typed:>16}", "twenty digits", "0-9; *: delete; #: enter"),
    "token_credit": Page("TOKEN ACCEPTED", "+{energy:>11} kWh", "credit"),
    "token_limit": Page("POWER LIMIT SET", "{power:>14} W", "the most power the load may draw"),
    "token_unbalance": Page("PHASE LIMIT SET", "{power:>14} W", "the most that phases may differ"),
    "token_cleared": Page("CREDIT CLEARED", "BALANCE SENT", "signed for the ledger, which may relocate it"),
    "token_tamper": Page("TAMPER CLEARED", "", "the load may have power again"),
    "token_key_part": Page("KEY CHANGE   {parts}/4", "ENTER THE NEXT", "one of the four tokens of a key change"),
    "token_key": Page("KEY CHANGED", "REV {revision} INDEX {index}", "tokens of the old key are worthless now"),
    # menu
    "menu": Page("1 SHARE   2 INFO", "3 PIN  4 ADVANCE", "the menu", "1-4; *: back"),
    "info_meter": Page("METER         {head}", "{pan:>16}", "the meter's number, 18 digits", "#: next; *: back"),
    "info_credit": Page("CREDIT", "{energy:>12} kWh", "also while something else is shown at rest", "#: next; *: back"),
    "info_price": Page(
        "PRICE {name:>10}", "{price:>11} /kWh", "a kWh now, fees and tax included, and its period", "#: next; *: back"
    ),
    "info_unpriced": Page("PRICE", "NOT KNOWN", "no tariff was told, or the time is not known", "#: next; *: back"),
    "info_next": Page(
        "NEXT {when:>11}",
        "{price:>11} /kWh",
        "the next change: weekday and time, later than in six days its date",
        "#: next; *: back",
    ),
    "info_steady": Page(
        "NEXT", "NO CHANGE KNOWN", "the price stays for a year, as far as was told", "#: next; *: back"
    ),
    "info_step": Page("ABOVE{limit:>7} kWh", "{price:>11} /kWh", "a kWh of the month's next step", "#: next; *: back"),
    "info_import": Page("IMPORT", "{energy:>12} kWh", "register 1.8.0", "#: next; *: back"),
    "info_export": Page("EXPORT", "{energy:>12} kWh", "register 2.8.0", "#: next; *: back"),
    "info_power": Page("POWER", "{power:>14} W", "drawn now; negative: fed in", "#: next; *: back"),
    "info_link": Page(
        "LINK         {link:>3}", "WAITING {count:>8}", "transactions without a receipt", "#: next; *: back"
    ),
    # sharing
    "share_to": Page("SHARE: TO METER", "{typed:>16}", "18 digits, or the 11 or 13 of the reference number", _MENU),
    "share_amount": Page("SHARE: HOW MUCH", "{energy:>12} kWh", "in tenths: 1 0 0 is 10.0 kWh", _MENU),
    "share_asking": Page("ASKING ...", "{pan:>16}", "whose meter it is, for some seconds", "*: back"),
    "share_confirm": Page(
        "{label:<16}", "{energy:>8}kWh #=OK", "the recipient, masked, as the ledger knows it", "#: yes; *: back"
    ),
    "share_unverified": Page(
        "UNVERIFIED  {tail:>4}",
        "{energy:>8}kWh #=OK",
        "nobody could be asked: the number's last four digits",
        "#: yes; *: back",
    ),
    "share_sent": Page("SENT {energy:>8}kWh", "RECEIPT {counter:>8}", "signed, and sent when there is a link"),
    # PIN
    "pin": Page("PIN", "{typed:>16}", "4 to 8 digits, shown as stars", _MENU),
    "pin_new": Page("NEW PIN", "{typed:>16}", "4 to 8 digits", _MENU),
    "pin_again": Page("NEW PIN AGAIN", "{typed:>16}", "the same once more", _MENU),
    "pin_made": Page("PIN SET", "KEY IS ASKED FOR", "a new customer key waits for its certificate"),
    "pin_changed": Page("PIN CHANGED", "", "the same key under another PIN"),
    "advance_asked": Page("ADVANCE ASKED", "A TOKEN COMES", "emergency credit: signed by the customer's key"),
    # refusals
    "refused": Page("E{number:02d} {first}", "{code:<16}", "a refusal: see the codes"),
}

CODES: Final[Mapping[str, Code]] = {
    "TOKEN_MALFORMED": Code(1, "20 DIGITS", "not the 20 digits of a token: count them"),
    "TOKEN_CHECK_FAILED": Code(2, "WRONG TOKEN", "a digit is wrong, or the token is another meter's"),
    "TOKEN_USED": Code(3, "TOKEN USED", "a token is good once"),
    "TOKEN_TOO_OLD": Code(4, "TOKEN OLD", "older than all that the meter remembers: ask the vendor for another"),
    "TOKEN_KEY_EXPIRED": Code(5, "KEY EXPIRED", "beyond the key's expiry number: the meter needs another key first"),
    "TOKEN_CLASS_UNKNOWN": Code(6, "NO MEANING", "a class of token that this meter does not know"),
    "TOKEN_CREDIT_OVERFLOW": Code(7, "METER FULL", "no room for so much credit: use some first"),
    "TOKEN_PARAMETER_INVALID": Code(8, "KEY CHANGE", "the four tokens of a key change contradict the standard"),
    "OUTBOX_FULL": Code(9, "NO ROOM", "too much waits for the link: try again when it is back"),
    "METER_NUMBER": Code(10, "METER NO.", "the recipient's number has a wrong digit, or too few"),
    "SELF_SHARE": Code(11, "OWN METER", "a meter does not send units to itself"),
    "RECIPIENT_UNKNOWN": Code(12, "NOBODY", "no prepaid meter that takes units has this number"),
    "AMOUNT": Code(13, "AMOUNT", "no token carries this amount"),
    "TOO_LITTLE_CREDIT": Code(14, "CREDIT LOW", "the meter has less than is to be shared"),
    "PIN_NOT_SET": Code(15, "NO PIN", "no PIN is set, or a new one may not be chosen: ask the utility"),
    "PIN_WRONG": Code(
        16, "WRONG PIN", "the third wrong one locks sharing for five minutes, each further one twice as long"
    ),
    "PIN_LOCKED": Code(17, "PIN LOCKED", "too many wrong ones: wait; metering and tokens go on"),
    "PIN_LENGTH": Code(18, "PIN LENGTH", "a PIN has 4 to 8 digits"),
    "PIN_DIFFERS": Code(19, "PIN DIFFERS", "the two were not the same"),
    "SHARE_TIMED_OUT": Code(20, "TOO LATE", "a share asked for by the web whose time is over"),
    "CLOCK_WRONG": Code(21, "CLOCK", "the meter does not know the time"),
    "COMMAND_UNKNOWN": Code(22, "COMMAND", "a command that this meter does not know"),
    "COMMAND_OLD": Code(23, "COMMAND OLD", "below all numbers that the meter remembers"),
    "COMMAND_UNPROVEN": Code(27, "NOT PROVEN", "a gateway could not show that the ledger has said it"),
    "COMMAND_FOREIGN": Code(28, "NOT FOR US", "a command to another meter"),
    "SHARE_ANSWERED": Code(25, "SHARED", "a share asked for by the web that was answered already"),
    "ACCOUNT_CLOSING": Code(
        26, "CLOSING", "the last tenant's credit is not cleared on the ledger yet: try again later"
    ),
    "TARIFF_INVALID": Code(29, "TARIFF", "a price table of a form that this meter does not know"),
    "TOO_MANY_DELIVERIES": Code(24, "DELIVERIES", "as many deliveries run as one meter keeps apart"),
}
_CODE_OTHER: Final = Code(99, "REFUSED", "anything else; the second line has the code")


def render(page: str, values: Mapping[str, str | int] | None = None) -> Lines:
    """The two lines of a page, each of sixteen characters."""
    found = PAGES[page]
    filled = dict(values or {})
    if page == "refused":
        code = CODES.get(str(filled["code"]), _CODE_OTHER)
        filled |= {"number": code.number, "first": code.first}
        filled["code"] = str(filled["code"]).removeprefix("TOKEN_").replace("_", " ")
    return _line(found.first.format(**filled)), _line(found.second.format(**filled))


def kwh(energy_mwh: int, decimals: int = 2) -> str:
    """Rounded down, so that nobody sees more than there is."""
    step = 10 ** (6 - decimals)
    whole, part = divmod(abs(energy_mwh // step if energy_mwh >= 0 else -(-energy_mwh // step)), 10**decimals)
    sign = "-" if energy_mwh < 0 and (whole or part) else ""
    return f"{sign}{whole}.{part:0{decimals}d}"


def money(price_micro: int) -> str:
    """Of a kWh in major units, to the nearest hundredth of a cent."""
    whole, part = divmod((abs(price_micro) + 50) // 100, 10_000)
    sign = "-" if price_micro < 0 and (whole or part) else ""
    return f"{sign}{whole}.{part:04d}"


def _line(text: str) -> str:
    return text[:COLUMNS].ljust(COLUMNS)


# ---------------------------------------------------------------- the page that documents it

_EXAMPLES: Final[Mapping[str, str | int]] = {
    "supply": "ON",
    "energy": "12.30",
    "seconds": 120,
    "kind": "COVER",
    "first": "WORKS ON FRIDAY",
    "second": "8 TO 10",
    "count": 4,
    "typed": "5938",
    "power": 1000,
    "name": "PEAK",
    "price": "0.4760",
    "when": "SAT 22:00",
    "limit": 100,
    "parts": 2,
    "revision": 2,
    "index": "02",
    "head": "60",
    "pan": "0727000000000009",
    "link": "UP",
    "label": "A*** M******",
    "tail": "0009",
    "counter": 17,
    "code": "TOKEN_USED",
}

_HEAD: Final = """# The customer unit

Two lines of sixteen characters and twelve keys, driven by the meter's core (`devices/meter/`); what is shown is on the
meter's disk already. Half a minute without a key goes back to the credit and forgets what was typed.

This page is printed by `python -m devices.customer_unit`; a test fails when it is stale.

## Ways through it

- **A token**: type its twenty digits, `#`. It works with no link. The load has power again by itself.
- **Share**: `#` `1`, the recipient's meter number, `#`, the amount in tenths of a kWh, `#`; then the recipient
  appears, masked, or `UNVERIFIED` when nobody can be asked: `#`; the PIN, `#`; the receipt's number.
- **PIN**: `#` `3`. The first time, and after a reset by utility and customer, a new PIN twice; else the old one and the
  new one twice. A reset ends the old customer key, and the utility certifies the new one.
- **Advance** (emergency credit): `#` `4`, the PIN. If the utility grants it, a token comes over the link.
- **Info**: `#` `2`, then `#` for the next page: number, credit, price now and next, registers, power, link.

## Try it

A meter with keys and a disk of its own, in the terminal; what it signs waits on its disk. Digits for it are minted by
`ledgernode sts mint` (`docs/prepayment-tokens.md`) with the same options.

```sh
(umask 077; echo abababababababab949494949494949401234567 > vending.key)
METER="--vending-key-file vending.key --supply-group 123457 --key-type 2
  --key-revision 1 --tariff-index 01 --pan 600727000000000009 --base 1993"
ledgernode meter new my-meter $METER
ledgernode meter ciu my-meter --load 2000 --speed 600
```

In a terminal the unit is drawn, with keys to type or click; `+` and `-` change the load, `m` fails the mains, `c`
opens the cover (`pip install ledgernode[community]`). With `--gateway HOST:PORT` a registered meter's unit is linked
to its ledger: what is bought arrives on this display. Through a pipe keys come as lines: `59386323472137426967#` is a
token of 0.1 kWh, an empty line lets time pass. `q` ends.
"""


def documentation() -> str:
    """`docs/customer-unit.md`."""
    pages = ["| page | shows | says | keys |", "|---|---|---|---|"]
    for name, page in PAGES.items():
        hidden = {"typed": "****"} if name.startswith("pin") else {}
        first, second = render(name, {**_EXAMPLES, **hidden})
        pages.append(f"| {name} | `{first}`<br>`{second}` | {page.about} | {page.keys} |")
    codes = ["| display | code | meaning |", "|---|---|---|"]
    codes += [f"| E{code.number:02d} {code.first} | `{name}` | {code.about} |" for name, code in CODES.items()]
    codes.append(f"| E{_CODE_OTHER.number} {_CODE_OTHER.first} | | {_CODE_OTHER.about} |")
    return "\n".join([_HEAD, "## Pages", "", *pages, "", "## Codes", "", *codes, ""])


if __name__ == "__main__":
    sys.stdout.write(documentation())
