"""A meter's whole answer to a token that somebody enters at it: offline, from what it remembers alone.

    digits ─▶ is it for me ─▶ has its identifier expired ─▶ used, or too old ─▶ is there room ─▶ what it says

`enter` gives the decoder that the meter must have on its disk before it acts on the token: then a power cut between the
two costs at most an action that can be asked for again, and never gives credit twice. The balance is the meter's own.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from ledgernode.errors import TokenCreditOverflow
from ledgernode.sts.cipher import EA11, Cipher
from ledgernode.sts.key_change import KeyChange, assemble
from ledgernode.sts.keys import DecoderKey
from ledgernode.sts.memory import TidMemory, accept, forgotten
from ledgernode.sts.tid import NEVER_EXPIRES, require_unexpired
from ledgernode.sts.token import KEY_CHANGE, Credit, KeyChangeSection, Token, read


class Decoder(msgspec.Struct, frozen=True, kw_only=True):
    """What a meter knows of tokens."""

    key: DecoderKey
    key_expiry: int = NEVER_EXPIRES
    memory: TidMemory = TidMemory()
    sections: tuple[KeyChangeSection, ...] = ()  # of a key change that is not complete


class Entered(NamedTuple):
    """The decoder afterwards, what the token said, and the key change it was the last token of."""

    decoder: Decoder
    token: Token
    change: KeyChange | None = None


def enter(decoder: Decoder, digits: str, *, room_units: int, cipher: Cipher = EA11) -> Entered:
    """Accept a token once. `room_units` is how much credit the meter can still hold.

    Refuses, each with a code of its own: what is no token, another meter's, a class or subclass without a meaning,
    an identifier beyond the key's expiry, one used, one too old, and a credit that would overflow. A refusal leaves
    the decoder as it is: a credit that did not fit can be entered later.
    """
    token = read(digits, decoder.key, cipher)
    if isinstance(token, KeyChangeSection):
        return _with_section(decoder, token)
    require_unexpired(token.tid, decoder.key_expiry)
    memory = accept(decoder.memory, token.tid)
    if isinstance(token, Credit) and token.units > room_units:
        raise TokenCreditOverflow(
            f"the token's {token.units} units do not fit: the meter has room for {room_units}, use some credit first",
            units=token.units,
            room_units=room_units,
        )
    return Entered(msgspec.structs.replace(decoder, memory=memory), token)


def without_sections(decoder: Decoder) -> Decoder:
    """Drop what has arrived of a key change; for a shell that has waited long enough for the rest."""
    return msgspec.structs.replace(decoder, sections=())


def _with_section(decoder: Decoder, arrived: KeyChangeSection) -> Entered:
    others = (section for section in decoder.sections if section.subclass is not arrived.subclass)
    sections = (*others, arrived)
    if len(sections) < len(KEY_CHANGE):
        return Entered(msgspec.structs.replace(decoder, sections=sections), arrived)
    change = assemble(sections)
    memory = forgotten(decoder.memory) if change.roll_over else decoder.memory
    return Entered(Decoder(key=change.key, key_expiry=change.key_expiry, memory=memory), arrived, change)
