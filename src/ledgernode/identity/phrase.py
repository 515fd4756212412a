"""A wallet's recovery phrase, and the key it stands for.

The phrase is twelve words of BIP-39: 128 random bits and a checksum. Its key is

    seed    PBKDF2-HMAC-SHA512(phrase, "mnemonic", 2048 rounds, 64 bytes)          as BIP-39 says, no passphrase
    48 bytes  HKDF-SHA256(seed, no salt, "ledgernode/wallet/1" | 0 | account 4)
    secret  those as a number, modulo n - 1, plus 1                                on P-256

so that the same words give the same key in the browser, on the command line and wherever else one is lost
(`docs/formats.md`, vectors in `tests/vectors/wallet.json`). One phrase has as many accounts as are asked for.
"""

from __future__ import annotations

import struct
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from mnemonic import Mnemonic

from ledgernode.errors import PhraseInvalid
from ledgernode.identity.keys import ORDER, PrivateKey

WALLET_TAG: Final = b"ledgernode/wallet/1\x00"
ACCOUNTS: Final = 1_000
_ENTROPY_BITS: Final = 128
_KEY_BYTES: Final = 48  # 128 bits more than the curve's, so that every secret is as likely
_WORDS: Final = Mnemonic("english")
_LENGTHS: Final = (12, 15, 18, 21, 24)


def new_phrase() -> str:
    """Twelve words from the system's randomness. Whoever has them has the wallet."""
    return _WORDS.generate(_ENTROPY_BITS)


def key_from_phrase(phrase: str, account: int = 0) -> PrivateKey:
    """The key; refuses a phrase that is not whole, and says what is wrong without repeating it."""
    if not 0 <= account < ACCOUNTS:
        raise PhraseInvalid(f"accounts are numbered 0 to {ACCOUNTS - 1}, this is {account}")
    words = phrase.lower().split()
    if len(words) not in _LENGTHS:
        raise PhraseInvalid(f"a recovery phrase has 12 words (15, 18, 21 or 24 are read too), this one {len(words)}")
    unknown = [str(at) for at, word in enumerate(words, 1) if word not in _WORDS.wordlist]
    if unknown:
        raise PhraseInvalid(f"these words, by their place, are in no recovery phrase: {', '.join(unknown)}")
    plain = " ".join(words)
    if not _WORDS.check(plain):
        raise PhraseInvalid("each word is known, but together they are no phrase: one is wrong, or two are swapped")
    info = WALLET_TAG + struct.pack(">I", account)
    derived = HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=info).derive(_WORDS.to_seed(plain))
    secret = int.from_bytes(derived, "big") % (ORDER - 1) + 1
    return PrivateKey(ec.derive_private_key(secret, ec.SECP256R1()))
