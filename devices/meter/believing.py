"""What a meter believes: an event of the ledger, when validators that it knows have certified the block it stands in.

It is commissioned with the validators of its ledger. When they change, the change is certified by those before, and
comes with the next thing that it is shown. The last `SETS` are remembered, for what was said before a change and
arrives after it. A meter that was commissioned without validators believes nothing but tokens: they prove themselves.
"""

from __future__ import annotations

from collections.abc import Iterable

from devices.meter.settings import SETS
from devices.meter.turn import Turn
from ledgernode.evidence import Shown, check_evidence
from ledgernode.identity.keys import verify
from ledgernode.wire.validators import ValidatorSet, encode_set, parse_set


def shown(turn: Turn, evidence: bytes) -> Shown:
    """The event; validators that it makes known are remembered. Refuses with BadProof what does not hold."""
    known = {found.epoch: found for found in map(parse_set, turn.state.trust)}
    found = check_evidence(evidence, turn.settings.chain_id, known, verify)
    if found.sets:
        turn.put(trust=trusted((*known.values(), *found.sets)))
    return found


def trusted(sets: Iterable[ValidatorSet]) -> tuple[bytes, ...]:
    """As they are kept, the newest last."""
    return tuple(encode_set(each) for each in sorted(sets, key=lambda each: each.epoch))[-SETS:]
