"""A new TLS key for a node, a gateway or a member, in the place of the one in use; no ledger is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from ledgernode.cli.clock import now_ms
from ledgernode.cli.output import done, json_option
from ledgernode.cli.passphrases import passphrase_option, unlock_by

_FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("rotate-tls")
@click.argument("directory", type=_FOLDER)
@click.option("--org", type=_FOLDER, help="Sign the new key here.")
@click.option("--tls-name", "tls_names", multiple=True, help="Host name or address (default: those it has now).")
@passphrase_option
@json_option
def rotate_tls(
    directory: Path, *, org: Path | None, tls_names: tuple[str, ...], passphrase_file: Path | None, as_json: bool
) -> None:
    """Give DIRECTORY (HOME/tls of a node, or an identity's folder) a new TLS key; the old one is kept as old-….

    Makes the next key and its request if there is none. Where the organisation's issuing authority is not at hand,
    have the request signed, `identity accept` the certificate, and run this again. What runs takes the new files
    within ten seconds.

    \b
    ledgernode identity rotate-tls ./north-node/tls --org ./north
    ledgernode identity rotate-tls ./gateway-1 --org ./north --tls-name gateway.north.example
    """
    from ledgernode.identity import tls_files
    from ledgernode.identity.authority import read_pem_file
    from ledgernode.identity.identity_files import place_certificate
    from ledgernode.identity.organisation import sign_request

    unlock = unlock_by(passphrase_file)
    request = tls_files.next_request(directory, unlock)
    if not tls_files.has_next_certificate(directory):
        if org is None:
            said = f"have signed: {request}\n  then `identity accept {directory} CERTIFICATE`, and run this again"
            done(said, as_json, {"rotated": False, "request": str(request)})
            return
        names = tls_names or tls_files.names(directory)
        chain = sign_request(org, read_pem_file(request), now_ms=now_ms(), tls_names=names, unlock=unlock)
        place_certificate(directory, chain, unlock)
    tls_files.take_next(directory)
    done(f"{directory} has a new TLS key; the old one is kept beside it", as_json, {"rotated": True})
