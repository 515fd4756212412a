"""Keys, requests and certificates: the steps of an identity before the ledger knows it.

* `new`, where the identity lives: a key and a request
* `sign`, where the organisation's issuing authority lives: a certificate for the request
* `accept`, where the identity lives: the certificate beside its key
* `enroll`, where one folder holds the organisation: all three at once
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.cli.clock import now_ms
from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.output import done, json_option, progress
from ledgernode.cli.passphrases import keeping, key_option, passphrase_option, protect_option, unlock_by
from ledgernode.errors import BadCertificate, BadRequest

if TYPE_CHECKING:
    from ledgernode.identity.records import Role

ROLES: Final = ("admin", "operator", "regulator", "validator", "gateway", "meter", "customer")
_FOLDER: Final = click.Path(file_okay=False, path_type=Path)
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)

_organisation = click.option("--organisation", required=True, help="The organisation it will belong to.")
_role = click.option("--role", type=click.Choice(ROLES), required=True, help="What it will be allowed to do.")
_attribute = click.option(
    "--attribute", "attributes", multiple=True, metavar="KEY=VALUE", help="What contracts can ask for; may be repeated."
)
_org_folder = click.option(
    "--org", "org", type=_FOLDER, help="The organisation's folder (default: the one of --as in the network)."
)


@click.command()
@click.argument("directory", type=_FOLDER)
@_organisation
@_role
@click.option("--name", help="Its name in the organisation (default: the folder's name).")
@_attribute
@click.option("--tls/--no-tls", default=True, show_default=True, help="Also make a TLS key, to connect to nodes.")
@key_option
@protect_option
@json_option
def new(
    *,
    directory: Path,
    organisation: str,
    role: str,
    name: str | None,
    attributes: tuple[str, ...],
    tls: bool,
    uri: str,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make keys and requests in DIRECTORY, where the identity will be used. Only the requests leave it.

    \b
    ledgernode identity new ./customer-1 --organisation north --role customer
    ledgernode identity new ./M-1 --organisation north --role meter --attribute feeder=ALPHA-09
    """
    from ledgernode.identity.certificate_profile import Purpose
    from ledgernode.identity.identity_files import new_request

    named, read = name or directory.resolve().name, read_attributes(attributes)
    requests = [directory / "request.pem"]
    whose: dict[str, Any] = {"organisation": organisation, "role": role_of(role), "name": named}
    new_request(directory, **whose, attributes=read, keeping=keeping(uri, passphrase_file))
    if tls:
        requests.append(directory / "tls-request.pem")
        new_request(directory, **whose, purpose=Purpose.TLS, keeping=keeping("", passphrase_file))
    listed = ", ".join(str(request) for request in requests)
    done(
        f"{organisation}/{named} has its keys in {directory}\n  have signed: {listed}",
        as_json,
        {"organisation": organisation, "name": named, "role": role, "requests": [str(request) for request in requests]},
    )


@click.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--next", "following", is_flag=True, help="Make the next key as well, for a rotation.")
@click.option("--tls", is_flag=True, help="Of the TLS key instead of the signing key.")
@key_option
@passphrase_option
@json_option
def csr(directory: Path, *, following: bool, tls: bool, uri: str, passphrase_file: Path | None, as_json: bool) -> None:
    """Make a new request for an identity that has a certificate: for its present key, or for its next.

    \b
    ledgernode identity csr ./customer-1 --next
    ledgernode identity csr ./customer-1 --tls
    """
    from ledgernode.identity.authority import build_request, read_pem_file
    from ledgernode.identity.certificate_profile import Purpose, read_pem
    from ledgernode.identity.identity_files import new_request
    from ledgernode.identity.key_file import kept_as, load_key

    purpose, prefix = (Purpose.TLS, "tls-") if tls else (Purpose.SIGNING, "")
    member = read_pem(read_pem_file(directory / f"{prefix}certificate.pem"), 2)[0].member
    if member is None:
        raise BadCertificate(f"{directory} holds an authority, not an identity")
    facts: dict[str, Any] = {
        "organisation": member.organisation,
        "role": member.role,
        "name": member.name,
        "attributes": member.attributes,
        "purpose": purpose,
    }
    path = directory / f"{'next-' if following else ''}{prefix}request.pem"
    key, unlock = directory / f"{prefix}key.pem", unlock_by(passphrase_file)
    if following:
        new_request(directory, **facts, rotation=True, keeping=keeping(uri, None) if uri else kept_as(key, unlock))
    else:
        path.write_text(build_request(load_key(key, unlock), **facts))
    document = {"request": str(path), "organisation": member.organisation, "name": member.name}
    done(f"have signed: {path}", as_json, document)


