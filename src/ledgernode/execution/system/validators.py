"""What a validator set must hold before governance lets it come into force.

Enough members for the engine; no member twice; and no organisation with more than f of them, since
one organisation failing (or cheating) as a whole must stay within what the engine tolerates. The
last rule can be overridden by a decision that says so. Below four members f is zero, the set
tolerates nobody's failure anyway, and the rule does not apply.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ledgernode.errors import BadArguments, BadGenesis, GovernanceRefused
from ledgernode.identity import genesis_rules
from ledgernode.identity.genesis_rules import ENGINES
from ledgernode.identity.records import ValidatorRecord, ValidatorsRecord
from ledgernode.wire.quorum import faulty_limit

Members = tuple[ValidatorRecord, ...]


def arranged(members: Sequence[ValidatorRecord]) -> Members:
    """In the order of the wire: by identity."""
    return tuple(sorted(members, key=lambda member: member.identity))


def require_sound(members: Sequence[ValidatorRecord], engine: str) -> None:
    """Refuses too few or too many for the engine, and one identity or key standing twice."""
    fewest, most = ENGINES[engine]
    if not fewest <= len(members) <= most:
        raise GovernanceRefused(
            f"the engine {engine} takes {fewest} to {most} validators, this change leaves {len(members)}"
        )
    for what in ("identity", "public_key"):
        value, times = Counter(getattr(member, what) for member in members).most_common(1)[0]
        if times > 1:
            raise GovernanceRefused(f"the validator {what} {value[:16]} would stand {times} times in the set")


def concentration(members: Sequence[ValidatorRecord]) -> str:
    """What is wrong with the spread over organisations, '' if nothing is."""
    tolerated = faulty_limit(len(members))
    if not tolerated:
        return ""
    held = Counter(member.organisation for member in members)
    organisation, most = min(held.items(), key=lambda item: (-item[1], item[0]))
    if most <= tolerated:
        return ""
    return f"{organisation} would hold {most} of {len(members)} validators, and only {tolerated} may fail"


def require_spread(members: Sequence[ValidatorRecord], *, override: bool) -> None:
    """Refuses an organisation with more than f validators, unless the decision overrides it."""
    problem = concentration(members)
    if problem and not override:
        raise GovernanceRefused(f'{problem}: decide it with "override": true if that is meant')


def changed(record: ValidatorsRecord, members: Sequence[ValidatorRecord], last_height: int) -> ValidatorsRecord:
    """The record with these members to follow after block `last_height`; refuses a second pending change."""
    if record.last_height:
        raise GovernanceRefused(
            f"a change of the validator set is pending until block {record.last_height}: one at a time"
        )
    return ValidatorsRecord(record.epoch, record.members, arranged(members), last_height)


def require_endpoint(endpoint: str) -> None:
    """Refuses what is not host:port."""
    try:
        genesis_rules.require_endpoint(endpoint)
    except BadGenesis as refusal:
        raise BadArguments(refusal.message) from None
