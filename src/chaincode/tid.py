"""The identifier of a prepaid token (TID): a minute since a base date, given to one token of a meter.

The rules of `ledgernode.sts.tid`, for a contract: a meter takes an identifier once, so its next one is the minute of
the block, or the one after the last that was given. 00:01 of each day is skipped. A meter whose identifiers are
taken for too long ahead has to wait; one beyond the key's expiry number needs another key first.

Pure functions over integers; no state.
"""

from chaincode.api import Refusal

TIDS = 1 << 24
DAY_MINUTES = 1_440
SPECIAL_MINUTE = 1
MINUTE_MS = 60_000
AHEAD_MINUTES = 60
NEVER_EXPIRES = 255
EXPIRY_STEP = 1 << 16
STARTS_MS = {1993: 725_846_400_000, 2014: 1_388_534_400_000, 2035: 2_051_222_400_000}
NONE_YET = -1


class TidAhead(Refusal):
    """So many tokens wait for this meter that its identifiers are taken for an hour: try again in some minutes."""

    code = "TID_AHEAD"


class TidsRunOut(Refusal):
    """The time has no identifier under this base date: the meter's key changes to another base date first."""

    code = "TIDS_RUN_OUT"


class KeyExpired(Refusal):
    """The identifier lies beyond the key's expiry number: the meter gets another key first."""

    code = "KEY_EXPIRED"


def next_tid(
    base: int, time_ms: int, last: int, ahead_minutes: int = AHEAD_MINUTES, key_expiry: int = NEVER_EXPIRES
) -> int:
    """The identifier of a meter's next token, after the `last` it was given (-1: none)."""
    now = (time_ms - STARTS_MS[base]) // MINUTE_MS
    if not 0 <= now < TIDS:
        raise TidsRunOut(f"the time has no minute since {base}: change the meter's base date with its key")
    tid = max(now, last + 1)
    if tid % DAY_MINUTES == SPECIAL_MINUTE:
        tid += 1
    if tid >= TIDS:
        raise TidsRunOut(f"the minutes since {base} have run out: change the meter's base date with its key")
    if tid > now + ahead_minutes:
        raise TidAhead(f"vend again in {tid - now - ahead_minutes} minutes: identifiers are taken until then")
    if tid // EXPIRY_STEP > key_expiry:
        raise KeyExpired(f"identifier {tid} lies beyond the key's expiry number {key_expiry}: change the key first")
    return tid
