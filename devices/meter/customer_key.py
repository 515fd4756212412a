"""The customer key: what only the customer wants, signed while the PIN is there and at no other time.

    PIN, hardware secret, salt ──scrypt──▶ key ──AES key wrap──▶ the customer's private key, wrapped

Neither the PIN nor anything made of it alone is kept: a wrong PIN is one under which the wrapping does not open. Who
has the disk without the hardware cannot try PINs; who has the meter has three tries, then waits: five minutes, twice
as long after each further one, a day at most. Only what needs the PIN waits; metering and tokens do not.

A PIN is chosen when utility and customer say so (`ChoosePin`): the old key ends then, and a new one is made when the
customer types a PIN twice. Changing a known PIN wraps the same key again.
"""

from __future__ import annotations

import hmac
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from devices.meter import outbox
from devices.meter.events import Outgoing
from devices.meter.settings import LOCK_MS, LONGEST_LOCK_MS, PIN_DIGITS, WRONG_PINS, Settings
from devices.meter.signing import signed
from devices.meter.turn import Refused, Turn
from ledgernode.identity.authority import build_request
from ledgernode.identity.keys import ORDER, PrivateKey
from ledgernode.identity.records import Role
from ledgernode.sts.keys import Secret

_KEY_BYTES: Final = 32


def require_unlocked(turn: Turn) -> None:
    """Refuses while there is no key, or too many wrong PINs were tried."""
    customer = turn.state.customer
    if not customer.wrapped:
        raise Refused("PIN_NOT_SET")
    if turn.now_ms < customer.locked_ms:
        raise Refused("PIN_LOCKED")


def unlock(turn: Turn, pin: str) -> PrivateKey:
    """The customer's key; a wrong PIN is counted, and from the third on locks."""
    require_unlocked(turn)
    customer = turn.state.customer
    try:
        raw = aes_key_unwrap(_wrapping_key(turn.settings, pin, customer.salt), customer.wrapped)
    except InvalidUnwrap:
        wrong = customer.wrong + 1
        turn.change("customer", wrong=wrong)
        if wrong >= WRONG_PINS:
            lock_ms = min(LOCK_MS << min(wrong - WRONG_PINS, 20), LONGEST_LOCK_MS)
            turn.change("customer", locked_ms=turn.now_ms + lock_ms)
            outbox.notice(turn, "pin_locked", f"{wrong} wrong")
        raise Refused("PIN_WRONG") from None
    turn.change("customer", wrong=0, locked_ms=0)
    return PrivateKey(ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1()))


def sign(turn: Turn, pin: str, function: str, budget: int, **arguments: Any) -> None:
    """A transaction of the customer's, signed now and sent whenever there is a link."""
    outbox.require_room(turn)
    key = unlock(turn, pin)
    number = turn.state.customer.sequence
    turn.change("customer", sequence=number + 1)
    raw = msgspec.json.encode(arguments)
    outgoing = Outgoing(number, "prepaid", function, raw, budget, key=f"customer-{turn.state.customer.keys}")
    envelope = signed(outgoing, key, turn.settings.chain_id)
    outbox.keep(turn, msgspec.structs.replace(outgoing, envelope=envelope))


def forget(turn: Turn) -> None:
    """The key ends, with what it signed and nobody has; a new one may be made."""
    turn.change(
        "customer",
        wrapped=Secret(),
        salt=b"",
        public_key=b"",
        request="",
        sequence=0,
        may_choose=True,
        wrong=0,
        locked_ms=0,
    )
    turn.put(outbox=tuple(each for each in turn.state.outbox if each.key == outbox.METER))


def make(turn: Turn, pin: str) -> None:
    """A new key under a new PIN; asks the utility for its certificate."""
    customer = turn.state.customer
    if not customer.may_choose:
        raise Refused("PIN_NOT_SET")
    require_pin(pin)
    drawn = _drawn(turn, b"key", _KEY_BYTES + 16)
    raw = (int.from_bytes(drawn, "big") % (ORDER - 1) + 1).to_bytes(_KEY_BYTES, "big")
    key = PrivateKey(ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1()))
    name = f"customer-{key.public_key.hex()[2:18]}"
    request = build_request(key, organisation=turn.settings.utility, role=Role.CUSTOMER, name=name)
    turn.change("customer", public_key=key.public_key, request=request, may_choose=False, keys=customer.keys + 1)
    _wrap(turn, raw, pin)
    turn.request = request


def change_pin(turn: Turn, old: str, new: str) -> None:
    """The same key under another PIN."""
    require_pin(new)
    key = unlock(turn, old).to_cryptography().private_numbers().private_value
    _wrap(turn, key.to_bytes(_KEY_BYTES, "big"), new)


def require_pin(pin: str) -> None:
    least, most = PIN_DIGITS
    if not (least <= len(pin) <= most and pin.isascii() and pin.isdecimal()):
        raise Refused("PIN_LENGTH")


def _wrap(turn: Turn, raw: bytes, pin: str) -> None:
    salt = _drawn(turn, b"salt", 16)
    wrapped = Secret(aes_key_wrap(_wrapping_key(turn.settings, pin, salt), raw))
    draws = turn.state.customer.draws + 1
    turn.change("customer", wrapped=wrapped, salt=salt, wrong=0, locked_ms=0, draws=draws)


def _wrapping_key(settings: Settings, pin: str, salt: bytes) -> bytes:
    bound = hmac.digest(settings.hardware_secret, b"customer key" + salt, "sha256")
    return Scrypt(salt=bound, length=_KEY_BYTES, n=1 << settings.pin_cost, r=8, p=1).derive(pin.encode())


def _drawn(turn: Turn, what: bytes, size: int) -> bytes:
    """Bytes that nobody has seen, from the start's seed; each wrapping draws others."""
    assert len(turn.session.seed) >= _KEY_BYTES
    label = what + turn.state.customer.draws.to_bytes(8, "big")
    blocks = [hmac.digest(turn.session.seed, label + bytes((at,)), "sha512") for at in range(2)]
    return b"".join(blocks)[:size]
