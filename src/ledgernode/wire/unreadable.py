"""What a msgspec decoder raises on bytes that it cannot read.

Its own errors are not all: text that is no UTF-8 and nesting without end come as Python's. Whoever decodes what
somebody else has written catches all of them (`tests/fuzz/` finds who does not).
"""

from __future__ import annotations

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