@click.command()
@click.argument("request", type=_FILE)
@click.option("--org", "org", type=_FOLDER, required=True, help="The organisation's own folder.")
@click.option("--role", type=click.Choice(ROLES), help="Refuse a request that asks for another role.")
@click.option("--days", type=click.IntRange(1), default=365, show_default=True, help="How long the certificate holds.")
@click.option("--tls-name", "tls_names", multiple=True, help="Host name or address of a TLS server; may be repeated.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write (default: print).")
@passphrase_option
def sign(
    *,
    request: Path,
    org: Path,
    role: str | None,
    days: int,
    tls_names: tuple[str, ...],
    output: Path | None,
    passphrase_file: Path | None,
) -> None:
    """Certify a request with the organisation's issuing authority. Look at the request first: this vouches for it.

    \b
    ledgernode identity sign customer-1-request.pem --org ./north --role customer -o customer-1-certificate.pem
    """
    from ledgernode.identity.authority import read_pem_file
    from ledgernode.identity.organisation import sign_request

    chain = sign_request(
        org,
        read_pem_file(request),
        now_ms=now_ms(),
        days=days,
        role=role_of(role) if role else None,
        tls_names=tls_names,
        unlock=unlock_by(passphrase_file),
    )
    if output is None:
        click.echo(chain, nl=False)
    else:
        output.write_text(chain)
        done(str(output))


@click.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("certificates", type=_FILE, nargs=-1, required=True, metavar="CERTIFICATE…")
@json_option
def accept(directory: Path, certificates: tuple[Path, ...], as_json: bool) -> None:
    """Put certificates that came back beside their keys. Refuses one that fits none of the keys there.

    \b
    ledgernode identity accept ./customer-1 customer-1-certificate.pem customer-1-tls-certificate.pem
    """
    from ledgernode.identity.authority import read_pem_file
    from ledgernode.identity.identity_files import place_certificate

    placed = [str(place_certificate(directory, read_pem_file(path))) for path in certificates]
    done("\n✓ ".join(placed), as_json, {"placed": placed})


@click.command()
@click.argument("name", required=False)
@click.option("--role", type=click.Choice(ROLES), help="Of NAME: what it will be allowed to do.")
@_attribute
@click.option("--bulk", type=_FILE, help="Many at once: CSV (name, role, attributes…) or JSON.")
@_org_folder
@click.option("--register", "registering", is_flag=True, help="Also register them on the ledger.")
@network_options
@json_option
def enroll(
    *,
    name: str | None,
    role: str | None,
    attributes: tuple[str, ...],
    bulk: Path | None,
    org: Path | None,
    registering: bool,
    at: Connection,
    as_json: bool,
) -> None:
    """Make keys and certificates in the organisation's own folder: one identity, or a list of them.

    A list is checked whole before anything is written. Its identities get a signing key only: meters and
    wallets reach the ledger through a gateway.

    \b
    ledgernode identity enroll customer-1 --role customer --register
    ledgernode identity enroll --bulk meters.csv --register --as north/admin
    """
    from ledgernode.cli.members import register_all
    from ledgernode.identity.enrolment import Enrolled, enroll_bulk, read_list
    from ledgernode.identity.organisation import new_identity

    if (name is None) == (bulk is None) or (name is not None) != (role is not None):
        raise BadRequest("enroll NAME with --role, or a list with --bulk")
    folder = org or at.organisation_directory
    if bulk is not None:
        with progress("certifying") as report:
            enrolled = enroll_bulk(folder, read_list(bulk), now_ms=now_ms(), progress=report, unlock=at.unlock)
    else:
        assert name is not None
        assert role is not None
        chain = new_identity(
            folder,
            name,
            role_of(role),
            now_ms=now_ms(),
            attributes=read_attributes(attributes),
            unlock=at.unlock,
        )
        enrolled = (Enrolled(name, role_of(role), chain),)
    ids = register_all(at, [one.certificate for one in enrolled]) if registering else [""] * len(enrolled)
    told = [
        {"name": one.name, "role": one.role.value, "id": identity} for one, identity in zip(enrolled, ids, strict=True)
    ]
    what = told[0]["name"] if len(told) == 1 else f"{len(told)} identities"
    registered = f"\n  registered {ids[0] if len(ids) == 1 else len(ids)}" if registering else ""
    done(f"{what} in {folder / 'identities'}{registered}", as_json, {"enrolled": told, "registered": registering})


def role_of(text: str) -> Role:
    from ledgernode.identity.records import Role

    return Role(text)


def read_attributes(texts: tuple[str, ...]) -> dict[str, str]:
    """KEY=VALUE each; refuses what is not, and a key that stands twice."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals) or key in found:
            raise BadRequest(f"an attribute is KEY=VALUE, each key once, not {text!r}")
        found[key] = value
    return found
