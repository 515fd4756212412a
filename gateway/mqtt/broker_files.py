"""Who may publish what: the files by which Mosquitto knows users and their rights.

    passwords        a line for each user; only hashes
    rights           of each user its own branch, and nothing else
    mosquitto.conf   that uses both, over TLS
    roots.pem        under which client certificates stand, where those are the names
    secrets/…        the passwords themselves, one file a user: to be carried to where it is used, then deleted

A gateway believes a topic, because the broker lets nobody write to another's branch: these rights are what a device's
name rests on. Written again, the files keep the passwords that there are, and forget who is no device any more.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateway.mqtt.topics import SAID, TOLD, Device, Kind, Topics
from ledgernode.errors import BadRequest
from ledgernode.identity.secret_file import create_secret, read_secret, secret_directory

PASSWORDS: Final = "passwords"
RIGHTS: Final = "rights"
CONFIGURATION: Final = "mosquitto.conf"
ROOTS: Final = "roots.pem"
SECRETS: Final = "secrets"
_FORM: Final = "$7$"
"""PBKDF2 with SHA-512, as Mosquitto 2 writes it."""
_ITERATIONS: Final = 101
"""Mosquitto's own number: the passwords made here are random, and no dictionary holds them."""
_SALT_BYTES: Final = 12
_PASSWORD_BYTES: Final = 24


class Users(msgspec.Struct, frozen=True):
    """Everybody that the broker is to know. `fields`: users of other formats, each with the filters it publishes to;
    what is said to them (`cmnd/…`) is somebody else's to say."""

    devices: tuple[Device, ...] = ()
    gateways: tuple[str, ...] = ()
    controllers: tuple[str, ...] = ()
    """Hear of trades, and nothing else."""
    fields: dict[str, tuple[str, ...]] = {}


class Written(msgspec.Struct, frozen=True):
    """What came of it: users with a password that was made now, and users that are no more."""

    users: int
    new: tuple[str, ...]
    gone: tuple[str, ...]


# ---------------------------------------------------------------- what is in them


def username(device: Device, *, certificates: bool) -> str:
    """With certificates the broker knows a device by the name in its certificate, under one organisation's root."""
    return device.name if certificates else str(device)


def names(users: Users, *, certificates: bool) -> list[str]:
    """All of them, once each. Refuses a name that two would have, and one that no file of Mosquitto's can hold."""
    found = [
        *users.gateways,
        *users.controllers,
        *sorted(users.fields),
        *(username(one, certificates=certificates) for one in sorted(users.devices)),
    ]
    twice = sorted({one for one in found if found.count(one) > 1}) if len(set(found)) < len(found) else []
    if twice:
        raise BadRequest(f"two users of the broker would be {', '.join(twice)}")
    for one in found:
        if not one or one != one.strip() or any(character in one for character in ":\n\r\0+#"):
            raise BadRequest(f"no user of a broker is named {one!r}")
    return found


def rights(topics: Topics, users: Users, *, certificates: bool = False) -> str:
    """Mosquitto's `acl_file`. Who is not named may nothing."""
    parts = ["# Written by `ledgernode gateway broker-files`: changes are lost when it is run again.\n"]
    trades = f"topic read {topics.all_trades()}"
    for one in users.gateways:
        spoken = [topics.said(kind) for kind in TOLD if kind is not Kind.ANSWERS]
        lines = [f"topic read {topics.said(kind)}" for kind in SAID]
        lines += [f"topic write {topic}" for topic in (*spoken, f"{topics.said(Kind.ANSWERS)}/#")]
        lines += [f"topic readwrite {topics.all_trades()}", f"topic readwrite {topics.all_gateways()}"]
        lines += [f"topic read {topic}" for filters in users.fields.values() for topic in filters]
        parts.append(_user(one, lines))
    parts += [_user(one, [trades]) for one in users.controllers]
    for one, filters in sorted(users.fields.items()):
        parts.append(_user(one, [f"topic write {topic}" for topic in filters]))
    for device in sorted(users.devices):
        branch = topics.branch(device)
        lines = [f"topic write {branch}/{kind.value}" for kind in SAID]
        lines += [f"topic read {branch}/{kind.value}{'/#' if kind is Kind.ANSWERS else ''}" for kind in TOLD]
        parts.append(_user(username(device, certificates=certificates), lines))
    return "\n".join(parts)


