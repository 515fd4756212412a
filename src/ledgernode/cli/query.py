"""Questions to contracts."""

from __future__ import annotations

import click

from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.output import arguments, as_text, decoded, json_option, show
from ledgernode.errors import BadRequest
from ledgernode.wire.types import Height

_AT_A_HEIGHT = ("at-least", "at-height")


@click.command()
@click.argument("contract")
@click.argument("function")
@click.argument("values", metavar="ARGUMENTS", default="{}")
@click.option(
    "--level",
    type=click.Choice(["local", "linearizable", "certified", *_AT_A_HEIGHT]),
    default="local",
    show_default=True,
    help="Which state answers: this node's; after asking a quorum; by f+1 equal answers; from a height; of a height.",
)
@click.option("--height", type=click.IntRange(0), help="The height of --level at-least and at-height.")
@network_options
@json_option
def query(
    *, contract: str, function: str, values: str, level: str, height: int | None, at: Connection, as_json: bool
) -> None:
    """Ask a contract a question. ARGUMENTS is a JSON object, `@FILE`, or `-` for standard input.

    \b
    ledgernode query currency balance '{"account": "…"}'
    ledgernode query currency total --level linearizable
    ledgernode query currency total --level at-height --height 40 --json
    """
    if (height is not None) != (level in _AT_A_HEIGHT):
        raise BadRequest("--height goes with --level at-least and --level at-height, and only with them")
    given = arguments(values)
    with at.open() as ledger:
        answer = ledger.evaluate(
            contract,
            function,
            given,
            signer=at.signer(),
            level=level,
            height=Height(height or 0),
        )
    result = decoded(answer.result)
    document = {"contract": contract, "function": function, "height": answer.height, "level": level, "result": result}
    show(document, as_json, as_text(result, indent=2))
