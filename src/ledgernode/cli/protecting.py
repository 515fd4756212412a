"""Passphrases of keys that are there: put on, changed, taken off."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ledgernode.cli.output import done, json_option
from ledgernode.cli.passphrases import at_terminal, new_passphrase, passphrase_option, unlock_by
from ledgernode.errors import BadRequest

if TYPE_CHECKING:
    from ledgernode.sts.keys import Secret

_KEYS: Final = "*key.pem"


@click.command()
@click.argument("paths", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True, metavar="PATH…")
@passphrase_option
@click.option(
    "--new-passphrase-file",
    "new_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The passphrase from now on (mode 0600, at least 12 characters; default: ask at a terminal).",
)
@click.option("--remove", is_flag=True, help="Leave the keys without a passphrase.")
@json_option
def protect(
    *, paths: tuple[Path, ...], passphrase_file: Path | None, new_file: Path | None, remove: bool, as_json: bool
) -> None:
    """Encrypt private keys by a passphrase, change it, or take it off. PATH is a key file, or a folder with some.

    All are opened before the first is written. A process that runs goes on with the key it has; where it looks at
    its TLS files again, it finds them by the passphrase file that its settings name.

    \b
    ledgernode identity protect ./north/ca/root ./north/ca/issuing
    ledgernode identity protect ./north-node/validator ./north-node/tls --new-passphrase-file ./passphrase
    ledgernode identity protect ./admin --key-passphrase-file ./old --new-passphrase-file ./new
    """
    from ledgernode.identity import key_file

    files = [file for path in paths for file in (sorted(path.glob(_KEYS)) if path.is_dir() else [path])]
    if not files:
        raise BadRequest(f"there is no key in {', '.join(map(str, paths))}")
    unlock = unlock_by(passphrase_file)
    for file in files:
        key_file.require_protectable(file, unlock)
    passphrase = None if remove else _new(new_file)
    for file in files:
        key_file.protect(file, unlock, passphrase)
    said = "without a passphrase" if passphrase is None else "under the passphrase"
    listed = "\n✓ ".join(f"{file} is {said}" for file in files)
    done(listed, as_json, {"keys": [str(file) for file in files], "encrypted": passphrase is not None})


def _new(file: Path | None) -> Secret:
    from ledgernode.identity.passphrase import read_passphrase, require_long

    if file is not None:
        return require_long(read_passphrase(file))
    if not at_terminal():
        raise BadRequest("name a file with the new passphrase (--new-passphrase-file), or --remove")
    asked = new_passphrase("these keys")
    if asked is None:
        raise BadRequest("to take a passphrase off, say --remove")
    return asked
