"""Who holds vending keys: the seam between vending and whatever keeps them.

A module does one thing with a key that never leaves it: HMAC-SHA256 over a message. That is how a meter's key is
derived (DKGA04), and it is what a hardware module does by PKCS#11:

    C_FindObjects   CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKA_LABEL = label, CKA_SIGN, not CKA_EXTRACTABLE
    C_SignInit      CKM_SHA256_HMAC
    C_Sign          message ─▶ 32 bytes

What comes out is one meter's key, for the length of one token: whoever takes it can mint for this meter, and for no
other. A module signs nothing but derivations.
"""

from __future__ import annotations

import hmac
from typing import Final, Protocol

from gateway.vending.keystore import KeyFacts, KeyStore
from ledgernode.errors import BadRequest, VendingKeyUnknown

DERIVATION: Final = b"\x04\x0204\x02"
"""How the message of a derivation by DKGA04 begins."""
_MESSAGE_BYTES: Final = 128


class VendingModule(Protocol):
    """Of one utility."""

    async def keys(self) -> list[KeyFacts]:
        """What may be known of the keys in it."""
        ...

    async def sign(self, label: str, message: bytes) -> bytes:
        """HMAC-SHA256 under a key. Raises VendingKeyUnknown."""
        ...

    async def close(self) -> None:
        """Forget what was opened."""
        ...


class KeyStoreModule:
    """The keys of a key store, in this process."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    async def keys(self) -> list[KeyFacts]:
        return self._store.facts()

    async def sign(self, label: str, message: bytes) -> bytes:
        if not message.startswith(DERIVATION) or len(message) > _MESSAGE_BYTES:
            raise BadRequest("a vending key derives meters' keys, and does nothing else")
        key = self._store.find(label)
        if key is None:
            raise VendingKeyUnknown(f"there is no {label} in the key store")
        return hmac.digest(key, message, "sha256")

    async def close(self) -> None:
        self._store = KeyStore({})
