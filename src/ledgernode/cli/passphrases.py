"""How a command comes by passphrases: from a file that is named, or from whoever sits at the terminal.

--key-passphrase-file FILE    or LEDGERNODE_KEY_PASSPHRASE_FILE: the file's name, never what is in it
at a terminal                 asked for where a key is encrypted, once a command; what is typed is not shown
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ledgernode.errors import BadRequest

if TYPE_CHECKING:
    from ledgernode.identity.key_file import Keeping
    from ledgernode.identity.passphrase import Unlock
    from ledgernode.sts.keys import Secret

VARIABLE: Final = "LEDGERNODE_KEY_PASSPHRASE_FILE"
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)

passphrase_option: Final = click.option(
    "--key-passphrase-file",
    "passphrase_file",
    type=_FILE,
    envvar=VARIABLE,
    help=f"Opens encrypted keys (mode 0600; default: ask at a terminal).  [env: {VARIABLE}]",
)
protect_option: Final = click.option(
    "--key-passphrase-file",
    "passphrase_file",
    type=_FILE,
    envvar=VARIABLE,
    help=f"Encrypt the new keys by the passphrase in it (mode 0600).  [env: {VARIABLE}]",
)
key_option: Final = click.option(
    "--key",
    "uri",
    default="",
    metavar="PKCS11-URI",
    help="The signing key lives in a token (docs/keys.md); it is made there if it is not there yet.",
)


def unlock_by(file: Path | None) -> Unlock:
    """By the file, else by asking, else not at all."""
    from ledgernode.identity.passphrase import from_file, none_given

    if file is not None:
        return from_file(file)
    return _ask_once() if at_terminal() else none_given


def at_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def keeping(uri: str, passphrase_file: Path | None) -> Keeping:
    """How a new signing key is to be kept."""
    from ledgernode.identity.key_file import Keeping
    from ledgernode.identity.passphrase import read_passphrase

    if uri:
        return Keeping(uri=uri)
    return Keeping(read_passphrase(passphrase_file) if passphrase_file is not None else None)


def new_passphrase(what: str) -> Secret | None:
    """Asked for twice; nothing for none."""
    from ledgernode.identity.passphrase import require_long

    asked = click.prompt(
        f"passphrase for {what} (empty: none)",
        hide_input=True,
        confirmation_prompt=True,
        err=True,
        default="",
        show_default=False,
    )
    return require_long(_secret(asked)) if asked else None


def _ask_once() -> Unlock:
    """Files of one command mostly have one passphrase: it is asked for at the first and tried at the others."""
    typed: list[Secret] = []

    def ask(path: Path) -> Secret:
        if not typed:
            typed.append(_secret(click.prompt(f"passphrase of {path}", hide_input=True, err=True)))
        return typed[0]

    return ask


def _secret(text: str) -> Secret:
    from ledgernode.sts.keys import Secret

    return Secret(text.encode())


def only_one(first: object, second: object, said: str) -> None:
    """Refuses two options that contradict each other."""
    if first and second:
        raise BadRequest(said)
