"""A verdict on health, and the pulse by which a standstill is noticed. Pure: times are given."""

from __future__ import annotations

from typing import Any, Final

import msgspec

_LONGEST_BEAT_MS: Final = 5_000


class Verdict(msgspec.Struct, frozen=True):
    """`holds` decides between 200 and 503; `status` is a word for programs, `reason` a sentence for people."""

    holds: bool
    status: str
    reason: str = ""
    facts: dict[str, Any] = {}

    @property
    def code(self) -> int:
        return 200 if self.holds else 503

    def document(self) -> dict[str, Any]:
        return {"status": self.status, "reason": self.reason, **self.facts}


def together(verdicts: dict[str, Verdict], good: str, nothing: str = "", *, aside: str = "") -> Verdict:
    """Of several parts: the first that does not hold speaks for all, and each one's own word stands beside it.

    `nothing` is said where there is no part at all. A part whose status is `aside` does not speak for the others; where
    there are no others, it does.
    """
    facts = {"ledgers": {name: verdict.document() for name, verdict in sorted(verdicts.items())}}
    speaking = {name: verdict for name, verdict in verdicts.items() if verdict.status != aside} or verdicts
    for name, verdict in sorted(speaking.items()):
        if not verdict.holds:
            return Verdict(False, verdict.status, f"{name}: {verdict.reason}", facts)
    said = [f"{name}: {verdict.reason}" for name, verdict in sorted(verdicts.items()) if verdict.reason]
    return Verdict(True, good, "; ".join(said) or ("" if verdicts else nothing), facts)


class Pulse:
    """For how long nothing has moved that should have.

    Time counts only while something should move, and only as far as this process itself was running: one that was
    frozen, or starved of its processor, is given its time when it comes back.
    """

    def __init__(self) -> None:
        self._mark: object = None
        self._last_ms: int | None = None
        self.still_ms = 0

    def beat(self, mark: object, now_ms: int, *, should_move: bool = True) -> int:
        """`mark` is another one whenever something has moved. Call it often; `now_ms` is of a clock that nobody
        sets.
        """
        passed_ms = 0 if self._last_ms is None else min(max(0, now_ms - self._last_ms), _LONGEST_BEAT_MS)
        self._last_ms = now_ms
        if mark != self._mark or not should_move:
            self._mark, self.still_ms = mark, 0
        else:
            self.still_ms += passed_ms
        return self.still_ms
