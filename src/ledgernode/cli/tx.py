"""Transactions: submit one, look one up."""

from __future__ import annotations

import click
from rich.table import Table

from ledgernode.cli.ask import Speaker
from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.documents import located_document, outcome_document
from ledgernode.cli.output import arguments, as_text, done, facts, json_option, moment, show, table
from ledgernode.errors import BadRequest, LedgerError
from ledgernode.wire.answers import Stage, Wait
from ledgernode.wire.types import HASH_BYTES, TransactionId


@click.group()
def tx() -> None:
    """Submit transactions and look them up."""


@tx.command()
@click.argument("contract")
@click.argument("function")
@click.argument("values", metavar="ARGUMENTS", default="{}")
@click.option("--budget", type=click.IntRange(1), help="Declared execution budget (default: the ledger's limit).")
@click.option(
    "--wait",
    type=click.Choice(["admitted", "committed"]),
    default="committed",
    show_default=True,
    help="Return when it waits to be ordered, or when it stands in a certified block.",
)
@click.option("--sequence", type=click.IntRange(0), help="Replay field of a device: its own number, no expiry.")
@network_options
@json_option
def submit(
    *,
    contract: str,
    function: str,
    values: str,
    budget: int | None,
    wait: str,
    sequence: int | None,
    at: Connection,
    as_json: bool,
) -> None:
    """Sign a transaction and submit it. ARGUMENTS is a JSON object, `@FILE`, or `-` for standard input.

    \b
    ledgernode tx submit currency transfer '{"to": "…", "amount": 250}' --as north/customer-1
    ledgernode tx submit readings report @reading.json --as north/M-1 --sequence 41
    """
    given = arguments(values)
    with Speaker(at) as speaker:
        declared = speaker.ledger.facts().parameters.budget if budget is None else budget
        signed = speaker.signer.transaction(contract, function, given, budget=declared, sequence=sequence)
        try:
            outcome = speaker.ledger.submit_signed(signed, wait=Wait[wait.upper()])
        except LedgerError as error:
            error.facts.setdefault("transaction_id", signed.id.hex())  # to be asked for, where the answer was lost
            raise
    document = outcome_document(outcome)
    if outcome.stage is Stage.COMMITTED:
        said = f"committed in block {outcome.height}: {as_text(document['result'])}"
    else:
        said = outcome.stage.name.lower()
    done(f"{said}\n  transaction {outcome.transaction_id.hex()}", as_json, document)


@tx.command("show")
@click.argument("transaction_id", metavar="ID")
@network_options
@json_option
def show_transaction(transaction_id: str, at: Connection, as_json: bool) -> None:
    """Show a committed transaction, a timer's call, or a reward, with its receipt.

    \b
    ledgernode tx show 5f1c…  (64 hex digits)
    """
    with at.open() as ledger:
        document = located_document(ledger.transaction(read_id(transaction_id)))
    receipt = document["receipt"]
    signed = "contract" in document
    show(
        document,
        as_json,
        facts(
            (
                ("transaction", receipt["id"]),
                ("call", f"{document['contract']}.{document['function']}" if signed else f"({receipt['origin']})"),
                *((("arguments", as_text(document["arguments"])), ("creator", document["creator"])) if signed else ()),
                ("block", f"{document['height']}, position {document['position']}"),
                ("time", f"{moment(document['time_ms'])} UTC"),
                ("outcome", receipt["code"] if receipt["code"] == "OK" else f"{receipt['code']}: {receipt['message']}"),
                ("result", as_text(receipt["result"])),
                ("budget", f"{receipt['budget_used']} used" + (f" of {document['budget']}" if signed else "")),
            )
        ),
        *(("", _events_table(receipt["events"])) if receipt["events"] else ()),
    )


def read_id(text: str) -> TransactionId:
    """A transaction's id from its hex digits; refuses anything else."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != HASH_BYTES:
        raise BadRequest(f"a transaction id has {2 * HASH_BYTES} hex digits, {text!r} is none")
    return TransactionId(value)


def _events_table(events: list[dict[str, object]]) -> Table:
    return table(
        ("event", "payload"), ((f"{event['contract']}.{event['name']}", as_text(event["payload"])) for event in events)
    )
