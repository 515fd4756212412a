"""How fast keys sign: in a file and in SoftHSM, and what a validator with each can carry.

python -m tests.suites.signers
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from ledgernode.identity.hsm import make_key
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.pkcs11_uri import parse_uri
from ledgernode.identity.signing import SigningKey
from tests.softhsm import SoftHsm

SECONDS = 3.0
SIGNATURES_A_BLOCK = 3
"""Of a PBFT validator: prepare (or pre-prepare), commit, and the vote for the result."""


def rate(key: SigningKey) -> float:
    """Signatures a second, one after the other, as a node makes them."""
    done, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < SECONDS:
        key.sign(b"a vote of some hundred bytes" * 4)
        done += 1
    return done / passed


def main() -> None:
    with TemporaryDirectory() as directory, SoftHsm(Path(directory)) as softhsm:
        softhsm.token("suite")
        keys = {"file": PrivateKey.generate(), "SoftHSM": make_key(parse_uri(softhsm.uri("suite", "key")))}
        print("key        signatures a second   blocks a second at most")
        for name, key in keys.items():
            found = rate(key)
            print(f"{name:10} {found:19,.0f}   {found / SIGNATURES_A_BLOCK:23,.0f}")


if __name__ == "__main__":
    main()
