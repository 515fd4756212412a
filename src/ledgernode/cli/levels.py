"""Levels of logs, as options name them (`ledgernode.logs` has them too, and is not loaded for `--help`)."""

from __future__ import annotations

from typing import Final

LEVELS: Final = ("debug", "info", "warning", "error")
