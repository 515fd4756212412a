"""Blocks in words: one line a block, one line for each thing that happened in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.cli.documents import block_document, calls_of
from ledgernode.cli.output import counted, short, visible

if TYPE_CHECKING:
    from ledgernode.client import Ledger

_INDENT: Final = " " * 28
_VALUE_CHARACTERS: Final = 40
_BLOCKS_AT_ONCE: Final = 100
_CALLS_A_BLOCK: Final = 4


class Narrator:
    """Tells blocks from a height on. `names` are those of identities, by id; amounts have so many `digits`."""

    def __init__(self, names: Mapping[str, str], digits: int, following: int) -> None:
        self._names = names
        self._digits = digits
        self.following = following

    def tell_new_blocks(self, ledger: Ledger) -> None:
        """Tell what was certified since the last time, up to a bounded number of blocks."""
        newest = min(ledger.facts().height, self.following + _BLOCKS_AT_ONCE - 1)
        if newest < self.following:
            return
        for block in ledger.blocks(self.following, to_height=newest):
            self._tell(block_document(block))
        self.following = newest + 1

    def _tell(self, block: dict[str, Any]) -> None:
        time = datetime.fromtimestamp(block["time_ms"] / 1_000, UTC).strftime("%H:%M:%S")
        calls = counted(block["transaction_count"], "transaction")
        if block["timers"]:
            calls += f", {counted(len(block['timers']), 'timer')}"
        height = click.style(f"block {block['height']:>5}", bold=True)
        click.echo(f"  {height}  {time}  {calls:<16}  {click.style(short(block['hash']), dim=True)}")
        happened = calls_of(block)
        for call in happened[:_CALLS_A_BLOCK]:
            for line in self._happened(call):
                click.echo(_INDENT + visible(line))
        if len(happened) > _CALLS_A_BLOCK:
            click.echo(f"{_INDENT}… and {len(happened) - _CALLS_A_BLOCK:,} more")

    def _happened(self, call: dict[str, Any]) -> list[str]:
        receipt = call.get("receipt", call)
        if receipt["code"] != "OK":
            return [f"refused: {receipt['code']}: {receipt['message']}"]
        if not receipt["events"]:
            return [f"{call['contract']}.{call['function']}" if "function" in call else f"a {call['origin']}"]
        return [self._event(event) for event in receipt["events"]]

    def _event(self, event: dict[str, Any]) -> str:
        payload = {name: self._value(name, value) for name, value in event["payload"].items()}
        match event["contract"], event["name"]:
            case "currency", "Transferred":
                return "{sender} pays {recipient} {amount_minor}".format(**payload)
            case "currency", "Minted":
                return "{amount_minor} minted for {account}: {purpose}".format(**payload)
            case contract, name:
                listed = "  ".join(f"{key}={value}" for key, value in payload.items())
                return f"{contract}.{name}  {listed}"

    def _value(self, name: str, value: Any) -> str:
        if name == "amount_minor" and isinstance(value, int) and self._digits:
            whole, part = divmod(value, 10**self._digits)
            return f"{whole}.{part:0{self._digits}d}"
        if isinstance(value, str) and len(value) == 64:
            return self._names.get(value, short(value))
        text = str(value)
        return text if len(text) <= _VALUE_CHARACTERS else f"{text[:_VALUE_CHARACTERS]}…"
