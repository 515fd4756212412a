"""An organisation's own directory: its certificate authority, and the public bundle it gives to others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledgernode.cli.clock import now_ms
from ledgernode.cli.output import done, json_option
from ledgernode.cli.passphrases import (
    at_terminal,
    keeping,
    new_passphrase,
    only_one,
    passphrase_option,
    protect_option,
    unlock_by,
)
from ledgernode.errors import BadRequest

if TYPE_CHECKING:
    from ledgernode.identity.key_file import Keeping


@click.group()
def org() -> None:
    """An organisation's certificate authority and public bundle."""


@org.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.argument("name")
@click.option("--root-key", "root_uri", default="", metavar="PKCS11-URI", help="The root's key lives in a token.")
@click.option(
    "--issuing-key", "issuing_uri", default="", metavar="PKCS11-URI", help="The issuing key lives in a token."
)
@protect_option
@click.option("--no-passphrase", "plain", is_flag=True, help="At a terminal: do not ask for one.")
@json_option
def init(
    *,
    directory: Path,
    name: str,
    root_uri: str,
    issuing_uri: str,
    passphrase_file: Path | None,
    plain: bool,
    as_json: bool,
) -> None:
    """Make an organisation: an offline root and an issuing authority, in a DIRECTORY of its own.

    At a terminal it asks for a passphrase that encrypts both keys: they speak for the organisation.

    \b
    ledgernode org init ./north north
    ledgernode org init ./north north --key-passphrase-file ./passphrase
    """
    from ledgernode.identity.organisation import create_organisation, issuing_directory, root_directory

    only_one(plain, passphrase_file, "either --no-passphrase or --key-passphrase-file")
    by_hand = _by_hand(name, plain or bool(passphrase_file) or bool(root_uri and issuing_uri))
    root = keeping(root_uri, passphrase_file) if root_uri or passphrase_file else by_hand
    issuing = keeping(issuing_uri, passphrase_file) if issuing_uri or passphrase_file else by_hand
    create_organisation(directory, name, now_ms=now_ms(), root=root, issuing=issuing)
    root_key = root_directory(directory) / "key.pem"
    kept = "in a token" if root.uri else "encrypted" if root.passphrase else "not encrypted"
    done(
        f"organisation {name} in {directory}; its root key is {kept}\n"
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
@click.option("--key", "uri", default="", metavar="PKCS11-URI", help="The new key lives in a token.")
@protect_option
@click.option("--no-passphrase", "plain", is_flag=True, help="At a terminal: do not ask for one.")
@json_option
def root(directory: Path, *, uri: str, passphrase_file: Path | None, plain: bool, as_json: bool) -> None:
    """Replace the root by a new one. The one before is kept in ca/old-root; its key is not needed.

    Writes DIRECTORY/add-root.json and retire-root.json, what governance decides on: add the new root, then make an
    issuing authority under it (`org issuing`), certify anew, and retire the old root at last.

    \b
    ledgernode org root ./north
    ledgernode governance propose add_root "$(cat ./north/add-root.json)"
    """
    from ledgernode.identity.organisation import organisation_name, replace_root

    only_one(plain, passphrase_file, "either --no-passphrase or --key-passphrase-file")
    keep = _by_hand(directory, plain) if not (uri or passphrase_file) else keeping(uri, passphrase_file)
    new, before = replace_root(directory, now_ms=now_ms(), keeping=keep)
    name = organisation_name(directory)
    proposals = {"add_root": directory / "add-root.json", "retire_root": directory / "retire-root.json"}
    for path, certificate in zip(proposals.values(), (new, before), strict=True):
        path.write_text(json.dumps({"organisation": name, "root": certificate}) + "\n")
    told = {kind: str(path) for kind, path in proposals.items()}
    done(f"{name} has a new root\n  propose add_root with {told['add_root']}, then `org issuing`", as_json, told)


@org.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--key", "uri", default="", metavar="PKCS11-URI", help="The new key lives in a token.")
@passphrase_option
@json_option
def issuing(directory: Path, uri: str, passphrase_file: Path | None, as_json: bool) -> None:
    """Replace the issuing authority by a new one, made by the root: bring its key back for this.

    Certificates of the one before hold on until they end. It is kept in ca/old-issuing; delete its key.

    \b
    ledgernode org issuing ./north
    """
    from ledgernode.identity.key_file import Keeping
    from ledgernode.identity.organisation import issuing_directory, replace_issuing

    keep = Keeping(uri=uri) if uri else None
    replace_issuing(directory, now_ms=now_ms(), unlock=unlock_by(passphrase_file), keeping=keep)
    place = issuing_directory(directory)
    done(
        f"{place} is a new authority; the one before is in {place.parent / 'old-issuing'}",
        as_json,
        {"issuing": str(place)},
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


def _by_hand(what: str | Path, plain: bool) -> Keeping:
    """How keys that speak for an organisation are kept where nobody has said it: who sits at a terminal is asked."""
    from ledgernode.identity.key_file import Keeping

    return Keeping(new_passphrase(f"the keys of {what}") if at_terminal() and not plain else None)


def _validator(text: str) -> tuple[str, str]:
    name, equals, endpoint = text.partition("=")
    if not (name and equals and endpoint):
        raise BadRequest(f"a validator is NAME=HOST:PORT, not {text!r}")
    return name, endpoint
