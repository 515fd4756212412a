"""Vending: sell prepaid units for payments, keep vending keys, look at what was sold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.http_options import HttpOptions, http_options
from ledgernode.cli.observe_option import observe_option
from ledgernode.cli.output import json_option, moment, show, table
from ledgernode.errors import BadRequest

if TYPE_CHECKING:
    from gateway.vending.partners import PartnerFile

_KEPT: Final = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_NAME: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")


@click.group()
def vending() -> None:
    """Sell prepaid units: payments in, twenty digits out."""


@vending.command()
@click.argument("directory", type=_KEPT)
@click.option(
    "--passphrase-file", "store_passphrase", type=_FILE, help="Opens the key store, where no module holds it."
)
@http_options
@observe_option
@network_options
@json_option
def run(
    directory: Path,
    *,
    store_passphrase: Path | None,
    http: HttpOptions,
    observe: str | None,
    at: Connection,
    as_json: bool,
) -> None:
    """Run a vending service until it is told to stop. DIRECTORY holds vending.json, keys, partners and purchases.

    Its identity (--as, --identity) is an operator of the utility.

    \b
    ledgernode vending run ./vending --http 0.0.0.0:8444 --passphrase-file passphrase --as north/vending
    """
    _require_packages()
    import msgspec

    from gateway.vending.process import Home, run_vending
    from gateway.vending.settings import read_settings

    settings = read_settings(directory)
    at = at.unlocked_by(directory, settings.key_passphrase_file)
    listen = http.listen(at)
    if listen is None:
        raise BadRequest("partners come by HTTP: say where (--http)")
    if observe is not None:
        settings = msgspec.structs.replace(settings, observe=observe)
    home = Home(
        directory=directory,
        ledger=at.ledger,
        nodes=at.endpoints,
        http=listen,
        tls=at.tls_files(),
        signer=at.signer(),
        passphrase_file=store_passphrase,
        settings=settings,
    )
    if as_json:
        run_vending(home)
    else:
        run_vending(home, ready=_say)


@vending.command()
@click.argument("directory", type=_KEPT)
@click.option("--state", default="", help="Only those that are received, reserved, minted or refused.")
@json_option
def purchases(directory: Path, state: str, as_json: bool) -> None:
    """List what was sold, and how far what is not over is. The service may be running. Tokens are not shown.

    \b
    ledgernode vending purchases ./vending --state reserved
    """
    _require_packages()
    from gateway.vending.store import VendingStore

    if not (directory / "purchases").is_dir():
        raise BadRequest(f"{directory} holds no purchases")
    store = VendingStore(directory / "purchases", readonly=True)
    try:
        listed = sorted(
            (one for one in store.purchases() if state in ("", one.state.value)), key=lambda one: one.received_ms
        )
    finally:
        store.close()
    found: list[dict[str, Any]] = [
        {
            "time_ms": one.received_ms,
            "partner": one.partner,
            "key": one.key,
            "state": one.state.value,
            "meter": one.payment.meter,
            "amount_minor": one.payment.amount_minor,
            "currency": one.payment.currency,
            "units": one.token.units if one.token is not None else 0,
            "credit": one.token.credit if one.token is not None else 0,
            "attempt": one.attempt,
            "code": one.code,
        }
        for one in listed
    ]
    columns = ("time (UTC)", "partner", "key", "state", "meter", "amount_minor", "units", "credit", "code")
    rows = ((moment(one["time_ms"]), *(one[name] for name in columns[1:])) for one in found)
    show({"purchases": found}, as_json, table(columns, rows, numbers=("amount_minor", "units", "credit")))


@vending.command()
@click.argument("key_store", type=_FILE)
@click.option("--socket", required=True, type=click.Path(path_type=Path), help="Where it is asked.")
@click.option("--passphrase-file", required=True, type=_FILE, help="Opens the key store.")
def module(key_store: Path, socket: Path, passphrase_file: Path) -> None:
    """Hold vending keys in a process of its own, for the services of this user, until told to stop.

    The service then has `"module": "SOCKET"` in its vending.json, and never a key.

    \b
    ledgernode vending module ./keys.json --socket ./module/socket --passphrase-file passphrase
    """
    _require_packages()
    from gateway.vending.process import run_module

    run_module(key_store, passphrase_file, socket, ready=lambda: click.echo(f"holding the keys of {key_store}"))


# ---------------------------------------------------------------- keys


@vending.group()
def keystore() -> None:
    """Vending keys in a file, sealed with a passphrase."""


@keystore.command("new")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--passphrase-file", required=True, type=_FILE, help="At least 12 characters, mode 0600.")
@click.option("--supply-group", required=True, help="Six digits: which meters share the key.")
@click.option("--key-revision", type=int, default=1, help="1 to 9 (default 1).")
@click.option("--key-type", type=int, default=2, help="1 (default) or 2 (unique); 2 when left out.")
@click.option("--vending-key-file", type=_FILE, help="40 hexadecimal digits, mode 0600; a new random key without it.")
@json_option
def new(
    *,
    path: Path,
    passphrase_file: Path,
    supply_group: str,
    key_revision: int,
    key_type: int,
    vending_key_file: Path | None,
    as_json: bool,
) -> None:
    """Put a vending key into the key store PATH, which is made if it is not there. The key is not shown.

    \b
    ledgernode vending keystore new ./vending/keys.json --passphrase-file passphrase --supply-group 123457
    """
    _require_packages()
    from gateway.vending.keystore import add_key, read_passphrase
    from ledgernode.identity.secret_file import read_secret
    from ledgernode.sts.keys import VendingKey

    given = None
    if vending_key_file is not None:
        given = VendingKey.from_hex(read_secret(vending_key_file).decode("ascii", "replace").strip())
    facts = add_key(
        path,
        read_passphrase(passphrase_file),
        supply_group=supply_group,
        key_type=key_type,
        key_revision=key_revision,
        key=given,
    )
    document = {"label": facts.label, "key_type": facts.key_type, "check": facts.check}
    show(document, as_json, f"{facts.label} is in {path}, check value {facts.check}")


@keystore.command()
@click.argument("path", type=_FILE)
@click.option("--passphrase-file", required=True, type=_FILE, help="Opens the store as it is.")
@click.option("--new-passphrase-file", "new_file", required=True, type=_FILE, help="Opens it from now on (mode 0600).")
@json_option
def protect(path: Path, passphrase_file: Path, new_file: Path, as_json: bool) -> None:
    """Seal every key of a key store anew under another passphrase. A service that runs goes on with what it has.

    \b
    ledgernode vending keystore protect ./vending/keys.json --passphrase-file old --new-passphrase-file new
    """
    _require_packages()
    from gateway.vending.keystore import change_passphrase, read_passphrase

    facts = change_passphrase(path, read_passphrase(passphrase_file), read_passphrase(new_file))
    labels = [one.label for one in facts]
    show({"keys": labels}, as_json, f"{path}: {len(labels)} keys under the new passphrase")


@keystore.command("show")
@click.argument("path", type=_FILE)
@click.option("--passphrase-file", type=_FILE, help="Opens the store, so that the list is known to be true.")
@json_option
def show_store(path: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """List the keys of a key store by label and check value; never a key.

    \b
    ledgernode vending keystore show ./vending/keys.json --passphrase-file passphrase
    """
    _require_packages()
    from gateway.vending.keystore import open_store, read_facts, read_passphrase

    facts = read_facts(path) if passphrase_file is None else open_store(path, read_passphrase(passphrase_file)).facts()
    columns = ("label", "supply_group", "key_type", "key_revision", "check")
    found = [{name: getattr(one, name) for name in columns} for one in facts]
    opened = passphrase_file is not None
    rows = ([one[name] for name in columns] for one in found)
    show({"keys": found, "opened": opened}, as_json, table(columns, rows, numbers=("key_type", "key_revision")))


# ---------------------------------------------------------------- partners


@vending.group()
def partner() -> None:
    """Who sells: points of sale, banks, mobile money."""


@partner.command("add")
@click.argument("directory", type=_KEPT)
@click.argument("name")
@click.option("--kind", type=click.Choice(["pos", "bank", "mobile"]), default="pos", help="What it is.")
@click.option("--payer", default="", metavar="DIR", help="Folder of the identity whose money buys, within DIRECTORY.")
@click.option("--limit-minor", type=click.IntRange(min=0), default=0, help="The most of one payment (0: no limit).")
@json_option
def add_partner(*, directory: Path, name: str, kind: str, payer: str, limit_minor: int, as_json: bool) -> None:
    """Let a partner sell. Its secret is shown once, and is kept as a hash; a running service knows it at once.

    \b
    ledgernode vending partner add ./vending kiosk-1 --payer payers/kiosk-1 --limit-minor 1000000
    """
    found = _partners(directory)
    from gateway.http.devices import new_secret
    from gateway.vending.partners import FILE, Partner, PartnerFile, write_partners

    if not _NAME.fullmatch(name):
        raise BadRequest("a name has 1 to 64 letters, digits and . _ : -")
    if any(one.name == name for one in found.partners):
        raise BadRequest(f"{name} is there already: remove it first")
    secret, digest = new_secret()
    made = Partner(name, kind, digest, payer, limit_minor)  # type: ignore[arg-type]  # click has checked it
    write_partners(directory / FILE, PartnerFile((*found.partners, made)))
    show({"name": name, "secret": secret}, as_json, f"secret of {name}, shown this once:\n{secret}")


@partner.command("list")
@click.argument("directory", type=_KEPT)
@json_option
def list_partners(directory: Path, as_json: bool) -> None:
    """List who may sell; not their secrets.

    \b
    ledgernode vending partner list ./vending
    """
    columns = ("name", "kind", "payer", "limit_minor")
    found = [{name: getattr(one, name) for name in columns} for one in _partners(directory).partners]
    rows = ([one[name] for name in columns] for one in found)
    show({"partners": found}, as_json, table(columns, rows, numbers=("limit_minor",)))


@partner.command("remove")
@click.argument("directory", type=_KEPT)
@click.argument("name")
def remove_partner(directory: Path, name: str) -> None:
    """Let a partner sell no more: its next request is refused. What it has sold stays.

    \b
    ledgernode vending partner remove ./vending kiosk-1
    """
    found = _partners(directory)
    from gateway.vending.partners import FILE, PartnerFile, write_partners

    left = tuple(one for one in found.partners if one.name != name)
    if len(left) == len(found.partners):
        raise BadRequest(f"there is no partner {name}")
    write_partners(directory / FILE, PartnerFile(left))
    click.echo(f"{name} is out")


def _partners(directory: Path) -> PartnerFile:
    _require_packages()
    from gateway.vending.partners import FILE, PartnerFile, read_partners

    return read_partners(directory / FILE) if (directory / FILE).exists() else PartnerFile()


def _require_packages() -> None:
    try:
        import gateway.vending.process  # noqa: F401  # what a node does without
    except ModuleNotFoundError as error:
        raise BadRequest(f"vending needs {error.name}: install ledgernode[gateway]") from error


def _say(serving: Any) -> None:
    click.echo(f"vending for {serving.utility} on {serving.host}:{serving.http_port} with {serving.keys} keys")
    if serving.observe_port:
        click.echo(f"health and metrics on port {serving.observe_port}")
