"""The console's types are the read model's rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__)
_ROWS = _HERE.parents[3] / "gateway" / "web" / "src" / "api" / "rows.ts"


def test_the_console_knows_the_rows_as_they_are() -> None:
    """A column that is added, renamed or dropped reaches the pages: `rows.ts` is made anew from the structs."""
    made = subprocess.run(
        [sys.executable, str(_HERE.with_name("typescript.py"))], check=True, capture_output=True, text=True
    )
    assert made.stdout == _ROWS.read_text(), "make it anew: tests/gateway/readmodel/typescript.py > rows.ts"
    assert "export interface TokenRow extends Placed {" in made.stdout
