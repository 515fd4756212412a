"""Who is known to the ledger, and by which keys: registration, suspension, revocation, rotation.

Every change is a transaction of the contract `identity` and takes effect with the next block.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.cli import enrolment
from ledgernode.cli.ask import Speaker
from ledgernode.cli.clock import now_ms
from ledgernode.cli.connection import ID_FILE, Connection, network_options
from ledgernode.cli.members import id_of, register_all
from ledgernode.cli.output import as_text, done, facts, json_option, moment, short, show, table
from ledgernode.cli.passphrases import key_option
from ledgernode.cli.protecting import protect
from ledgernode.cli.tls_rotation import rotate_tls

if TYPE_CHECKING:
    from ledgernode.identity.signing import SigningKey

_CONTRACT: Final = "identity"

_reason = click.option("--reason", required=True, help="Why; it is kept on the ledger.")


@click.group()
def identity() -> None:
    """Keys, certificates, registration, rotation and revocation."""


for _command in (enrolment.new, enrolment.csr, enrolment.sign, enrolment.accept, enrolment.enroll, protect, rotate_tls):
    identity.add_command(_command)


@identity.command()
@click.argument("certificates", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True, metavar="PATH…")
@network_options
@json_option
def register(certificates: tuple[Path, ...], at: Connection, as_json: bool) -> None:
    """Register identities of your organisation, by certificate file or identity folder, as its admin.

    Those that are registered already are left as they are.

    \b
    ledgernode identity register customer-1-certificate.pem --as north/admin
    ledgernode identity register organisations/north/identities/*
    """
    from ledgernode.identity.authority import read_pem_file

    files = [path / "certificate.pem" if path.is_dir() else path for path in certificates]
    ids = register_all(at, [read_pem_file(file) for file in files])
    told = [{"certificate": str(file), "id": identity} for file, identity in zip(files, ids, strict=True)]
    done("\n✓ ".join(f"{one['id']}  {one['certificate']}" for one in told), as_json, {"registered": told})


@identity.command("list")
@click.option("--organisation", help="Of this organisation only.")
@network_options
@json_option
def list_identities(organisation: str | None, at: Connection, as_json: bool) -> None:
    """List the identities that are registered.

    \b
    ledgernode identity list --organisation north
    """
    with Speaker(at) as speaker:
        names = [organisation] if organisation else [one["name"] for one in speaker.ask(_CONTRACT, "organisations")]
        found = [record for name in names for record in speaker.pages(_CONTRACT, "list", organisation=name)]
    rows = (
        (
            short(record["id"]),
            record["organisation"],
            record["role"],
            record["status"],
            moment(record["keys"][0]["not_after_ms"]),
            as_text(record["attributes"]) if record["attributes"] else "",
        )
        for record in found
    )
    columns = ("id", "organisation", "role", "status", "certificate ends (UTC)", "attributes")
    show({"identities": found}, as_json, table(columns, rows))


@identity.command("show")
@click.argument("named", metavar="ID|ORG/NAME")
@network_options
@json_option
def show_identity(named: str, at: Connection, as_json: bool) -> None:
    """Show one identity with its keys, by id or by its folder's name in the network.

    \b
    ledgernode identity show north/customer-1
    """
    with Speaker(at) as speaker:
        found: dict[str, Any] = speaker.ask(_CONTRACT, "describe", identity=id_of(at, named))
    keys = (
        (
            short(key["public_key"][2:]),
            moment(key["not_after_ms"]),
            f"until {moment(key['overlap_until_ms'])}" if key["overlap_until_ms"] else "current",
        )
        for key in found["keys"]
    )
    show(
        found,
        as_json,
        facts(
            (
                ("identity", found["id"]),
                ("organisation", found["organisation"]),
                ("role", found["role"]),
                ("status", found["status"]),
                *((f"  {name}", value) for name, value in found["attributes"].items()),
            )
        ),
        "",
        table(("key", "certificate ends (UTC)", "speaks"), keys),
    )


@identity.command()
@click.argument("named", metavar="ID|ORG/NAME")
@_reason
@network_options
@json_option
def suspend(named: str, reason: str, at: Connection, as_json: bool) -> None:
    """Refuse an identity's signature until it is resumed.

    \b
    ledgernode identity suspend north/M-1 --reason "meter reported stolen"
    """
    _change("suspend", named, reason, at, as_json)


@identity.command()
@click.argument("named", metavar="ID|ORG/NAME")
@_reason
@network_options
@json_option
def resume(named: str, reason: str, at: Connection, as_json: bool) -> None:
    """End a suspension.

    \b
    ledgernode identity resume north/M-1 --reason "meter found"
    """
    _change("resume", named, reason, at, as_json)


@identity.command()
@click.argument("named", metavar="ID|ORG/NAME")
@_reason
@click.confirmation_option(prompt="Revoking ends this identity for ever. Go on?")
@network_options
@json_option
def revoke(named: str, reason: str, at: Connection, as_json: bool) -> None:
    """End an identity for ever. Asks first, unless --yes is given.

    \b
    ledgernode identity revoke north/M-1 --reason "meter scrapped" --yes
    """
    _change("revoke", named, reason, at, as_json)


@identity.command()
@click.option("--org", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Sign the new key here.")
@key_option
@network_options
@json_option
def rotate(org: Path | None, uri: str, at: Connection, as_json: bool) -> None:
    """Give the identity of --as (or --identity) a new key; the old one speaks for a while yet, then never again.

    Makes the next key and its request if there is none. Where the organisation's issuing authority is not
    at hand, have the request signed, `identity accept` the certificate, and run this again.

    \b
    ledgernode identity rotate --as north/customer-1
    ledgernode identity rotate --identity ./customer-1 --network ./network
    """
    from ledgernode.cli.rotation import next_key, prepare, proof_of
    from ledgernode.identity.identity_files import finish_rotation

    folder = at.identity_directory
    authority = org or (None if at.identity_option else at.organisation_directory)
    certificate = prepare(folder, authority, now_ms(), at.unlock, uri)
    if certificate is None:
        request = folder / "next-request.pem"
        done(
            f"have signed: {request}\n  then `identity accept {folder} CERTIFICATE`, and run this again",
            as_json,
            {"rotated": False, "request": str(request)},
        )
        return
    with Speaker(at) as speaker:
        permanent = speaker.signer.identity
        if not _speaks(speaker, next_key(folder, at.unlock)):  # else: cut short the last time
            speaker.submit(
                _CONTRACT, "rotate", certificate=certificate, proof=proof_of(folder, permanent, at.unlock).hex()
            )
    (folder / ID_FILE).write_text(f"{permanent.hex()}\n")
    finish_rotation(folder)
    done(
        f"{short(permanent.hex())} has a new key in {folder}; the old one is kept as old-key.pem",
        as_json,
        {"rotated": True, "id": permanent.hex()},
    )


def _speaks(speaker: Speaker, key: SigningKey) -> bool:
    """Does this key speak for the identity already? Asked by the key itself: the one before may have ended."""
    from ledgernode.errors import UnknownSigner

    permanent = speaker.signer.identity
    try:
        speaker.ask(_CONTRACT, "describe", signer=speaker.signer.beside(key, permanent), identity=permanent.hex())
    except UnknownSigner:
        return False
    return True


@identity.command()
@click.argument("named", metavar="ID|ORG/NAME")
@click.argument("certificate", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_reason
@network_options
@json_option
def rekey(named: str, certificate: Path, reason: str, at: Connection, as_json: bool) -> None:
    """Replace the lost or stolen key of an identity by the one of a new certificate; old keys die at once.

    \b
    ledgernode identity rekey north/customer-1 customer-1-new-certificate.pem --reason "telephone lost"
    """
    from ledgernode.identity.authority import read_pem_file

    permanent, chain = id_of(at, named), read_pem_file(certificate)
    with Speaker(at) as speaker:
        outcome = speaker.submit(_CONTRACT, "rekey", identity=permanent, certificate=chain, reason=reason)
    document = {"id": permanent, "height": outcome.height}
    done(f"{short(permanent)} has the key of {certificate}; its earlier keys are dead", as_json, document)


def _change(function: str, named: str, reason: str, at: Connection, as_json: bool) -> None:
    permanent = id_of(at, named)
    with Speaker(at) as speaker:
        outcome = speaker.submit(_CONTRACT, function, identity=permanent, reason=reason)
        status = speaker.ask(_CONTRACT, "describe", identity=permanent)["status"]
    document = {"id": permanent, "status": status, "height": outcome.height}
    done(f"{short(permanent)} is {status} from block {outcome.height + 1} on", as_json, document)
