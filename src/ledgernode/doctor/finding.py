"""What is said of one thing that was looked at."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec


class Severity(StrEnum):
    """Sorted by how bad it is; `error` ends the command with a failure."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


_ORDER = tuple(Severity)


class Finding(msgspec.Struct, frozen=True):
    severity: Severity
    check: str
    """What was looked at: clock, disk, certificate, peers, version, database, files, settings."""
    what: str
    means: str = ""
    """What follows from it, where something does."""
    advice: str = ""

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def worst(findings: Iterable[Finding]) -> Severity:
    return max((finding.severity for finding in findings), key=_ORDER.index, default=Severity.OK)


def ok(check: str, what: str) -> Finding:
    return Finding(Severity.OK, check, what)


def note(check: str, what: str, means: str = "", advice: str = "") -> Finding:
    return Finding(Severity.NOTE, check, what, means, advice)


def warning(check: str, what: str, means: str, advice: str) -> Finding:
    return Finding(Severity.WARNING, check, what, means, advice)


def error(check: str, what: str, means: str, advice: str) -> Finding:
    return Finding(Severity.ERROR, check, what, means, advice)
