"""What facts mean. Pure: no file, no socket, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ledgernode.doctor.finding import Finding, error, note, ok, warning
from ledgernode.node.clocks import Skew
from ledgernode.store.lmdb import StoreFacts
from ledgernode.wire.quorum import faulty_limit, quorum

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
WARN_DAYS: Final = 30
URGENT_DAYS: Final = 7
DISK_WARN_DAYS: Final = 60
DISK_URGENT_DAYS: Final = 7
DISK_WARN_PERCENT: Final = 10
DISK_URGENT_PERCENT: Final = 3
BEHIND_BLOCKS: Final = 64
OLDEST_LMDB: Final = (0, 9, 24)


# ---------------------------------------------------------------- certificates and files


def certificate(what: str, ends_ms: int, now_ms: int) -> Finding:
    """`what`: whose it is."""
    days = abs(ends_ms - now_ms) // DAY_MS
    renew = "docs/operator.md, Certificates that end: a new request, signed by your organisation's issuing authority"
    if ends_ms <= now_ms:
        means = "others hang up on this process; a validator stays in the set, and cannot be reached"
        return error("certificate", f"the {what} certificate ended {days} days ago", means, renew)
    if ends_ms - now_ms < URGENT_DAYS * DAY_MS:
        return error("certificate", f"the {what} certificate ends in {days} days", "then others hang up on it", renew)
    if ends_ms - now_ms < WARN_DAYS * DAY_MS:
        return warning("certificate", f"the {what} certificate ends in {days} days", "then others hang up on it", renew)
    return ok("certificate", f"the {what} certificate holds for {days} days")


def unreadable_certificate(what: str, reason: str) -> Finding:
    means, advice = "it cannot be shown to anybody", "put back the certificate that belongs to the key beside it"
    return error("certificate", f"the {what} certificate cannot be read: {reason}", means, advice)


def other_key(what: str) -> Finding:
    means, advice = "every handshake and signature with it fails", "put the certificate of this key there, or its key"
    return error("certificate", f"the {what} certificate is of another key than the one beside it", means, advice)


def secret(path: str, refusal: str, kept: str = "") -> Finding:
    """A file with a secret; `refusal` says why it would not be read, empty where it is well; `kept` in which form."""
    if not refusal:
        return ok("files", f"{path} is read by its owner alone{kept}")
    return error("files", refusal, "the process refuses to use it, and others may have copied it", f"chmod 600 {path}")


def directory(path: str, mode: int) -> Finding:
    if mode & 0o077:
        said = f"{path} can be entered by others (mode {mode:04o})"
        return warning("files", said, "whoever has an account here can look around in it", f"chmod 700 {path}")
    return ok("files", f"{path} is its owner's alone")


# ---------------------------------------------------------------- disk


class Disk(NamedTuple):
    free_bytes: int
    size_bytes: int
    grown_bytes: int
    """So much was written there in `grown_ms`."""
    grown_ms: int


def days_left(disk: Disk) -> float | None:
    """By the growth so far; None where it was seen for less than an hour, or there was none."""
    if disk.grown_ms < HOUR_MS or disk.grown_bytes <= 0:
        return None
    return disk.free_bytes * disk.grown_ms / disk.grown_bytes / DAY_MS


def space(where: str, disk: Disk) -> Finding:
    days, percent = days_left(disk), 100 * disk.free_bytes / max(1, disk.size_bytes)
    lasts = "" if days is None else f", for {days:.0f} days at the growth so far"
    what = f"{disk.free_bytes // (1 << 20)} MiB ({percent:.0f} %) are free for {where}{lasts}"
    means = "a node whose disk is full halts its ledger; a gateway takes nothing more"
    advice = "enlarge the volume, or move other files away"
    if percent < DISK_URGENT_PERCENT or (days is not None and days < DISK_URGENT_DAYS):
        return error("disk", what, means, advice)
    if percent < DISK_WARN_PERCENT or (days is not None and days < DISK_WARN_DAYS):
        return warning("disk", what, means, advice)
    return ok("disk", what)


# ---------------------------------------------------------------- database


class Database(NamedTuple):
    """Of one ledger. `damage` says why it does not hold; then nothing else is known."""

    ledger: str
    damage: str = ""
    height: int = 0
    certified: int = 0
    time_ms: int = 0
    facts: StoreFacts | None = None
    checked: int = 0
    """So many of its newest blocks were looked at: links, certificates."""
    holder: int | None = None


def database(seen: Database, now_ms: int, readers_limit: int) -> list[Finding]:
    named = f"ledger {seen.ledger}"
    if seen.damage:
        means = "the node will not open it, or halts"
        advice = "restore it from a snapshot (docs/operator.md, Snapshot and restore); keep the damaged files"
        return [error("database", f"the database of {named} does not hold: {seen.damage}", means, advice)]
    assert seen.facts is not None, "what holds was opened"
    age = "now" if now_ms - seen.time_ms < 1_000 else f"{(now_ms - seen.time_ms) // 1_000} s ago"
    used = f"{seen.facts.used_bytes // (1 << 20)} of {seen.facts.map_bytes // (1 << 20)} MiB mapped"
    what = f"{named} is at height {seen.height}, certified to {seen.certified}, last block {age}; {used}"
    found = [ok("database", f"{what}; the newest {seen.checked} blocks hold together")]
    if seen.facts.used_bytes * 10 > seen.facts.limit_bytes * 8:
        said = f"the database of {named} has used more than 80 % of what it may grow to"
        found.append(warning("database", said, "at its limit the ledger halts", "start it anew from a snapshot"))
    if seen.facts.reader_slots * 10 > readers_limit * 8:
        said = f"{seen.facts.reader_slots} of {readers_limit} reader places of {named} were in use"
        found.append(warning("database", said, "beyond them questions are refused", "look for who asks so much"))
    if seen.height - seen.certified > BEHIND_BLOCKS:
        said = f"{seen.height - seen.certified} blocks of {named} wait for their certificates"
        found.append(warning("database", said, "nobody is told that they stand", "see whether the others are there"))
    running = f"process {seen.holder} has it open" if seen.holder else "no process has it open"
    found.append(note("database", f"{named}: {running}"))
    return found


# ---------------------------------------------------------------- the others


class Peer(NamedTuple):
    """Another validator, or a node that a gateway speaks with. `refusal` says why it gave no answer."""

    organisation: str
    address: str
    refusal: str = ""
    height: int = 0
    skew: Skew | None = None


def peers(ledger: str, seen: Sequence[Peer], *, members: int, own_height: int) -> list[Finding]:
    """Of a validator: who else can be reached, and how far they are."""
    if not seen:
        return [note("peers", f"ledger {ledger} has no other validators")]
    found = [
        warning(
            "peers",
            f"{peer.organisation} at {peer.address} does not answer: {peer.refusal}",
            "blocks of this ledger lack its signature, as far as this node sees",
            "is it running, does its name resolve here, do firewalls let us through, do both sides trust each other",
        )
        for peer in seen
        if peer.refusal
    ]
    there = [peer for peer in seen if not peer.refusal]
    needed = quorum(members) - 1
    what = f"{len(there)} of {len(seen)} other validators of {ledger} answer"
    if len(there) < needed:
        means = f"{needed} are needed to commit anything"
        found.insert(0, error("peers", what, means, "mend the ways to those named below, or call their operators"))
    else:
        found.insert(0, ok("peers", what))
    heights = sorted((peer.height for peer in there), reverse=True)
    if heights:
        ahead = heights[min(faulty_limit(members), len(heights) - 1)]
        if ahead - own_height > BEHIND_BLOCKS:
            said = f"this node is {ahead - own_height} blocks of {ledger} behind the others"
            found.append(
                warning("peers", said, "who asks it hears old news", "a node that runs comes forward by itself: wait")
            )
    return found


def clock(ledger: str, seen: Sequence[Peer], allowed_ms: int, own_ms: int, head_ms: int) -> list[Finding]:
    """Against the others' clocks, of which some may be wrong, and against the last block."""
    advice = "run a time service (chrony or systemd-timesyncd) and see that it is synchronised"
    if head_ms - own_ms > allowed_ms:
        said = f"this clock is {(head_ms - own_ms) // 1_000} s behind the last block of {ledger}"
        return [
            error("clock", said, "proposals of others look as if they came from the future, and are refused", advice)
        ]
    known = [peer for peer in seen if peer.skew is not None]
    if not known:
        return [note("clock", f"no other validator of {ledger} says what time it is")]
    off = [peer for peer in known if peer.skew is not None and peer.skew.surely_ms > allowed_ms // 2]
    if 2 * len(off) > len(known):
        middle = sorted(peer.skew.ahead_ms for peer in known if peer.skew is not None)[len(known) // 2]
        said = f"this clock is {abs(middle)} ms {'behind' if middle > 0 else 'ahead of'} those of the others"
        means = f"beyond {allowed_ms} ms proposals of one are refused by the other"
        return [(error if abs(middle) > allowed_ms else warning)("clock", said, means, advice)]
    found = [
        ok("clock", f"this clock agrees with {len(known) - len(off)} of {len(known)} other validators of {ledger}")
    ]
    for peer in off:
        assert peer.skew is not None, "it was asked for"
        said = f"the clock of {peer.organisation} at {peer.address} is off by {peer.skew.surely_ms} ms or more"
        found.append(warning("clock", said, "proposals of it may be refused", "tell its operator"))
    return found


# ---------------------------------------------------------------- versions and settings


class Versions(NamedTuple):
    software: str
    python: tuple[int, int, int]
    openssl: str
    lmdb: tuple[int, int, int]


def versions(seen: Versions) -> list[Finding]:
    python = ".".join(map(str, seen.python))
    what = f"ledgernode {seen.software}, Python {python}, {seen.openssl}, LMDB {'.'.join(map(str, seen.lmdb))}"
    if seen.lmdb < OLDEST_LMDB:
        return [
            error("version", what, "an LMDB before 0.9.24 loses pages at times", "install the lmdb of the lock file")
        ]
    return [ok("version", what)]


def runs_ledger(ledger: str, *, engine: str, engines: Sequence[str], execution: int, ours: int, python: str) -> Finding:
    """Can this software execute the blocks of this ledger?"""
    means = "blocks of this ledger cannot be executed here as the others execute them"
    if engine not in engines:
        said = f"ledger {ledger} is ordered by {engine}, which this software does not have"
        return error("version", said, means, "install a version that has it")
    if execution > ours:
        said = f"ledger {ledger} needs execution version {execution}, this software has {ours}"
        return error("version", said, means, "install a newer version")
    if not python:
        return ok("version", f"this software runs ledger {ledger} (execution version {execution}, {engine})")
    return error("version", f"ledger {ledger} needs Python {python}", means, f"run it by Python {python}")


def observed(address: str) -> Finding:
    if not address:
        advice = "set `observe` in its settings, or --observe; see docs/observability.md"
        return note(
            "settings", "nobody can ask this process for its health and figures", "nothing would call you", advice
        )
    if address.rpartition(":")[0] in ("127.0.0.1", "[::1]", "localhost"):
        return ok("settings", f"health and metrics are served on this machine, at {address}")
    means = "whoever reaches it can read heights, counts and the validators' addresses"
    return note("settings", f"health and metrics are served at {address}", means, "see that a network policy closes it")