def _user(name: str, lines: Iterable[str]) -> str:
    return "\n".join([f"user {name}", *lines, ""])


def configuration(directory: Path, port: int, identity: Path, *, certificates: bool) -> str:
    """A broker that keeps what it has taken over its own death, and lets in whom these files name."""
    lines = [
        "# Written by `ledgernode gateway broker-files`.",
        f"listener {port}",
        f"certfile {identity / 'tls-certificate.pem'}",
        f"keyfile {identity / 'tls-key.pem'}",
        "tls_version tlsv1.2",
        "set_tcp_nodelay true",
        "allow_anonymous false",
        f"acl_file {directory / RIGHTS}",
    ]
    if certificates:
        lines += [f"cafile {directory / ROOTS}", "require_certificate true", "use_identity_as_username true"]
    else:
        lines += [f"password_file {directory / PASSWORDS}"]
    lines += [
        "persistence true",
        f"persistence_location {directory / 'kept'}/",
        "autosave_on_changes true",
        "autosave_interval 100",
        "persistent_client_expiration 14d",
        "max_queued_messages 100000",
        "max_packet_size 1100000",
        "",
    ]
    return "\n".join(lines)


def hashed(password: str, salt: bytes) -> str:
    """As `mosquitto_passwd` writes it."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"{_FORM}{_ITERATIONS}${_text(salt)}${_text(digest)}"


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


# ---------------------------------------------------------------- onto the disk


def write_broker_files(
    directory: Path,
    topics: Topics,
    users: Users,
    *,
    port: int,
    identity: Path,
    certificates: bool = False,
    roots: Sequence[str] = (),
) -> Written:
    """Write all of them; passwords that are known stay. What the broker reads changes in one step each."""
    wanted = names(users, certificates=certificates)
    secret_directory(directory)
    secret_directory(directory / "kept")
    before = _known(directory / PASSWORDS)
    made: dict[str, str] = {}
    if not certificates:
        made = {one: before.get(one) or _new_secret(directory, one) for one in wanted}
        _replace(directory / PASSWORDS, "".join(f"{one}:{line}\n" for one, line in made.items()))
    else:
        _replace(directory / ROOTS, "".join(roots))
    _replace(directory / RIGHTS, rights(topics, users, certificates=certificates))
    _replace(
        directory / CONFIGURATION,
        configuration(directory.absolute(), port, identity.absolute(), certificates=certificates),
    )
    gone = tuple(sorted(set(before) - set(wanted)))
    for one in gone:
        _secret_path(directory, one).unlink(missing_ok=True)
    return Written(len(wanted), tuple(one for one in made if one not in before), gone)


def _known(path: Path) -> Mapping[str, str]:
    if not path.exists():
        return {}
    lines = (line.partition(":") for line in read_secret_text(path).splitlines())
    return {name: line for name, _, line in lines if line}


def read_secret_text(path: Path) -> str:
    """A file of ours of any length; refuses one that others can read."""
    if path.stat().st_mode & 0o077:
        raise BadRequest(f"{path} can be read by others: run `chmod 600 {path}`")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"{path} is no text in UTF-8") from error


def _new_secret(directory: Path, user: str) -> str:
    """Make a password and keep it for its user; one that was made before and never used is taken again."""
    path = _secret_path(directory, user)
    if not path.exists():
        create_secret(path, secrets.token_urlsafe(_PASSWORD_BYTES).encode())
    return hashed(read_secret(path).decode(), secrets.token_bytes(_SALT_BYTES))


def _secret_path(directory: Path, user: str) -> Path:
    """A user's name has at most one slash, between an organisation and a name: both fit for a path."""
    organisation, slash, name = user.partition("/")
    parts = (organisation, name) if slash else (user,)
    if any(part in ("", ".", "..") or "/" in part for part in parts):
        raise BadRequest(f"no user of a broker is named {user!r}")
    return (directory / SECRETS).joinpath(*parts[:-1], f"{parts[-1]}.password")


def _replace(path: Path, text: str) -> None:
    """Whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    create_secret(fresh, text.encode())
    os.replace(fresh, path)  # noqa: PTH105  # the rename itself
