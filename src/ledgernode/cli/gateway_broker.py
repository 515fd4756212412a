"""`ledgernode gateway broker-files`: who may publish what, for a Mosquitto."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.cli.ask import Speaker
from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.output import done, json_option
from ledgernode.errors import BadRequest

if TYPE_CHECKING:
    from gateway.mqtt.topics import Device
    from ledgernode.identity.certificates import CertifiedIdentity

_FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)
_NEW_FOLDER: Final = click.Path(file_okay=False, path_type=Path)
_PORT: Final = 8883


@click.command("broker-files")
@click.argument("directory", type=_NEW_FOLDER)
@click.option("--org", "orgs", type=_FOLDER, multiple=True, required=True, help="An organisation's folder: its meters.")
@click.option("--broker-identity", type=_FOLDER, required=True, help="Whose TLS certificate names the broker's host.")
@click.option("--port", type=click.IntRange(1, 65_535), default=_PORT, show_default=True, help="Where it listens.")
@click.option("--gateway", "gateways", multiple=True, metavar="NAME", help="A gateway; may be repeated.")
@click.option("--concentrator", "concentrators", multiple=True, metavar="ORG/NAME", help="Carries what others signed.")
@click.option("--controller", "controllers", multiple=True, metavar="NAME", help="Hears of trades only.")
@click.option(
    "--field", "fields", multiple=True, metavar="NAME=TOPIC", help="A device of another format: plug=tele/plug/#."
)
@click.option("--certificates", is_flag=True, help="Devices are known by their TLS certificates, not by passwords.")
@click.option("--offline", is_flag=True, help="Take every certificate for good, and ask no ledger.")
@network_options
@json_option
def broker_files(
    directory: Path,
    *,
    orgs: tuple[Path, ...],
    broker_identity: Path,
    port: int,
    gateways: tuple[str, ...],
    concentrators: tuple[str, ...],
    controllers: tuple[str, ...],
    fields: tuple[str, ...],
    certificates: bool,
    offline: bool,
    at: Connection,
    as_json: bool,
) -> None:
    """Write Mosquitto's files of passwords and rights into DIRECTORY, from the meters that are enrolled.

    A device may publish on its own branch of topics and read its own, and nothing else. Run it again when devices
    come and go: passwords stay, who is suspended or revoked on the ledger is left out. Then send the broker a SIGHUP.
    The password of each new user is a file under DIRECTORY/secrets: bring it to the device and delete it.

    \b
    ledgernode gateway broker-files ./broker --org ./north --broker-identity ./broker-1 --gateway gateway-1
    mosquitto -c ./broker/mosquitto.conf
    """
    from gateway.mqtt.broker_files import Users, write_broker_files
    from gateway.mqtt.topics import Topics, read_device
    from ledgernode.identity.organisation import read_root

    if certificates and len(orgs) != 1:
        raise BadRequest(
            "by certificates a broker knows the devices of one organisation: another could take their names"
        )
    users = Users(
        devices=tuple({*_meters(orgs, at, offline=offline), *(read_device(one) for one in concentrators)}),
        gateways=gateways,
        controllers=controllers,
        fields=_fields(fields),
    )
    written = write_broker_files(
        directory,
        Topics(at.ledger),
        users,
        port=port,
        identity=broker_identity,
        certificates=certificates,
        roots=[read_root(one)[1] for one in orgs],
    )
    document: dict[str, Any] = {"users": written.users, "new": list(written.new), "gone": list(written.gone)}
    secrets = f", {len(written.new)} new: their passwords are in {directory / 'secrets'}" if written.new else ""
    gone = f", {len(written.gone)} gone" if written.gone else ""
    done(f"{directory}: {written.users} users{secrets}{gone}", as_json, document)


def _meters(orgs: Sequence[Path], at: Connection, *, offline: bool) -> list[Device]:
    """Those that an organisation has certified, and that the ledger holds for active."""
    from gateway.mqtt.topics import Device
    from ledgernode.identity.authority import read_pem_file
    from ledgernode.identity.certificates import read_certificate
    from ledgernode.identity.identity_files import CERTIFICATE
    from ledgernode.identity.records import Role

    paths = [path for org in orgs for path in sorted((org / "identities").glob(f"*/{CERTIFICATE}"))]
    found = [read_certificate(read_pem_file(path)) for path in paths]
    meters = [one for one in found if one.role is Role.METER]
    if not offline:
        active = _active(at, sorted({one.organisation for one in meters}))
        meters = [one for one in meters if _key(one) in active]
    return [Device(one.organisation, one.name) for one in meters]


def _active(at: Connection, organisations: Sequence[str]) -> set[str]:
    """The keys that may sign now."""
    with Speaker(at) as speaker:
        return {
            key["public_key"]
            for name in organisations
            for record in speaker.pages("identity", "list", organisation=name)
            if record["status"] == "active"
            for key in record["keys"][:1]
        }


def _key(found: CertifiedIdentity) -> str:
    return found.public_key.hex()


def _fields(given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for one in given:
        name, _, topic = one.partition("=")
        if not name or not topic:
            raise BadRequest(f"a device of another format is given as NAME=TOPIC, not {one!r}")
        found[name] = (*found.get(name, ()), topic)
    return found
