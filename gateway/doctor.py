"""A gateway, looked over: its settings and files, disk and outbox, clock, nodes and read model."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast

import grpc
import lmdb

from gateway.outbox.entry import read_entry
from gateway.settings import FILE, Settings, read_settings
from ledgernode import __version__
from ledgernode.doctor import finding, gateway_rules, rules
from ledgernode.doctor.finding import Finding
from ledgernode.doctor.gateway_rules import Asked
from ledgernode.doctor.node_facts import identity, our_versions, roots, secret
from ledgernode.doctor.rules import Disk
from ledgernode.errors import BadRequest, LedgerError
from ledgernode.identity.tls import TlsFiles, Trust, channel_credentials, load_tls
from ledgernode.v1 import ledger_pb2 as pb
from ledgernode.v1.ledger_pb2_grpc import LedgerServiceStub
from ledgernode.wire.protobuf import CLOCK_METADATA, VERSION_METADATA

_DIAL_S: Final = 3.0
_OUTBOX: Final = "outbox"
_T = TypeVar("_T")


class Who(NamedTuple):
    """As whom the gateway comes to its nodes, and to which ledger."""

    directory: Path
    ledger: str = ""
    tls: Callable[[], TlsFiles] | None = None
    """Reads its TLS files; None: they are all in its directory."""


def look_over(directory: Path, who: Who | None, nodes: Sequence[str], now_ms: Callable[[], int]) -> list[Finding]:
    """Everything about the gateway of this directory; `who` it is, where that was named: nodes answer nobody else."""
    found = rules.versions(our_versions())
    try:
        settings = read_settings(directory)
    except BadRequest as error:
        means, advice = "the gateway refuses to start", f"mend {FILE}; docs/gateway.md lists its fields"
        return [*found, finding.error("settings", f"its settings do not hold: {error}", means, advice)]
    found += [rules.observed(settings.observe), *_secrets(directory, settings)]
    if who is None:
        means, advice = "it was not looked at, and no node is asked", "add --as or --identity"
        found.append(finding.note("certificate", "its identity was not named", means, advice))
    else:
        found += _identity(who.directory, now_ms())
    found += [*_disk(directory, settings), *_outbox(directory / _OUTBOX, settings, now_ms())]
    found += asyncio.run(_reached(directory, settings, who, nodes, now_ms))
    return found


def _identity(who: Path, now_ms: int) -> Iterator[Finding]:
    yield from identity("identity's", who, "", now_ms)
    yield from identity("TLS", who, "tls-", now_ms)
    if (who / "roots.pem").exists():
        yield from roots(who / "roots.pem", now_ms)


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


def _outbox(path: Path, settings: Settings, now_ms: int) -> list[Finding]:
    if not (path / "data.mdb").exists():
        return [finding.note("database", "there is no outbox yet", "the gateway makes it when it starts")]
    limits = settings.limits
    try:
        environment: Any = lmdb.open(str(path), readonly=True, create=False, max_dbs=3)
        try:
            entries, kept_bytes, oldest_ms, refused = _kept(environment)
        finally:
            environment.close()
    except lmdb.Error as error:
        return gateway_rules.outbox(gateway_rules.Outbox(str(error)), now_ms)
    seen = gateway_rules.Outbox(
        entries=entries,
        kept_bytes=kept_bytes,
        limit_bytes=limits.outbox_bytes,
        oldest_ms=oldest_ms,
        refused=refused,
        give_up_ms=limits.give_up_ms,
        held=_is_held(path),
    )
    return gateway_rules.outbox(seen, now_ms)


def _kept(environment: Any) -> tuple[int, int, int, int]:
    """Entries, their bytes, when the oldest came, and what was refused."""
    entries = environment.open_db(b"entries", create=False)
    refused = environment.open_db(b"refused", create=False)
    with environment.begin() as transaction:
        oldest_ms, kept_bytes = 1 << 62, 0
        with transaction.cursor(entries) as cursor:
            for key, value in cursor.iternext():
                entry = read_entry(key, value)
                oldest_ms, kept_bytes = min(oldest_ms, entry.taken_ms), kept_bytes + entry.size
        there = int(transaction.stat(entries)["entries"])
        return there, kept_bytes, oldest_ms, int(transaction.stat(refused)["entries"])


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


# ---------------------------------------------------------------- nodes and read model


async def _reached(
    directory: Path, settings: Settings, who: Who | None, nodes: Sequence[str], now_ms: Callable[[], int]
) -> list[Finding]:
    seen = await _asked(nodes, who, now_ms)
    found = gateway_rules.nodes(seen)
    if who is not None:
        found += [*gateway_rules.clock(seen), *gateway_rules.versions(__version__, seen)]
    heights = [one.height for one in seen if not one.refusal and who is not None]
    if settings.model_database:
        found += await _model(settings.model_database, directory, max(heights, default=None))
    return found


async def _asked(nodes: Sequence[str], who: Who | None, now_ms: Callable[[], int]) -> list[Asked]:
    """Each of them, at once: as this gateway where it is known, else only whether anything listens there."""
    if who is None:
        return [Asked(node, refusal) for node, refusal in zip(nodes, await _all(map(_dial, nodes)), strict=True)]
    try:
        trust = Trust(load_tls(who.directory) if who.tls is None else who.tls())
    except LedgerError as error:
        return [Asked(node, f"we cannot show who we are: {error}") for node in nodes]
    return await _all(_ask(trust, who.ledger, node, now_ms) for node in nodes)


async def _all(asked: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    return list(await asyncio.gather(*asked))


async def _ask(trust: Trust, ledger: str, address: str, now_ms: Callable[[], int]) -> Asked:
    request = pb.GetLedgerRequest(ledger=ledger)
    async with grpc.aio.secure_channel(address, channel_credentials(trust)) as channel:
        stub: Any = LedgerServiceStub(cast("Any", channel))
        try:
            # the first answer waits for the connection; the second one's time is that of a question
            await stub.GetLedger(request, timeout=_DIAL_S)
            sent_ms = now_ms()
            call = stub.GetLedger(request, timeout=_DIAL_S)
            answer = await call
            answered_ms = now_ms()
            said = dict(await call.trailing_metadata())
        except grpc.aio.AioRpcError as error:
            return Asked(address, (error.details() or error.code().name)[:200])
    theirs = str(said.get(CLOCK_METADATA, "0"))
    return gateway_rules.answered(
        address,
        int(answer.height),
        str(said.get(VERSION_METADATA, "")),
        sent_ms=sent_ms,
        theirs_ms=int(theirs) if theirs.isdecimal() else 0,
        answered_ms=answered_ms,
    )


async def _dial(address: str) -> str:
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(_DIAL_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.close()
    except (OSError, TimeoutError, ValueError) as error:
        return str(error) or type(error).__name__
    return ""


async def _model(named: str, directory: Path, ledger_height: int | None) -> list[Finding]:
    try:
        from gateway.readmodel.standing import standing
    except ModuleNotFoundError as error:
        means, advice = "the gateway refuses to start", "install ledgernode[gateway]"
        return [finding.error("database", f"the read model needs {error.name}", means, advice)]
    if "://" not in named and not (directory / named).exists():
        return [finding.note("database", "there is no read model yet", "the gateway makes it when it starts")]
    return gateway_rules.model(await standing(named if "://" in named else str(directory / named), ledger_height))
