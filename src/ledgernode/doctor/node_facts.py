"""A node's home, looked over: its files, disk and databases, and what the other validators answer to it."""

from __future__ import annotations

import asyncio
import platform
import shutil
import ssl
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import grpc
import lmdb

from ledgernode import __version__
from ledgernode.config import STORE_READERS
from ledgernode.consensus.certifier import check_certificate
from ledgernode.doctor import finding, rules
from ledgernode.doctor.finding import Finding
from ledgernode.doctor.rules import Database, Disk, Peer, Versions
from ledgernode.errors import (
    BadCertificate,
    BadProof,
    DatabaseDamaged,
    DatabaseForeign,
    KeyFileUnsafe,
    LedgerError,
    PassphraseMissing,
)
from ledgernode.identity.authority import read_pem_file
from ledgernode.identity.certificate_profile import read_pem
from ledgernode.identity.home import (
    NodeConfig,
    data_directory,
    genesis_path,
    tls_directory,
    validator_directory,
)
from ledgernode.identity.key_file import Kind, kind_of, public_key_of
from ledgernode.identity.keys import verify
from ledgernode.identity.passphrase import in_settings
from ledgernode.identity.records import ValidatorRecord
from ledgernode.identity.secret_file import read_secret
from ledgernode.identity.tls import Trust, channel_credentials, load_tls, split_roots
from ledgernode.node.clocks import skew
from ledgernode.node.engines import ENGINES
from ledgernode.node.head import Head
from ledgernode.node.links import OPTIONS
from ledgernode.store.chain import ChainStore
from ledgernode.store.looking import DATA_FILE, LookedAt, holder_of
from ledgernode.v1 import validator_pb2 as pb
from ledgernode.v1.validator_pb2_grpc import ValidatorServiceStub
from ledgernode.wire.block import header_hash
from ledgernode.wire.genesis import EXECUTION_VERSION, PYTHON_VERSION, chain_id, parse_genesis
from ledgernode.wire.types import Height

ASK_MS: Final = 3_000
CHECKED_BLOCKS: Final = 64
Clock = Callable[[], int]


def look_over(home: Path, now_ms: Clock) -> list[Finding]:
    """Everything about the node of this home. Refuses (BadRequest) a folder that is no node's."""
    config = NodeConfig.read(home)
    found = [*rules.versions(our_versions()), rules.observed(config.observe)]
    for what, folder in (("validator", validator_directory(home)), ("TLS", tls_directory(home))):
        found += identity(what, folder, "", now_ms())
    found += roots(tls_directory(home) / "roots.pem", now_ms())
    if not config.ledgers:
        advice = "ledgernode node join"
        found.append(finding.note("settings", "it serves no ledger yet", "it has nothing to do", advice))
    for name in config.ledgers:
        found += ledger(home, name, now_ms)
    return found


def our_versions() -> Versions:
    major, minor, micro = (int(part) for part in platform.python_version_tuple())
    database: tuple[int, int, int] = lmdb.version()
    return Versions(__version__, (major, minor, micro), ssl.OPENSSL_VERSION, database)


# ---------------------------------------------------------------- files


def identity(what: str, folder: Path, prefix: str, now_ms: int) -> Iterator[Finding]:
    """A key and its certificate: who can read the one, how long the other holds, whether they belong together."""
    yield rules.directory(str(folder), stat.S_IMODE(folder.stat().st_mode) if folder.exists() else 0)
    path = folder / f"{prefix}key.pem"
    public_key, refusal = secret_key(path)
    yield rules.secret(str(path), refusal, "" if refusal else f", {kind_of(read_secret(path))}")
    try:
        leaf, issuer = read_pem(read_pem_file(folder / f"{prefix}certificate.pem"), 2)
    except LedgerError as error:
        yield rules.unreadable_certificate(what, str(error))
        return
    yield rules.certificate(what, leaf.not_after_ms, now_ms)
    yield rules.certificate(f"authority's, which issued the {what},", issuer.not_after_ms, now_ms)
    if public_key not in (None, leaf.public_key):
        yield rules.other_key(what)


def secret_key(path: Path) -> tuple[bytes | None, str]:
    """Whose key it is, where that can be said without a passphrase or a token, and why it would not be read."""
    try:
        if kind_of(read_secret(path)) is Kind.NAMED:
            return None, ""
        return public_key_of(path), ""
    except PassphraseMissing:
        return None, ""
    except LedgerError as error:
        return None, str(error)


def secret(path: Path) -> Finding:
    """Any other file with a secret."""
    try:
        read_secret(path)
    except KeyFileUnsafe as error:
        return rules.secret(str(path), str(error))
    return rules.secret(str(path), "")


def roots(path: Path, now_ms: int) -> Iterator[Finding]:
    """The authorities that are believed."""
    try:
        for root in split_roots(read_pem_file(path)):
            (read,) = read_pem(f"{root.strip()}\n", 1)
            yield rules.certificate(f"root of {read.organisation}", read.not_after_ms, now_ms)
    except BadCertificate as error:
        yield rules.unreadable_certificate("roots'", str(error))


# ---------------------------------------------------------------- a ledger


