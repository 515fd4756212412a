"""Registers: what two readings of a meter say about the intervals between them.

A register only counts up. Between two readings that are believed it is taken for a straight line, rounded
down at interval boundaries: the pieces always sum to the difference, and a reading that comes later merely
divides them anew. Whether a reading is believed is decided against the last one that was, in order of time:
it may not lie below it, nor above what the connection can carry in between. Lower can be a rollover, when
the difference past the modulus is one that could be; or a reset that the meter has flagged, across which
nothing is computed.

Pure functions over integers; no state.
"""

from chaincode.api import Record

ACCEPTED = "a"
ROLLED_OVER = "o"
RESET = "z"
BACKWARDS = "b"
IMPLAUSIBLE = "i"
GAP = "g"
BELIEVED = "aoz"
"""Verdicts on a reading: these are believed, the others are held."""

RESET_FLAG = 8
MS_W_PER_MWH = 3_600
"""One watt for 3,600 ms is one mWh."""


class Limit(Record):
    """What a meter's registers can gain, from a time on; a power of 0 is not known and not checked."""

    from_ms: int
    import_w: int
    export_w: int
    burst_mwh: int
    gap_ms: int


class Register(Record):
    """A believed reading: when, and both registers."""

    time_ms: int
    import_mwh: int
    export_mwh: int


class Segment(Record):
    """What was used between two believed readings. `origin`: d device, g gateway or staff, e estimated."""

    from_ms: int
    until_ms: int
    import_mwh: int
    export_mwh: int
    origin: str


def judge(
    last: Register, time_ms: int, import_mwh: int, export_mwh: int, flags: int, limit: Limit, modulus: int
) -> str:
    """The verdict on a reading after the last believed one."""
    elapsed_ms = time_ms - last.time_ms
    if elapsed_ms > limit.gap_ms:
        return GAP
    imported, exported = import_mwh - last.import_mwh, export_mwh - last.export_mwh
    most_in = most(limit.import_w, limit, elapsed_ms, modulus)
    most_out = most(limit.export_w, limit, elapsed_ms, modulus)
    if 0 <= imported <= most_in and 0 <= exported <= most_out:
        return ACCEPTED
    if (imported < 0 or exported < 0) and flags & RESET_FLAG:
        return RESET
    if imported % modulus <= most_in and exported % modulus <= most_out:
        return ROLLED_OVER
    return BACKWARDS if imported < 0 or exported < 0 else IMPLAUSIBLE


def most(power_w: int, limit: Limit, elapsed_ms: int, modulus: int) -> int:
    """The most that a register gains in a time; never as much as would hide that it went once round."""
    if power_w == 0:
        return modulus // 2
    return min(power_w * elapsed_ms // MS_W_PER_MWH + limit.burst_mwh, modulus // 2)


def between(last: Register, now: Register, verdict: str, modulus: int, origin: str) -> Segment:
    """The use from the last believed reading to this one: nothing across a reset, once round at a rollover."""
    if verdict == RESET:
        return Segment(from_ms=last.time_ms, until_ms=now.time_ms, import_mwh=0, export_mwh=0, origin="e")
    return Segment(
        from_ms=last.time_ms,
        until_ms=now.time_ms,
        import_mwh=(now.import_mwh - last.import_mwh) % modulus,
        export_mwh=(now.export_mwh - last.export_mwh) % modulus,
        origin=origin,
    )


def pieces(segment: Segment, interval_ms: int) -> list[tuple[int, int, int, int]]:
    """A segment cut at interval boundaries: (number of the interval, ms of it, imported, exported), exact in sum."""
    from_ms, until_ms = segment.from_ms, segment.until_ms
    first, last = from_ms // interval_ms, (until_ms - 1) // interval_ms
    if first == last:
        return [(first, until_ms - from_ms, segment.import_mwh, segment.export_mwh)]
    length_ms = until_ms - from_ms
    cut: list[tuple[int, int, int, int]] = []
    done_ms = imported = exported = 0
    for number in range(first, last + 1):
        to_ms = min((number + 1) * interval_ms, until_ms) - from_ms
        import_to = segment.import_mwh * to_ms // length_ms
        export_to = segment.export_mwh * to_ms // length_ms
        cut.append((number, to_ms - done_ms, import_to - imported, export_to - exported))
        done_ms, imported, exported = to_ms, import_to, export_to
    return cut
