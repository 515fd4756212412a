"""Bytes that are signed, hashed or kept by everybody.

Most have one encoding, so what is accepted is written the same again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from ledgernode.consensus.certifier import check_certificate
from ledgernode.errors import (
    BadArguments,
    BadCertificate,
    BadGenesis,
    BadKey,
    BadProof,
    DatabaseDamaged,
    MalformedTransaction,
    SnapshotInvalid,
)
from ledgernode.evidence import check_evidence
from ledgernode.execution.reward import miner_of
from ledgernode.identity.keys import PrivateKey, verify
from ledgernode.proof import check_proof
from ledgernode.store.chain import ChainStore
from ledgernode.store.manifest import check_manifest
from ledgernode.store.memory import MemoryStore
from ledgernode.store.restoring import check_chunk
from ledgernode.store.snapshot import MANIFEST_FILE, create_snapshot
from ledgernode.wire.arguments import check_arguments
from ledgernode.wire.block import Header, encode_header, parse_header
from ledgernode.wire.genesis import encode_genesis, parse_genesis
from ledgernode.wire.keys import composite_key, split_composite
from ledgernode.wire.receipt import Origin, Receipt, encode_receipt, parse_receipt
from ledgernode.wire.transaction import encode_body, envelope, parse_body, parse_transaction
from ledgernode.wire.types import Epoch, Height, TransactionId
from ledgernode.wire.validators import (
    Certificate,
    ValidatorSet,
    encode_certificate,
    encode_set,
    parse_certificate,
    parse_set,
)
from ledgernode.wire.voting import encode_signed, parse_signed, read_vote
from tests.devices.meter.sayings import METER, Saying
from tests.fuzz.target import Form, Target, constant
from tests.fuzz.targets.vectors import genesis_bytes, hexadecimal, vectors
from tests.identity.oracle import oracle_verify
from tests.store.blocks import Builder

_DEPTH: Final = 32


@cache
def _saying() -> tuple[Saying, bytes]:
    """An event after two changes of the validators, and evidence of it."""
    saying = Saying()
    saying.change()
    saying.change()
    return saying, saying.say("SupplyBlocked", "prepaid", meter=METER)[0]


def _evidence(raw: bytes) -> Any:
    saying, _ = _saying()
    return check_evidence(raw, saying.chain_id, {Epoch(0): saying.founders}, verify)


def _key(number: int) -> PrivateKey:
    return PrivateKey(ec.derive_private_key(number, ec.SECP256R1()))


@cache
def _snapshot() -> tuple[Builder, bytes, tuple[bytes, ...]]:
    """A chain with a change of its set, the manifest of its snapshot, and the chunks."""
    made = Builder([_key(number) for number in range(1, 5)])
    for height in range(1, 5):
        new = [_key(number) for number in range(2, 6)] if height == 2 else []
        made.block([{f"key {number:03d}": b"%d" % height * 20 for number in range(height, 30)}], next_keys=new)
    chain = ChainStore.create(MemoryStore(), made.genesis)
    chain.append(made.blocks[1:], {Height(height): made.certificate(height) for height in range(1, 4)})
    with TemporaryDirectory() as folder:
        directory = Path(folder) / "snapshot"
        create_snapshot(chain, directory)
        manifest = (directory / MANIFEST_FILE).read_bytes()
        chunks = [file.read_bytes() for file in sorted(directory.iterdir()) if file.name != MANIFEST_FILE]
    return made, manifest, tuple(chunks)


def _manifest(raw: bytes) -> Any:
    def check(header: Header, certificate: Certificate, validators: ValidatorSet) -> None:
        check_certificate(header, certificate, validators, verify)

    genesis = _snapshot()[0].genesis
    return check_manifest(raw, genesis.header, genesis.next_set, check)


def _chunk(raw: bytes) -> Any:
    """Under its own hash: who makes a manifest names what hash they like."""
    import hashlib

    import msgspec

    _, manifest, _ = _snapshot()
    known = _manifest(manifest).chunks[0]
    return check_chunk(raw, 0, msgspec.structs.replace(known, size_bytes=len(raw), sha256=hashlib.sha256(raw).digest()))


def _signature(raw: bytes) -> bool:
    """Two implementations agree on every key, signature and message."""
    key, signature, message = raw[:65], raw[65:129], raw[129:]
    holds = verify(key, message, signature)
    assert holds == oracle_verify(key, message, signature), "OpenSSL and ecdsa disagree"
    return holds


def _signatures() -> Sequence[bytes]:
    return [bytes.fromhex(one["public_key"] + one["signature"] + one["message"]) for one in vectors("signature")]


def _rewarded(raw: bytes) -> Any:
    receipt = Receipt(TransactionId(bytes(32)), Origin.REWARD, "OK", "", raw, (), 0)
    return miner_of([encode_receipt(receipt)])


def _again_transaction(found: Any) -> bytes:
    return envelope(found.public_key, found.signature, encode_body(found.body))


TARGETS: Final = (
    Target(
        "transaction",
        ("ledgernode.wire.transaction",),
        parse_transaction,
        (MalformedTransaction,),
        hexadecimal("transaction", "envelope"),
        again=_again_transaction,
    ),
    Target(
        "body",
        ("ledgernode.wire.transaction",),
        parse_body,
        (MalformedTransaction,),
        hexadecimal("transaction", "body"),
        again=encode_body,
    ),
    Target(
        "arguments",
        ("ledgernode.wire.arguments",),
        lambda raw: check_arguments(raw, _DEPTH),
        (BadArguments,),
        constant(
            '{"to":"north:1","amount":5}',
            '{"rows":[{"time_ms":1,"import_mwh":9007199254740991}],"note":"Ö\\u2028\\n"}',
            '{ "a" : [ true, null, -1 ] }',
            "{}",
        ),
        Form.JSON,
    ),
    Target(
        "signature",
        ("ledgernode.identity.keys",),
        _signature,
        (),
        _signatures,
        silent=True,
    ),
    Target(
        "header",
        ("ledgernode.wire.block",),
        parse_header,
        (DatabaseDamaged,),
        hexadecimal("header", "header"),
        again=encode_header,
    ),
    Target(
        "receipt",
        ("ledgernode.wire.receipt",),
        parse_receipt,
        (DatabaseDamaged,),
        hexadecimal("receipt", "receipt"),
        Form.MSGPACK,
        again=encode_receipt,
        tag=b"ledgernode/receipt/1\x00",
    ),
    Target(
        "reward",
        ("ledgernode.execution.reward",),
        _rewarded,
        (DatabaseDamaged,),
        lambda: [str(one["result"]).encode() for one in vectors("reward")],
        Form.JSON,
    ),
    Target(
        "validator-set",
        ("ledgernode.wire.validators",),
        parse_set,
        (BadProof,),
        hexadecimal("validators", "set"),
        again=encode_set,
    ),
    Target(
        "block-certificate",
        ("ledgernode.wire.validators",),
        parse_certificate,
        (BadProof,),
        hexadecimal("validators", "certificate"),
        again=encode_certificate,
    ),
    Target(
        "vote",
        ("ledgernode.wire.voting",),
        read_vote,
        (BadProof,),
        lambda: [bytes.fromhex(one["votes"][0])[:-64] for one in vectors("contradiction")],
    ),
    Target(
        "signed-vote",
        ("ledgernode.wire.voting",),
        parse_signed,
        (BadProof,),
        lambda: [bytes.fromhex(one["votes"][0]) for one in vectors("contradiction")],
        again=encode_signed,
    ),
    Target(
        "genesis",
        ("ledgernode.wire.genesis",),
        parse_genesis,
        (BadGenesis,),
        lambda: [genesis_bytes(), encode_genesis(parse_genesis(genesis_bytes()))],
        Form.JSON,
    ),
    Target(
        "proof",
        ("ledgernode.proof",),
        lambda raw: check_proof(raw, str(vectors("proof")[0]["genesis"]).encode()),
        (BadProof,),
        lambda: [str(one["proof"]).encode() for one in vectors("proof")],
        Form.JSON,
    ),
    Target(
        "proof-genesis",
        ("ledgernode.proof",),
        lambda raw: check_proof(str(vectors("proof")[0]["proof"]).encode(), raw),
        (BadProof, BadGenesis, BadCertificate),
        lambda: [str(vectors("proof")[0]["genesis"]).encode()],
        Form.JSON,
    ),
    Target(
        "evidence",
        ("ledgernode.evidence",),
        _evidence,
        (BadProof,),
        lambda: [_saying()[1]],
        Form.MSGPACK,
    ),
    Target(
        "manifest",
        ("ledgernode.store.manifest",),
        _manifest,
        (SnapshotInvalid,),
        lambda: [_snapshot()[1]],
        Form.JSON,
    ),
    Target(
        "chunk",
        ("ledgernode.store.restoring",),
        _chunk,
        (SnapshotInvalid,),
        lambda: [*_snapshot()[2]],
        Form.MSGPACK,
    ),
    Target(
        "composite-key",
        ("ledgernode.wire.keys",),
        lambda raw: split_composite(raw.decode("utf-8", "surrogateescape")),
        (BadKey,),
        constant("\x00kind\x00part\x00", "\x00kind\x00", "\x00k\x00\x00\x00"),
        Form.TEXT,
        again=lambda parts: composite_key(*parts).encode("utf-8", "surrogateescape"),
    ),
)
