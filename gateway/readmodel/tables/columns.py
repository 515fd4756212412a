"""What columns of the read model are made of: whole numbers, texts, hashes; and where a row comes from."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, Table, Text

METADATA: Final = MetaData()
TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Texts are ordered by their bytes, alike on both databases: prefixes are ranges."""
MERGE: Final = "merge"
"""How what is added joins what stands in a column; without it, as a sum."""


def text(name: str, **options: Any) -> Column[str]:
    """'' where nothing is known."""
    return Column(name, TEXT, nullable=False, server_default="", **options)


def number(name: str, **options: Any) -> Column[int]:
    """64 bits; 0 where nothing is known."""
    return Column(name, BigInteger, nullable=False, server_default="0", **options)


def least(name: str) -> Column[int]:
    """Of what is added to it, the least stays."""
    return number(name, info={MERGE: "least"})


def most(name: str) -> Column[int]:
    """Of what is added to it, the most stays."""
    return number(name, info={MERGE: "most"})


def maybe(name: str) -> Column[int | None]:
    """64 bits, or nothing: what may be unknown, and 0 would be a value."""
    return Column(name, BigInteger, nullable=True)


def maybe_text(name: str) -> Column[str | None]:
    return Column(name, TEXT, nullable=True)


def raw(name: str, *, nullable: bool = False) -> Column[bytes]:
    """Bytes as they are: hashes, headers, certificates."""
    return Column(name, LargeBinary, nullable=nullable)


def key_text(name: str) -> Column[str]:
    return Column(name, TEXT, primary_key=True, nullable=False)


def key_number(name: str) -> Column[int]:
    return Column(name, BigInteger, primary_key=True, nullable=False, autoincrement=False)


def table(name: str, *parts: Any) -> Table:
    """A table whose rows name their place on the ledger: the last block and receipt that changed them."""
    placed = (number("height"), number("position"))
    return Table(name, METADATA, *parts, *placed, sqlite_with_rowid=False)


def plain(name: str, *parts: Any) -> Table:
    """A table whose key is itself a place on the ledger."""
    return Table(name, METADATA, *parts, sqlite_with_rowid=False)
