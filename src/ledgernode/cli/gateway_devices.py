"""Devices that come to a gateway by HTTP with a secret: give them one, list them, take it away."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.cli.output import json_option, show, table
from ledgernode.errors import BadRequest

if TYPE_CHECKING:
    from gateway.http.devices import DeviceFile

_KEPT: Final = click.Path(file_okay=False, path_type=Path)
_NAME: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_HEX: Final = re.compile(r"[0-9a-f]{64}")


@click.group()
def device() -> None:
    """Devices that come by HTTP with a secret of their own."""


@device.command()
@click.argument("directory", type=_KEPT)
@click.argument("name")
@click.option(
    "--method", type=click.Choice(["hmac", "bearer"]), default="hmac", help="Sign requests, or show a secret."
)
@click.option("--meter", default="", help="Whose readings it sends, as the registry names it.")
@click.option("--identity", default="", metavar="HEX", help="Its permanent id, where the meter signs by itself.")
@click.option("--url", default="", help="Where it is told its commands, if it is not to ask for them.")
@click.option("--service", is_flag=True, help="A service that gives commands to devices (vending).")
@json_option
def add(
    *, directory: Path, name: str, method: str, meter: str, identity: str, url: str, service: bool, as_json: bool
) -> None:
    """Let a device in. Its secret is shown once, and is kept as a hash; a running gateway knows it at once.

    \b
    ledgernode gateway device add ./gateway plug-1 --meter north:plug
    """
    found = _read(directory)
    from gateway.http.devices import FILE, Device, DeviceFile, new_secret, write_devices
    from gateway.http.post import read_url

    if not _NAME.fullmatch(name) or (identity and not _HEX.fullmatch(identity)):
        raise BadRequest("a name has 1 to 64 letters, digits and . _ : -, an identity 64 hexadecimal digits")
    if url:
        read_url(url)
    if any(one.name == name for one in found.devices):
        raise BadRequest(f"{name} is there already: remove it first")
    secret, digest = new_secret()
    made = Device(name, "hmac" if method == "hmac" else "bearer", digest, meter, identity, url, service)
    write_devices(directory / FILE, DeviceFile((*found.devices, made)))
    shown = secret if method == "hmac" else f"{name}.{secret}"
    text = f"secret of {name}, shown this once:\n{shown}"
    show({"name": name, "method": method, "secret": shown}, as_json, text)


@device.command("list")
@click.argument("directory", type=_KEPT)
@json_option
def list_devices(directory: Path, as_json: bool) -> None:
    """List the devices that come with a secret; not the secrets.

    \b
    ledgernode gateway device list ./gateway
    """
    names = ("name", "method", "meter", "identity", "url", "service")
    found: list[dict[str, Any]] = [{name: getattr(one, name) for name in names} for one in _read(directory).devices]
    rows = ([one[name] if name != "service" else ("yes" if one[name] else "") for name in names] for one in found)
    show({"devices": found}, as_json, table(names, rows))


@device.command()
@click.argument("directory", type=_KEPT)
@click.argument("name")
def remove(directory: Path, name: str) -> None:
    """Let a device in no more: its next request is refused.

    \b
    ledgernode gateway device remove ./gateway plug-1
    """
    found = _read(directory)
    from gateway.http.devices import FILE, DeviceFile, write_devices

    left = tuple(one for one in found.devices if one.name != name)
    if len(left) == len(found.devices):
        raise BadRequest(f"there is no device {name}")
    write_devices(directory / FILE, DeviceFile(left))
    click.echo(f"{name} is out")


def _read(directory: Path) -> DeviceFile:
    try:
        from gateway.http.devices import FILE, DeviceFile, read_devices
    except ModuleNotFoundError as error:
        raise BadRequest(f"HTTP needs {error.name}: install ledgernode[gateway]") from error
    return read_devices(directory / FILE) if (directory / FILE).exists() else DeviceFile()
