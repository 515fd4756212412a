"""Blocks, as the node has them."""

from __future__ import annotations

from typing import Any, Final

import click

from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.documents import block_document, calls_of, header_document
from ledgernode.cli.output import as_text, counted, facts, json_option, moment, short, show, table
from ledgernode.errors import BadRequest
from ledgernode.wire.block import parse_header
from ledgernode.wire.types import HASH_BYTES, Height


@click.group()
def block() -> None:
    """Look at blocks."""


@block.command("show")
@click.argument("which")
@network_options
@json_option
def show_block(which: str, at: Connection, as_json: bool) -> None:
    """Show one block: WHICH is a height, a header hash, or `latest`.

    \b
    ledgernode block show latest
    ledgernode block show 12 --json
    """
    with at.open() as ledger:
        found = ledger.block(_place(which))
    document = block_document(found)
    calls = calls_of(document)
    show(
        document,
        as_json,
        facts(
            (
                ("block", document["height"]),
                ("time", f"{moment(document['time_ms'])} UTC"),
                ("hash", document["hash"]),
                ("parent", document["parent_hash"]),
                ("state", document["state_commitment"]),
                ("epoch", document["epoch"]),
                ("certificate", counted(len(document["certificate"]), "signature")),
                *((("miner", document["reward"]["result"]["miner"]),) if document["reward"] else ()),
                ("transactions", f"{document['transaction_count']}, and {counted(len(document['timers']), 'timer')}"),
            )
        ),
        "",
        table(("", "id", "call", "by", "code", "result"), (_row(place, call) for place, call in enumerate(calls))),
    )


@block.command("list")
@click.option("--last", type=click.IntRange(1, 1_000), default=20, show_default=True, help="How many of the newest.")
@click.option("--from", "first", type=click.IntRange(0), help="From this height on, instead of the newest.")
@network_options
@json_option
def list_blocks(last: int, first: int | None, at: Connection, as_json: bool) -> None:
    """List blocks, the newest last.

    \b
    ledgernode block list --last 5
    ledgernode block list --from 100 --last 50 --json
    """
    with at.open() as ledger:
        height = ledger.facts().height
        start = max(0, height + 1 - last) if first is None else first
        end = min(height, start + last - 1)
        found = [
            header_document(parse_header(sent.header))
            for sent in (ledger.blocks(Height(start), to_height=Height(end), headers_only=True) if start <= end else ())
        ]
    show(
        {"height": height, "blocks": found},
        as_json,
        table(
            ("height", "time (UTC)", "transactions", "unsigned", "hash", "state"),
            (
                (
                    header["height"],
                    moment(header["time_ms"]),
                    header["transaction_count"],
                    header["receipt_count"] - header["transaction_count"],
                    short(header["hash"]),
                    short(header["state_commitment"]),
                )
                for header in found
            ),
            numbers=("height", "transactions", "unsigned"),
        ),
    )


_HEIGHT_DIGITS: Final = 18


def _place(which: str) -> Height | bytes | None:
    """A height, a header hash, or None for the newest."""
    if which == "latest":
        return None
    if which.isdecimal() and which.isascii() and len(which) <= _HEIGHT_DIGITS:
        return Height(int(which))
    try:
        header_hash = bytes.fromhex(which)
    except ValueError:
        header_hash = b""
    if len(header_hash) != HASH_BYTES:
        raise BadRequest(f"{which!r} is neither a height, nor a hash of {2 * HASH_BYTES} hex digits, nor `latest`")
    return header_hash


def _row(place: int, call: dict[str, Any]) -> tuple[object, ...]:
    receipt = call.get("receipt", call)
    name = f"{call['contract']}.{call['function']}" if "function" in call else f"({receipt['origin']})"
    said = as_text(receipt["result"]) if receipt["code"] == "OK" else receipt["message"]
    return place, short(call["id"]), name, short(call.get("creator", "")), receipt["code"], said