def ledger(home: Path, name: str, now_ms: Clock) -> list[Finding]:
    """Disk, database, versions, and the other validators of one ledger."""
    data = data_directory(home, name)
    try:
        genesis_bytes = genesis_path(home, name).read_bytes()
        genesis = parse_genesis(genesis_bytes)
    except (OSError, LedgerError) as error:
        means, advice = "the node refuses to start", "put back the genesis file that every founder accepted"
        return [finding.error("database", f"the genesis of ledger {name} cannot be read: {error}", means, advice)]
    wanted = genesis.python_version
    fits = wanted == PYTHON_VERSION and sys.version.startswith(f"{PYTHON_VERSION}.")
    found = [
        rules.runs_ledger(
            name,
            engine=genesis.engine.name,
            engines=sorted(ENGINES),
            execution=genesis.execution_version,
            ours=EXECUTION_VERSION,
            python="" if fits else wanted,
        )
    ]
    if not (data / DATA_FILE).exists():
        found.append(finding.note("database", f"ledger {name} has no database yet", "the node makes it when it starts"))
        return found
    try:
        looked = LookedAt(data)
    except (DatabaseDamaged, DatabaseForeign) as error:
        return [*found, *rules.database(Database(name, str(error)), now_ms(), STORE_READERS)]
    try:
        found += _opened(home, name, looked, genesis_bytes, now_ms)
    finally:
        looked.close()
    return found


def _opened(home: Path, name: str, looked: LookedAt, genesis_bytes: bytes, now_ms: Clock) -> Iterator[Finding]:
    data = data_directory(home, name)
    try:
        chain = ChainStore.open(looked, chain_id(genesis_bytes))
        checked = newest_blocks(chain)
        members, parameters = (head := Head(chain, lambda _: None)).members(), head.parameters
        began_ms = chain.header(Height(min(chain.base + 1, chain.head.height))).time_ms
    except LedgerError as error:
        yield from rules.database(Database(name, str(error)), now_ms(), STORE_READERS)
        return
    facts = looked.facts()
    seen = Database(
        ledger=name,
        height=chain.head.height,
        certified=chain.certified_height,
        time_ms=chain.head.time_ms,
        facts=facts,
        checked=checked,
        holder=holder_of(data),
    )
    yield from rules.database(seen, now_ms(), STORE_READERS)
    disk = shutil.disk_usage(data)
    yield rules.space(f"ledger {name}", Disk(disk.free, disk.total, facts.used_bytes, now_ms() - began_ms))
    own_key = secret_key(validator_directory(home) / "key.pem")[0]
    others = [member for member in members if own_key is None or member.public_key != own_key.hex()]
    asked = asyncio.run(ask_all(home, name, others, now_ms))
    yield from rules.peers(name, asked, members=len(members), own_height=chain.head.height)
    yield from rules.clock(name, asked, parameters.clock_skew_ms, now_ms(), chain.head.time_ms)


def newest_blocks(chain: ChainStore) -> int:
    """How many of the newest blocks hold together: each the parent of the next, certified by its set.

    Raises BadProof or DatabaseDamaged for the first that does not.
    """
    first = max(chain.base, chain.head.height - CHECKED_BLOCKS + 1, 0)
    parent = None
    for number in range(first, chain.head.height + 1):
        height = Height(number)
        header = chain.header(height)
        if parent is not None and header.parent_hash != header_hash(parent):
            raise BadProof(f"block {height} does not follow block {parent.height}")
        if header.transactions != len(chain.envelopes(height)) or header.receipts != len(chain.receipts(height)):
            raise DatabaseDamaged(f"block {height} does not hold what its header counts")
        if 0 < height <= chain.certified_height and height > chain.base:
            check_certificate(header, chain.certificate(height), chain.validator_set(header.current_set), verify)
        parent = header
    return chain.head.height - first + 1


# ---------------------------------------------------------------- the others


async def ask_all(home: Path, name: str, members: list[ValidatorRecord], now_ms: Clock) -> list[Peer]:
    """How far each of them is and what time it has, asked as this node; all at once."""
    try:
        unlock = in_settings(home, NodeConfig.read(home).key_passphrase_file)
        trust = Trust(load_tls(tls_directory(home), unlock))
    except LedgerError as error:
        return [Peer(member.organisation, member.endpoint, f"we cannot show who we are: {error}") for member in members]
    return list(await asyncio.gather(*(_ask(trust, name, member, now_ms) for member in members)))


async def _ask(trust: Trust, name: str, member: ValidatorRecord, now_ms: Clock) -> Peer:
    async with grpc.aio.secure_channel(member.endpoint, channel_credentials(trust), options=OPTIONS) as channel:
        stub: Any = ValidatorServiceStub(channel)
        request = pb.GetHeightRequest(ledger=name)
        try:
            # the first answer waits for the connection; the second one's time is that of a question
            await stub.GetHeight(request, timeout=ASK_MS / 1_000)
            sent_ms = now_ms()
            answer = await stub.GetHeight(request, timeout=ASK_MS / 1_000)
        except grpc.aio.AioRpcError as error:
            return Peer(member.organisation, member.endpoint, (error.details() or error.code().name)[:200])
        known = skew(sent_ms, int(answer.time_ms), now_ms())
        return Peer(member.organisation, member.endpoint, height=int(answer.height), skew=known)
