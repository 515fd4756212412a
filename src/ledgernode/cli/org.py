"""An organisation's own directory: its certificate authority, and the public bundle it gives to others."""

from __future__ import annotations

from pathlib import Path

import click

from ledgernode.cli.clock import now_ms
from ledgernode.cli.output import done, json_option
from ledgernode.errors import BadRequest


@click.group()
def org() -> None:
    """An organisation's certificate authority and public bundle."""


@org.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.argument("name")
@json_option
def init(directory: Path, name: str, as_json: bool) -> None:
    """Make an organisation: an offline root and an issuing authority, in a DIRECTORY of its own.

    \b
    ledgernode org init ./north north
    """
    from ledgernode.identity.organisation import create_organisation, issuing_directory, root_directory

    create_organisation(directory, name, now_ms=now_ms())
    root_key = root_directory(directory) / "key.pem"
    done(
        f"organisation {name} in {directory}\n"
        f"  its root key is {root_key}: move it offline, it is needed only for a new issuing authority",
        as_json,
        {
            "organisation": name,
            "directory": str(directory),
            "root": str(root_directory(directory)),
            "issuing": str(issuing_directory(directory)),
        },
    )


@org.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--validator", "validators", multiple=True, metavar="NAME=HOST:PORT", help="A validator and where it serves."
)
@json_option
def bundle(directory: Path, validators: tuple[str, ...], as_json: bool) -> None:
    """Write DIRECTORY/bundle.json: what others need to found a ledger with it. Nothing in it is secret.

    \b
    ledgernode org bundle ./north --validator node-1=north.example:7051
    """
    from ledgernode.identity.organisation import BUNDLE, write_bundle

    endpoints = dict(_validator(text) for text in validators)
    written = write_bundle(directory, endpoints)
    done(
        f"{directory / BUNDLE}: {written.name}, {len(written.admins)} admins, {len(written.validators)} validators",
        as_json,
        {
            "file": str(directory / BUNDLE),
            "organisation": written.name,
            "admins": len(written.admins),
            "validators": len(written.validators),
        },
    )


def _validator(text: str) -> tuple[str, str]:
    name, equals, endpoint = text.partition("=")
    if not (name and equals and endpoint):
        raise BadRequest(f"a validator is NAME=HOST:PORT, not {text!r}")
    return name, endpoint
