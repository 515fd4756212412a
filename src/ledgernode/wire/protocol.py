"""Meeting at a protocol version: each side names the range that it speaks, and the lower of the two newest is used.

Validators name theirs when they introduce themselves to each other, everybody else with each connection, in what gRPC
calls the user agent (`ledgernode/0.2.0 protocol/1-2`); a node names its own in what it says of a ledger. Who names
none is of the time before, and speaks version 1.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from ledgernode import __version__
from ledgernode.errors import ProtocolUnsupported
from ledgernode.wire import versions

_SPOKEN: Final = re.compile(r"\bprotocol/([0-9]{1,9})-([0-9]{1,9})\b", re.ASCII)


class Spoken(NamedTuple):
    """The protocol versions that a program speaks, both ends included."""

    oldest: int
    newest: int

    def __str__(self) -> str:
        return str(self.newest) if self.oldest == self.newest else f"{self.oldest} to {self.newest}"


BEFORE: Final = Spoken(1, 1)
"""Of a program that names no range."""


def ours() -> Spoken:
    return Spoken(versions.PROTOCOL_OLDEST, versions.PROTOCOL_NEWEST)


def named(oldest: int, newest: int) -> Spoken:
    """The range that these fields name; 0 stands in what was written before there were any."""
    return Spoken(oldest, newest) if newest else BEFORE


def common(theirs: Spoken, who: str) -> int:
    """The version that we and they use; refuses (ProtocolUnsupported) who has none of ours, and says who is older."""
    mine = ours()
    if max(mine.oldest, theirs.oldest) <= min(mine.newest, theirs.newest):
        return min(mine.newest, theirs.newest)
    older = who if theirs.newest < mine.oldest else "this side"
    raise ProtocolUnsupported(
        f"{who} speaks protocol {theirs}, this side (ledgernode {__version__}) speaks {mine}: upgrade {older}"
    )


def agent() -> str:
    """What a connection says of who opens it."""
    mine = ours()
    return f"ledgernode/{__version__} protocol/{mine.oldest}-{mine.newest}"


@lru_cache(maxsize=1_024)
def of_agent(text: str) -> Spoken:
    found = _SPOKEN.search(text)
    return BEFORE if found is None else Spoken(int(found[1]), int(found[2]))
