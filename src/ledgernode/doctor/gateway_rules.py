"""What facts about a gateway mean. Pure: no file, no socket, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ledgernode.doctor.finding import Finding, error, note, ok, warning
from ledgernode.doctor.rules import BEHIND_BLOCKS, DAY_MS
from ledgernode.node.clocks import Skew, skew

CLOCK_WARN_MS: Final = 1_000
CLOCK_URGENT_MS: Final = 30_000
ROOM_WARN_PERCENT: Final = 50
ROOM_URGENT_PERCENT: Final = 90
AGE_URGENT_PERCENT: Final = 75


class Asked(NamedTuple):
    """A node that a gateway speaks with. `refusal` says why it gave no answer; one may say no `version`."""

    address: str
    refusal: str = ""
    height: int = 0
    version: str = ""
    skew: Skew | None = None


def answered(address: str, height: int, version: str, *, sent_ms: int, theirs_ms: int, answered_ms: int) -> Asked:
    """An answer, and what its time tells of the two clocks; 0 where the node says none."""
    return Asked(address, "", height, version, skew(sent_ms, theirs_ms, answered_ms))


# ---------------------------------------------------------------- the nodes


def nodes(seen: Sequence[Asked]) -> list[Finding]:
    """Which of them answer, and whether one of them is behind the others."""
    if not seen:
        return []
    away = [one for one in seen if one.refusal]
    if len(away) == len(seen):
        said = f"none of the nodes answers: {', '.join(f'{one.address} ({one.refusal})' for one in away)}"
        return [error("peers", said, "what comes is kept, and nothing is committed", "are they running, and let us in")]
    found = [ok("peers", f"{len(seen) - len(away)} of {len(seen)} nodes answer")]
    found += [
        warning("peers", f"{one.address} does not answer: {one.refusal}", "others are asked instead", "is it running")
        for one in away
    ]
    highest = max(one.height for one in seen)
    for one in seen:
        if not one.refusal and highest - one.height > BEHIND_BLOCKS:
            said = f"{one.address} is {highest - one.height} blocks behind another node"
            found.append(
                warning("peers", said, "who asks it hears old news", "ask its operator; `ledgernode doctor` there")
            )
    return found


def clock(seen: Sequence[Asked]) -> list[Finding]:
    """Against the nodes' clocks, of which some may be wrong: meters take their time from the gateway."""
    known = [(one.address, one.skew) for one in seen if one.skew is not None]
    if not known:
        return [note("clock", "no node says what time it is")] if seen else []
    off = [(address, theirs) for address, theirs in known if theirs.surely_ms > CLOCK_WARN_MS]
    if 2 * len(off) > len(known):
        middle = sorted(theirs.ahead_ms for _, theirs in known)[len(known) // 2]
        what = f"this clock is {abs(middle)} ms {'behind' if middle > 0 else 'ahead of'} those of the nodes"
        means = "meters take their time from here: readings get wrong times, and what lies ahead is refused"
        advice = "run a time service (chrony or systemd-timesyncd) and see that it is synchronised"
        return [(error if abs(middle) > CLOCK_URGENT_MS else warning)("clock", what, means, advice)]
    found = [ok("clock", f"this clock agrees with {len(known) - len(off)} of {len(known)} nodes")]
    for address, theirs in off:
        said = f"the clock of {address} is off by {theirs.surely_ms} ms or more"
        found.append(warning("clock", said, "proposals of it may be refused", "tell its operator"))
    return found


def versions(own: str, seen: Sequence[Asked]) -> list[Finding]:
    """Ours beside those of the nodes."""
    there = [one for one in seen if not one.refusal]
    if not there:
        return []
    others: dict[str, list[str]] = {}
    for one in there:
        if one.version != own:
            others.setdefault(one.version, []).append(one.address)
    if not others:
        return [ok("version", f"{len(there)} nodes run ledgernode {own}, too")]
    found = []
    for version, addresses in sorted(others.items()):
        where = ", ".join(addresses)
        if not version:
            said = f"{where} does not say which version it runs: an older one than ours ({own})"
            found.append(note("version", said, "it lacks what came since", "ask its operator when it is upgraded"))
            continue
        newer = _numbers(version) > _numbers(own)
        said = f"{where} runs ledgernode {version}, this gateway {own}"
        means = "what differs is in CHANGELOG.md; the formats that are signed and stored are the same"
        advice = "upgrade this gateway" if newer else "upgrade the nodes before gateways: docs/operator.md"
        found.append(warning("version", said, means, advice))
    return found


def _numbers(version: str) -> tuple[int, ...]:
    """For comparing: 1.10.2 is later than 1.9. What is no number counts as 0."""
    return tuple(int(part) if part.isascii() and part.isdigit() else 0 for part in version.split("."))


# ---------------------------------------------------------------- the outbox


class Outbox(NamedTuple):
    """What waits there. `damage` says why it does not hold; then nothing else is known."""

    damage: str = ""
    entries: int = 0
    kept_bytes: int = 0
    limit_bytes: int = 1
    oldest_ms: int = 0
    """When the oldest came."""
    refused: int = 0
    give_up_ms: int = 1
    held: bool = False


def outbox(seen: Outbox, now_ms: int) -> list[Finding]:
    """How much waits there, for how long, and how much room is left."""
    if seen.damage:
        means = "what devices were told is safe cannot be sent"
        advice = "keep the files; docs/gateway.md says what a device sends again"
        return [error("database", f"the outbox does not hold: {seen.damage}", means, advice)]
    held = "a gateway has it open" if seen.held else "no gateway has it open"
    percent = 100 * seen.kept_bytes // max(1, seen.limit_bytes)
    found = [ok("database", f"{seen.entries} transactions wait in the outbox, {percent} % of its room; {held}")]
    full = f"{percent} % of the room of the outbox is taken"
    means, advice = (
        "when it is full, devices are refused",
        "is the ledger there; enlarge limits.outbox_bytes and the volume",
    )
    if percent >= ROOM_URGENT_PERCENT:
        found.append(error("database", full, means, advice))
    elif percent >= ROOM_WARN_PERCENT:
        found.append(warning("database", full, means, advice))
    age_ms = now_ms - seen.oldest_ms if seen.entries else 0
    if age_ms > DAY_MS:
        said = f"what waits longest in the outbox came {age_ms // DAY_MS} days ago"
        means = f"after {seen.give_up_ms // DAY_MS} days it is given up"
        bad = age_ms * 100 > seen.give_up_ms * AGE_URGENT_PERCENT
        advice = "is the ledger there; is the device registered on it (`ledgernode gateway refused`)"
        found.append((error if bad else warning)("database", said, means, advice))
    if seen.refused:
        said = f"{seen.refused} transactions were refused by the ledger for good"
        found.append(note("database", said, "their devices are told", "ledgernode gateway refused"))
    return found


# ---------------------------------------------------------------- the read model


class Model(NamedTuple):
    """Of a gateway with pages. `refusal` says why its database gave no answer; then nothing else is known."""

    database: str
    refusal: str = ""
    schema: str = ""
    newest_schema: str = ""
    height: int = -1
    unread: int = 0
    ledger_height: int | None = None
    """None where no node answered."""


def model(seen: Model) -> list[Finding]:
    """Can it be reached, does it have our tables, and how far is it?"""
    if seen.refusal:
        said = f"the read model's database {seen.database} does not answer: {seen.refusal}"
        means = "pages show nothing; what devices send is taken all the same"
        return [error("database", said, means, "is it running, does its password hold, does a firewall let us through")]
    if not seen.schema:
        return [note("database", "the read model is empty", "the gateway fills it when it starts")]
    if seen.schema != seen.newest_schema:
        said = f"the read model has schema {seen.schema}, this software makes {seen.newest_schema}"
        means, advice = "the gateway migrates an older one when it starts", "a newer one: ledgernode readmodel rebuild"
        return [warning("database", said, means, advice)]
    behind = None if seen.ledger_height is None else max(0, seen.ledger_height - seen.height)
    far = "" if behind is None else f", {behind} blocks behind the ledger"
    found = [ok("database", f"the read model is at height {seen.height}{far}")]
    if behind is not None and behind > BEHIND_BLOCKS:
        said = f"the read model is {behind} blocks behind the ledger"
        found = [
            warning("database", said, "pages show what was", "a gateway that runs comes forward: wait, see its log")
        ]
    if seen.unread:
        said = f"the read model could not make rows of {seen.unread} events"
        advice = "upgrade this gateway, then ledgernode readmodel rebuild"
        found.append(warning("database", said, "pages lack what they say", advice))
    return found
