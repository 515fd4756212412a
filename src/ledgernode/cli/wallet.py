"""A person's wallet: the key that twelve words stand for, the same in the browser and here."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import click

from ledgernode.cli.output import done, json_option

_account = click.option(
    "--account", type=click.IntRange(0), default=0, show_default=True, help="Which of the phrase's accounts."
)


@click.group()
def wallet() -> None:
    """A key from twelve words: make a phrase, find its key again."""


@wallet.command()
@json_option
def new(as_json: bool) -> None:
    """Make a recovery phrase and show it once. It is kept nowhere: write it down.

    \b
    ledgernode wallet new
    """
    from ledgernode.identity.phrase import key_from_phrase, new_phrase
    from ledgernode.wire.types import identity_id

    phrase = new_phrase()
    public = key_from_phrase(phrase).public_key
    words = phrase.split()
    rows = ["  ".join(f"{at + 1:2} {words[at]:<10}" for at in range(row, len(words), 4)) for row in range(4)]
    shown = "\n  ".join(
        ("the recovery phrase, shown this once:", "", *rows, "", "write it on paper; whoever has it has the wallet")
    )
    facts = {"phrase": phrase, "public_key": public.hex(), "identity": identity_id(public).hex()}
    done(shown, as_json, facts)


@wallet.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--phrase-file", type=click.File(), help="Read the words from this file, - for standard input (default: ask)."
)
@_account
@json_option
def recover(directory: Path, phrase_file: TextIO | None, account: int, as_json: bool) -> None:
    """Write the key of a recovery phrase to DIRECTORY/key.pem, which must not exist.

    \b
    ledgernode wallet recover ./my-wallet
    ledgernode wallet recover ./my-wallet --account 1 --phrase-file words.txt
    """
    from ledgernode.identity.phrase import key_from_phrase
    from ledgernode.wire.types import identity_id

    asked = phrase_file.read(2_000) if phrase_file else click.prompt("the twelve words", hide_input=True, err=True)
    key = key_from_phrase(asked, account)
    path = directory / "key.pem"
    key.save(path)
    facts = {"key": str(path), "public_key": key.public_key.hex(), "identity": identity_id(key.public_key).hex()}
    done(f"{path} holds the key of account {account}\n  identity {facts['identity']}", as_json, facts)
