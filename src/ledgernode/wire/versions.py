"""Which versions this software knows: of the rules of execution, and of the protocol between programs.

*Execution* decides what a block gives: another rule is another result, so all validators change theirs at one height.
Genesis says where a ledger begins; governance moves it on, a version at a time, once a quorum of validators has said
that their software can (`execution.system.upgrading`). What each version changed:

    4  the first that can be moved on from
    5  the receipt of a second inclusion says where the first one stands

*Protocol* is what programs say to each other. Each side names the range that it speaks, the lower of the two newest is
used, and who has none in common is refused by both, with which of them to upgrade (`wire.protocol`):

    1  what was spoken before programs named a range
    2  links say their range and their oldest block
"""

from __future__ import annotations

from typing import Final

EXECUTION_OLDEST = 4
EXECUTION_NEWEST = 5
PROTOCOL_OLDEST = 1
PROTOCOL_NEWEST = 2

DUPLICATES_PLACED: Final = 5
"""Execution: the receipt of a second inclusion says where the first one stands."""
