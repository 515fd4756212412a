"""Evidence of what happened, for anyone who holds the genesis file."""

from __future__ import annotations

from pathlib import Path

import click

from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.documents import receipt_document, transaction_document
from ledgernode.cli.output import as_text, decoded, done, facts, json_option, moment, show
from ledgernode.cli.tx import read_id


@click.group()
def proof() -> None:
    """Fetch evidence of a transaction, and check it offline."""


@proof.command()
@click.argument("transaction_id", metavar="ID")
@click.option("--item", type=click.IntRange(0), help="Prove this element of the transaction's signed batch alone.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
@network_options
@json_option
def get(transaction_id: str, item: int | None, output: Path, at: Connection, as_json: bool) -> None:
    """Fetch the proof of a committed transaction into a file.

    \b
    ledgernode proof get 5f1c… -o payment.proof.json
    ledgernode proof get 5f1c… --item 3 -o reading.proof.json
    """
    with at.open() as ledger:
        evidence = ledger.proof(read_id(transaction_id), item)
    output.write_bytes(evidence)
    done(
        f"{output}: {len(evidence)} bytes of evidence; anyone can check it with the genesis file alone",
        as_json,
        {"file": str(output), "bytes": len(evidence), "transaction_id": transaction_id, "item": item},
    )


@proof.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--genesis",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The ledger's genesis file: all that is needed, and all that is trusted.",
)
@json_option
def check(file: Path, genesis: Path, as_json: bool) -> None:
    """Check a proof offline. Refuses (PROOF_INVALID) with the step that does not hold.

    \b
    ledgernode proof check payment.proof.json --genesis genesis.json
    """
    from ledgernode.proof import check_proof

    checked = check_proof(file.read_bytes(), genesis.read_bytes())
    called = checked.transaction
    document = {
        "holds": True,
        "kind": checked.kind,
        "height": checked.height,
        "time_ms": checked.time_ms,
        "transaction": transaction_document(called) if called else None,
        "receipt": receipt_document(checked.receipt),
        "item": decoded(checked.item or b""),
    }
    show(
        document,
        as_json,
        "the proof holds",
        facts(
            (
                ("transaction", checked.receipt.id.hex()),
                ("block", f"{checked.height}, {moment(checked.time_ms)} UTC"),
                *((("call", f"{called.body.contract}.{called.body.function}"),) if called else ()),
                *((("creator", called.body.creator.hex()),) if called else ()),
                ("outcome", checked.receipt.code),
                *((("item", as_text(document["item"])),) if checked.item is not None else ()),
                *((("result", as_text(document["receipt"]["result"])),) if checked.item is None else ()),
            )
        ),
    )
