"""A gateway's directory, looked over: its settings and files, disk and outbox, and whether its nodes answer."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import lmdb

from gateway.outbox.entry import read_entry
from gateway.settings import FILE, Settings, read_settings
from ledgernode.doctor import finding, rules
from ledgernode.doctor.finding import Finding
from ledgernode.doctor.node_facts import identity, our_versions, roots, secret
from ledgernode.doctor.rules import Disk
from ledgernode.errors import BadRequest

_DAY_MS: Final = 86_400_000
_DIAL_S: Final = 3.0
_OUTBOX: Final = "outbox"


def look_over(directory: Path, who: Path | None, nodes: Sequence[str], now_ms: Callable[[], int]) -> list[Finding]:
    """Everything about the gateway of this directory; `who` is its identity's folder, where that was named."""
    found = rules.versions(our_versions())
    try:
        settings = read_settings(directory)
    except BadRequest as error:
        means, advice = "the gateway refuses to start", f"mend {FILE}; docs/gateway.md lists its fields"
        return [*found, finding.error("settings", f"its settings do not hold: {error}", means, advice)]
    found += [rules.observed(settings.observe), *_secrets(directory, settings)]
    if who is None:
        found.append(
            finding.note("certificate", "its identity was not named", "it was not looked at", "add --as or --identity")
        )
    else:
        found += [*identity("identity's", who, "", now_ms()), *identity("TLS", who, "tls-", now_ms())]
        if (who / "roots.pem").exists():
            found += roots(who / "roots.pem", now_ms())
    found += [*_disk(directory, settings), *_outbox(directory / _OUTBOX, settings, now_ms())]
    found += asyncio.run(_nodes(nodes))
    return found


def _secrets(directory: Path, settings: Settings) -> Iterator[Finding]:
    if settings.broker is not None and settings.broker.password_file:
        yield secret(directory / settings.broker.password_file)
    for device in settings.edge:
        yield secret(directory / device.identity / "key.pem")
    if (directory / _OUTBOX).is_dir():
        yield rules.directory(str(directory / _OUTBOX), stat.S_IMODE((directory / _OUTBOX).stat().st_mode))


def _disk(directory: Path, settings: Settings) -> Iterator[Finding]:
    usage = shutil.disk_usage(directory)
    yield rules.space("the outbox", Disk(usage.free, usage.total, 0, 0))
    kept = sum(file.stat().st_size for file in directory.glob(f"{_OUTBOX}/*.mdb"))
    if settings.limits.outbox_bytes - kept > usage.free:
        said = f"the outbox may grow to {settings.limits.outbox_bytes >> 20} MiB, and {usage.free >> 20} MiB are free"
        means = "with the ledger away for long, the disk is full before the outbox is"
        yield finding.warning("disk", said, means, "enlarge the volume, or lower limits.outbox_bytes in gateway.json")


def _outbox(path: Path, settings: Settings, now_ms: int) -> Iterator[Finding]:
    """How much waits there, for how long, and how much the ledger refused for good."""
    if not (path / "data.mdb").exists():
        yield finding.note("database", "there is no outbox yet", "the gateway makes it when it starts")
        return
    try:
        environment: Any = lmdb.open(str(path), readonly=True, create=False, max_dbs=3)
        try:
            entries, oldest_ms, refused = _kept(environment)
        finally:
            environment.close()
    except lmdb.Error as error:
        means = "what devices were told is safe cannot be sent"
        advice = "keep the files; docs/gateway.md says what a device sends again"
        yield finding.error("database", f"the outbox does not hold: {error}", means, advice)
        return
    held = "a gateway has it open" if _is_held(path) else "no gateway has it open"
    yield finding.ok("database", f"{entries} transactions wait in the outbox; {held}")
    if entries and now_ms - oldest_ms > _DAY_MS:
        said = f"what waits longest in the outbox came {(now_ms - oldest_ms) // _DAY_MS} days ago"
        means = f"after {settings.limits.give_up_ms // _DAY_MS} days it is given up"
        yield finding.warning("database", said, means, "is the ledger there; is the device registered on it")
    if refused:
        said = f"{refused} transactions were refused by the ledger for good"
        yield finding.note("database", said, "their devices are told", "ledgernode gateway refused")


def _kept(environment: Any) -> tuple[int, int, int]:
    """Entries, when the oldest of each lane's first came, and what was refused."""
    entries = environment.open_db(b"entries", create=False)
    refused = environment.open_db(b"refused", create=False)
    with environment.begin() as transaction:
        oldest_ms = 1 << 62
        with transaction.cursor(entries) as cursor:
            for key, value in cursor.iternext():
                oldest_ms = min(oldest_ms, read_entry(key, value).taken_ms)
        return int(transaction.stat(entries)["entries"]), oldest_ms, int(transaction.stat(refused)["entries"])


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path / "holder.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


async def _nodes(nodes: Sequence[str]) -> list[Finding]:
    """Whether anything listens there: who that is, a gateway that runs finds out."""
    reached = await asyncio.gather(*(_dial(node) for node in nodes))
    away = [(node, refusal) for node, refusal in zip(nodes, reached, strict=True) if refusal]
    if not nodes:
        return []
    if len(away) == len(nodes):
        said = f"none of the nodes answers: {', '.join(f'{node} ({refusal})' for node, refusal in away)}"
        return [
            finding.error(
                "peers", said, "what comes is kept, and nothing is committed", "are they running, and let us in"
            )
        ]
    found = [finding.ok("peers", f"{len(nodes) - len(away)} of {len(nodes)} nodes are listening")]
    for node, refusal in away:
        found.append(
            finding.warning("peers", f"{node} does not answer: {refusal}", "others are asked instead", "is it running")
        )
    return found


async def _dial(address: str) -> str:
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(_DIAL_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.close()
    except (OSError, TimeoutError, ValueError) as error:
        return str(error) or type(error).__name__
    return ""
