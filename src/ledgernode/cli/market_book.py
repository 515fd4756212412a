"""A market's book from a file: strict JSON, and what is wrong with it said by order, field and limit."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from chaincode.book import Book, fault_of
from ledgernode.config import BOOK_BYTES, BOOK_DEPTH
from ledgernode.errors import BadBook

_PLACE: Final = re.compile(r"\$(?:\.(?P<list>bids|asks|pairs)(?:\[(?P<number>\d+)\])?)?(?:\.(?P<field>\w+))?")
_NAMED: Final = re.compile(r"(?:field|key) `(?P<field>[^`]*)`")
_ONE: Final = {"bids": "bid", "asks": "ask", "pairs": "pair"}
_DEEPER: Final = f"the book is nested deeper than {BOOK_DEPTH}"


def read_book(path: Path) -> Book:
    """The book in a file, or of standard input for `-`. Raises BadBook with the order, the field and the limit."""
    raw = sys.stdin.buffer.read(BOOK_BYTES + 1) if str(path) == "-" else _read(path)
    if len(raw) > BOOK_BYTES:
        raise BadBook(f"a book has at most {BOOK_BYTES} bytes", field="", order="", limit=f"{BOOK_BYTES} bytes")
    return parse_book(raw)


def parse_book(raw: bytes) -> Book:
    """The same from bytes."""
    document = _document(raw)
    try:
        book = msgspec.convert(document, Book)
    except UnicodeEncodeError as error:
        raise BadBook("the book holds a lone surrogate, which UTF-8 cannot carry") from error
    except msgspec.ValidationError as error:
        raise _mistyped(str(error), document) from error
    fault = fault_of(book)
    if fault is not None:
        raise BadBook(fault.text, order=fault.order, field=fault.field, limit=fault.limit)
    return book


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(BOOK_BYTES + 1)


def _document(raw: bytes) -> Any:
    """JSON with each key once in an object, nested no deeper than a book is."""
    try:
        document = json.loads(raw, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError as error:
        raise BadBook(_DEEPER) from error
    except ValueError as error:
        raise BadBook(f"the book is not JSON: {error}") from error
    if _depth(document) > BOOK_DEPTH:
        raise BadBook(_DEEPER)
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise BadBook(f"the key {key[:64]!r} stands twice in one object", field=key[:64], limit="once")
        found[key] = value
    return found


def _no_number(text: str) -> NoReturn:
    raise BadBook(f"{text} is no number of a book: energy and prices are whole numbers", limit="a whole number")


def _depth(document: Any) -> int:
    """How deep lists and maps are nested; stops one level below the limit."""
    level, depth = [document], 0
    while depth <= BOOK_DEPTH:
        level = [item for value in level for item in _items(value)]
        if not level:
            return depth
        depth += 1
    return depth


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _mistyped(words: str, document: Any) -> BadBook:
    """What msgspec says about a value, by order and field instead of by path."""
    said, _, path = words.partition(" - at `")
    place, named = _PLACE.match(path or "$"), _NAMED.search(said)
    assert place is not None, "every path begins at the whole book"
    order = ""
    if place["list"] and place["number"]:
        found = document[place["list"]][int(place["number"])]
        known = found.get("id") if isinstance(found, dict) else None
        order = f"{_ONE[place['list']]} {known[:128] if isinstance(known, str) and known else place['number']}"
    field = place["field"] or (named["field"] if named else "") or (place["list"] if not order else "") or ""
    said = said[:1].lower() + said[1:]
    where = ": ".join(part for part in (order, field) if part)
    return BadBook(f"{where}: {said}" if where else f"the book: {said}", order=order, field=field, limit=said)
