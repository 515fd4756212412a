"""The reward of a mined block: a call at its head that the block itself makes.

Where the founders have set `block_reward_minor` (`identity.engine_options`), a block of proof of work that holds
transactions begins with `currency.reward(miner, amount_minor)`. Nobody signs it; its role is `block`, which no
certificate can carry. Whether anything is minted is for the currency's issuer to say: a refusal leaves its receipt,
like any call's, and the block goes on.

    id      SHA-256(tag | chain id | height)
    result  {"amount_minor":…,"miner":"<identity>"}, the amount 0 where nothing was minted

The result is the runtime's own, whatever the contract answers. So the receipt says who found the block, under the
receipts root, to those who did not mine it: who fetches, follows or verifies executes the same call.

Blocks without transactions pay nothing. They are mined so that what stands below becomes final, or for a timer: paying
for them would mint for an idle ledger, and for every burst of work as many times over as a block is deep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from ledgernode.errors import DatabaseDamaged
from ledgernode.wire.receipt import Origin, parse_receipt
from ledgernode.wire.types import ChainId, Height, TransactionId, sha256
from ledgernode.wire.validators import ValidatorSet

REWARD_TAG: Final = b"ledgernode/reward/1\x00"
CONTRACT: Final = "currency"
FUNCTION: Final = "reward"
BLOCK_ROLE: Final = "block"
BUDGET: Final = 20_000
"""Of the call; part of the execution version. The currency's own takes less than a tenth of it."""


class Reward(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a reward's receipt answers."""

    amount_minor: int
    miner: str


_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
_DECODER: Final = msgspec.json.Decoder(Reward)


def reward_id(chain_id: ChainId, height: Height) -> TransactionId:
    """The id of the call in this block, as unique as a transaction's."""
    return TransactionId(sha256(REWARD_TAG + chain_id + height.to_bytes(8, "big")))


def encode_reward(reward: Reward) -> bytes:
    return _ENCODER.encode(reward)


def miner_of(receipts: Sequence[bytes]) -> str | None:
    """The identity that found the block, by the receipt at its head; None where that is no reward's.

    Refuses (DatabaseDamaged) a receipt that cannot be read.
    """
    if not receipts:
        return None
    first = parse_receipt(receipts[0])
    if first.origin is not Origin.REWARD:
        return None
    try:
        return _DECODER.decode(first.result).miner
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DatabaseDamaged(f"unreadable reward: {error}") from error


def seat_of(miner: str | None, validators: ValidatorSet) -> int | None:
    """The miner's position in the set; None where there is no miner, or none of this set."""
    return next((at for at, member in enumerate(validators.members) if member.identity.hex() == miner), None)
