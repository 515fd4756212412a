"""The genesis file: assembled from public bundles, checked by each founder, accepted with an admin's key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.cli.clock import now_ms
from ledgernode.cli.output import done, facts, json_option, moment, show, table
from ledgernode.cli.passphrases import passphrase_option, unlock_by
from ledgernode.errors import BadGenesis, BadParameters

if TYPE_CHECKING:
    from ledgernode.wire.genesis import Genesis
    from ledgernode.wire.parameters import Parameters

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_DIGITS: Final = 20
"""More than any number of ours has."""
ENGINES: Final = ("solo", "pbft", "pow", "jetstream")


@click.group()
def genesis() -> None:
    """Assemble, check and accept the genesis file."""


@genesis.command()
@click.argument("bundles", type=_FILE, nargs=-1, required=True, metavar="BUNDLE…")
@click.option("--name", required=True, help="The ledger's name.")
@click.option("--engine", type=click.Choice(ENGINES), default="pbft", show_default=True, help="How blocks are ordered.")
@click.option(
    "--engine-option", "options", multiple=True, metavar="NAME=NUMBER", help="Of the engine; may be repeated."
)
@click.option("--policy", default="majority", show_default=True, help='"majority", "all" or "N of M" organisations.')
@click.option("--parameter", "changes", multiple=True, metavar="NAME=NUMBER", help="A limit or time; may be repeated.")
@click.option("-o", "--output", type=_NEW_FILE, default=Path("genesis.json"), show_default=True, help="File to write.")
@json_option
def assemble(
    *,
    bundles: tuple[Path, ...],
    name: str,
    engine: str,
    options: tuple[str, ...],
    policy: str,
    changes: tuple[str, ...],
    output: Path,
    as_json: bool,
) -> None:
    """Make the genesis file from the organisations' bundles. Refuses one that would make no ledger.

    \b
    ledgernode genesis assemble north.json south.json east.json west.json --name market
    """
    from ledgernode.identity.founding import assemble_genesis
    from ledgernode.identity.organisation import read_bundle
    from ledgernode.wire.genesis import GenesisEngine

    raw = assemble_genesis(
        [read_bundle(bundle) for bundle in bundles],
        name=name,
        engine=GenesisEngine(engine, read_options(options)),
        policy=policy,
        parameters=read_parameters(changes),
        now_ms=now_ms(),
    )
    output.write_bytes(raw)
    document = _document(raw)
    done(f"{output}: ledger {name}, chain {document['chain_id']}", as_json, {"file": str(output), **document})


@genesis.command()
@click.argument("file", type=_FILE)
@click.option("--acceptance", "acceptances", type=_FILE, multiple=True, help="A founder's acceptance; may be repeated.")
@json_option
def check(file: Path, acceptances: tuple[Path, ...], as_json: bool) -> None:
    """Check a genesis file whole, and show what it founds. With --acceptance: that every founder has accepted it.

    \b
    ledgernode genesis check genesis.json
    ledgernode genesis check genesis.json --acceptance north.acceptance.json --acceptance south.acceptance.json
    """
    from ledgernode.identity.founding import check_acceptances, check_genesis

    raw = file.read_bytes()
    found = check_genesis(raw)
    if acceptances:
        check_acceptances(raw, [path.read_bytes() for path in acceptances])
    document = {**_document(raw), "accepted_by_all": bool(acceptances)}
    show(
        document,
        as_json,
        facts(
            (
                ("ledger", found.name),
                ("chain id", document["chain_id"]),
                ("founded", f"{moment(found.created_ms)} UTC"),
                ("engine", found.engine.name),
                ("policy", found.policy),
                ("accepted", "by every organisation" if acceptances else "not asked (--acceptance)"),
            )
        ),
        "",
        table(
            ("organisation", "admins", "validators"),
            (
                (one.name, len(one.admins), ", ".join(validator.endpoint for validator in one.validators) or "-")
                for one in found.organisations
            ),
            numbers=("admins",),
        ),
    )


@genesis.command()
@click.argument("file", type=_FILE)
@click.option(
    "--identity",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder of an admin that the genesis names.",
)
@click.option("-o", "--output", type=_NEW_FILE, required=True, help="File to write, to be given to the other founders.")
@passphrase_option
@json_option
def accept(file: Path, identity: Path, output: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Check a genesis file whole and sign it for your organisation. Look at `genesis check` first.

    \b
    ledgernode genesis accept genesis.json --identity north/identities/admin -o north.acceptance.json
    """
    from ledgernode.identity.founding import accept_genesis
    from ledgernode.identity.identity_files import load_identity

    acceptance = accept_genesis(file.read_bytes(), load_identity(identity, unlock_by(passphrase_file))[0])
    output.write_bytes(acceptance)
    told = json.loads(acceptance)
    done(f"{output}: {told['organisation']} accepts chain {told['chain_id']}", as_json, {"file": str(output), **told})


def read_parameters(changes: tuple[str, ...]) -> Parameters:
    """The ledger's parameters with these changed; refuses an unknown name and what is no number."""
    import msgspec

    from ledgernode.wire.parameters import Parameters

    given: dict[str, Any] = {}
    for change in changes:
        name, _, number = change.partition("=")
        if name not in Parameters.__struct_fields__ or not _is_number(number):
            raise BadParameters(f"a parameter is NAME=NUMBER, one of {', '.join(Parameters.__struct_fields__)}")
        given[name] = int(number)
    return msgspec.structs.replace(Parameters(), **given)


def read_options(given: tuple[str, ...]) -> dict[str, int]:
    """An engine's options as numbers by name; which of them the engine has is the genesis check's question."""
    options: dict[str, int] = {}
    for one in given:
        name, _, number = one.partition("=")
        if not (name and _is_number(number)):
            raise BadGenesis(f"an engine's option is NAME=NUMBER, not {one[:64]!r}")
        options[name] = int(number)
    return options


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _DIGITS


def _document(raw: bytes) -> dict[str, Any]:
    from ledgernode.wire.genesis import chain_id, parse_genesis

    found: Genesis = parse_genesis(raw)
    return {
        "ledger": found.name,
        "chain_id": chain_id(raw).hex(),
        "created_ms": found.created_ms,
        "engine": found.engine.name,
        "policy": found.policy,
        "organisations": [
            {
                "name": one.name,
                "admins": len(one.admins),
                "validators": [validator.endpoint for validator in one.validators],
            }
            for one in found.organisations
        ],
    }
