"""What a meter is built and set to, and every bound of it."""

from __future__ import annotations

from typing import Final

import msgspec

from ledgernode.sts.keys import Secret
from ledgernode.sts.pan import Pan
from ledgernode.wire.types import ChainId, IdentityId

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
UNIT_MWH: Final = 100_000
"""A token's unit: 0.1 kWh."""
LARGEST_MWH: Final = 999_999_900_000
"""What the display has room for; more credit is refused."""

OUTBOX: Final = 512
"""Transactions that wait for a receipt: half of the ledger's window of sequence numbers."""
OUTBOX_FOR_NEWS: Final = 256
"""Above so many only what moves units still finds a place."""
IN_FLIGHT: Final = 32
LONGEST_RETRY_MS: Final = HOUR_MS
BUDGET: Final = 500_000
"""What a ledger lets a call use, unless it was founded with another limit."""
DELIVERY_MS: Final = 30 * MINUTE_MS
"""A delivery that the ledger has said longer ago does not begin."""
SETS: Final = 8
"""Validator sets that are remembered: a command may be of an epoch that has ended since."""
ANSWERS: Final = 64
"""Commands of a kind whose numbers are remembered."""
SHARES: Final = 64
"""Shares of the web whose numbers are remembered."""
TABLES: Final = 4
"""Price tables that are kept: the one that holds, and those to follow."""
TABLE_BYTES: Final = 16_384
EXTRA_A_DAY: Final = 32
"""Readings out of turn and notices to the ledger."""
REFUSALS_A_DAY: Final = 20
"""Refused tokens that are reported to the ledger; more are only counted."""
KEY_CHANGE_MS: Final = DAY_MS
"""Sections of a key change that wait longer for the others are dropped."""
WRONG_PINS: Final = 3
LOCK_MS: Final = 5 * MINUTE_MS
LONGEST_LOCK_MS: Final = DAY_MS
PIN_DIGITS: Final = (4, 8)
KEYPAD_MS: Final = 30_000
LOOK_UP_MS: Final = 8_000
OVERLOAD_MS: Final = 60_000
CLOCK_STEP_MS: Final = MINUTE_MS
CLOCK_EVERY_MS: Final = HOUR_MS
BYPASS_MWH: Final = 1_000
"""Import through an open relay, since it opened, that is no longer noise."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One meter's; none of it changes while it runs."""

    pan: Pan
    point: str
    chain_id: ChainId
    hardware_secret: Secret
    identity: IdentityId = IdentityId(bytes(32))
    """Whom the ledger's events name."""
    phases: int = 1
    prepaid: bool = True
    modulus_mwh: int = 100_000_000_000
    reading_ms: int = MINUTE_MS
    batch_rows: int = 96
    send_ms: int = 5 * MINUTE_MS
    ring: int = 16_384
    balance_ms: int = HOUR_MS
    resend_ms: int = MINUTE_MS
    reconnect_ms: int = 5 * MINUTE_MS
    """After an outage supply comes back within this, each house at a moment of its own."""
    ask_ms: int = 0
    """Within so long a meter that knows no price asks for it, each at a moment of its own; 0: it does not ask."""
    tamper_opens: bool = True
    pin_cost: int = 14
    """scrypt's work, as a power of two."""

    @property
    def utility(self) -> str:
        return self.point.partition(":")[0]
