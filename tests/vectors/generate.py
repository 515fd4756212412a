"""Write the vectors: python tests/vectors/generate.py [directory]. Keys and serial numbers are fixed, so are all bytes.

`docs/formats.md` explains each kind; `check.py` derives each again without this software.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partialmethod
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from mnemonic import Mnemonic

from gateway.sessions.challenges import Challenge, entry_message
from ledgernode.execution.reward import Reward, encode_reward, reward_id
from ledgernode.execution.sandbox.package import pack, package_hash, parse_package
from ledgernode.execution.timers import Timer
from ledgernode.identity.founding_set import founding_set
from ledgernode.identity.keys import ORDER, PrivateKey, verify
from ledgernode.identity.phrase import key_from_phrase
from ledgernode.identity.records import rotation_message
from ledgernode.proof import build_transaction_proof, check_proof
from ledgernode.store.lattice import EMPTY
from ledgernode.store.manifest import FORMAT, Manifest, snapshot_id
from ledgernode.store.snapshot import make_chunk
from ledgernode.store.state import record
from ledgernode.wire import merkle
from ledgernode.wire.block import Header, encode_header, header_hash, parse_header
from ledgernode.wire.genesis import parse_genesis
from ledgernode.wire.keys import composite_key, state_key
from ledgernode.wire.receipt import Event, Origin, Receipt, encode_receipt
from ledgernode.wire.roots import item_leaves
from ledgernode.wire.transaction import Body, Kind, Nonce, Sequence, encode_body, envelope, parse_transaction
from ledgernode.wire.types import ChainId, Epoch, Height, IdentityId, TimeMs, TransactionId, identity_id
from ledgernode.wire.validators import (
    Certificate,
    Validator,
    ValidatorSet,
    encode_certificate,
    encode_set,
    set_hash,
    vote_bytes,
)
from ledgernode.wire.voting import Phase, SignedVote, contradict, encode_signed, fault_id, order_vote_bytes
from tests.handmade import HandmadeChain, HandmadeNetwork, reward_receipt, timer_receipt, transaction_id

Vectors = list[dict[str, Any]]
HERE = Path(__file__).resolve().parent
CHAIN = ChainId(sha256(b"an example chain").digest())
TIME_MS = 1_767_225_600_000
READINGS = [{"meter": "A-1", "energy_mwh": 1500}, {"energy_mwh": 0, "meter": "Ö-2"}, {"meter": "B", "flags": []}]


def secret(number: int) -> int:
    return int.from_bytes(sha256(b"ledgernode vector key %d" % number).digest(), "big") % (ORDER - 1) + 1


def key(number: int) -> PrivateKey:
    return PrivateKey(ec.derive_private_key(secret(number), ec.SECP256R1()))


def hashed(text: str) -> bytes:
    return sha256(text.encode()).digest()


def identities() -> Vectors:
    return [{"public_key": key(n).public_key.hex(), "id": identity_id(key(n).public_key).hex()} for n in (1, 2)]


def wallets() -> Vectors:
    ours = Mnemonic("english").to_mnemonic(hashed("an example phrase")[:16])
    named = [(ours, 0), (ours, 7), (" ".join(["abandon"] * 11 + ["about"]), 0)]
    return [{"phrase": p, "account": n, "public_key": key_from_phrase(p, n).public_key.hex()} for p, n in named]


def entries() -> Vectors:
    origin, challenge = "https://console.north.example", Challenge(hashed("an example challenge"), TIME_MS + 60_000)
    message = entry_message(CHAIN, origin, challenge)
    facts = {"secret": f"{secret(1):064x}", "chain_id": CHAIN.hex(), "origin": origin, "nonce": challenge.nonce.hex()}
    derived = {"message": message.hex(), "signature": key(1).sign(message).hex()}
    return [{**facts, "expires_ms": challenge.expires_ms, **derived}]


def bodies() -> Iterator[tuple[int, Body]]:
    nonce = Nonce(bytes(range(16)), TimeMs(TIME_MS + 600_000))
    arguments = '{"to":"Zürich","amount":25}'.encode()
    creator = identity_id(key(1).public_key)
    yield 1, Body(Kind.TRANSACTION, CHAIN, creator, nonce, 5_000, "currency", "transfer", arguments)
    yield 2, Body(Kind.TRANSACTION, CHAIN, creator, Sequence(2**63 - 1), 1, "m", "r", b"{}")
    yield 1, Body(Kind.QUERY, CHAIN, creator, nonce, 2**32 - 1, "currency", "balance", b"{}")


def transactions() -> Vectors:
    found = []
    for number, body in bodies():
        raw = encode_body(body)
        signature = key(number).sign(raw)
        whole = parse_transaction(envelope(key(number).public_key, signature, raw))
        is_nonce = isinstance(body.replay, Nonce)
        found.append(
            {
                "secret": f"{secret(number):064x}",
                "kind": body.kind.name.lower(),
                "chain_id": body.chain_id.hex(),
                "creator": body.creator.hex(),
                "nonce": body.replay.value.hex() if isinstance(body.replay, Nonce) else None,
                "valid_until_ms": body.replay.valid_until_ms if isinstance(body.replay, Nonce) else None,
                "sequence": None if is_nonce else str(getattr(body.replay, "number", 0)),
                "budget": body.budget,
                "contract": body.contract,
                "function": body.function,
                "arguments": body.arguments.decode(),
                "body": raw.hex(),
                "id": whole.id.hex(),
                "signature": signature.hex(),
                "envelope": whole.raw.hex(),
                "envelope_hash": whole.envelope_hash.hex(),
            }
        )
    return found


def signatures() -> Vectors:
    message = b"one meaning for every verifier"
    good = key(3).sign(message)
    r, s = good[:32], int.from_bytes(good[32:], "big")
    cases = {
        "valid": good,
        "high s": r + (ORDER - s).to_bytes(32, "big"),
        "r is zero": bytes(32) + good[32:],
        "s is zero": r + bytes(32),
        "r is the order": ORDER.to_bytes(32, "big") + good[32:],
        "of another message": key(3).sign(b"another message"),
        "of another key": key(4).sign(message),
        "63 bytes": good[:63],
        "65 bytes": good + b"\x00",
    }
    public_key = key(3).public_key
    found = [{"case": case, "public_key": public_key, "signature": signature} for case, signature in cases.items()]
    off_curve = public_key[:-1] + bytes([public_key[-1] ^ 1])
    found.append({"case": "key not on the curve", "public_key": off_curve, "signature": good})
    found.append({"case": "compressed key", "public_key": b"\x02" + public_key[1:33], "signature": good})
    return [
        {
            "case": case["case"],
            "public_key": case["public_key"].hex(),
            "message": message.hex(),
            "signature": case["signature"].hex(),
            "holds": verify(case["public_key"], message, case["signature"]),
        }
        for case in found
    ]


def headers() -> Vectors:
    numbers = (Epoch(3), Height(1_000_000), TimeMs(TIME_MS))
    names = ("parent", "transactions", "receipts", "state", "current set", "next set")
    parent, transaction, receipts, state, current, following = (hashed(name) for name in names)
    header = Header(
        CHAIN,
        numbers[0],
        numbers[1],
        parent,
        transaction,
        receipts,
        state,
        numbers[2],
        current,
        following,
        1_000,
        1_002,
    )
    fields = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in ((name, getattr(header, name)) for name in Header.__struct_fields__)
    }
    return [{**fields, "header": encode_header(header).hex(), "hash": header_hash(header).hex()}]


def receipts() -> Vectors:
    events = (Event("currency", "Transferred", b'{"amount_minor":25}'), Event("markt", "Geschätzt", b"{}"))
    plain = Receipt(TransactionId(hashed("a")), Origin.TRANSACTION, "OK", "", b'{"balance":75}', events, 70_000)
    root = merkle.root(item_leaves(READINGS))
    cases = [
        plain,
        Receipt(
            TransactionId(hashed("b")), Origin.TRANSACTION, "currency.INSUFFICIENT_BALANCE", "5 are there", b"", (), 900
        ),
        Receipt(TransactionId(hashed("c")), Origin.TIMER, "OK", "ü" * 200, b"null", (), 127),
        Receipt(TransactionId(hashed("d")), Origin.TRANSACTION, "OK", "", b"x" * 300, (), 5_000_000, root, 3),
        Receipt(reward_id(CHAIN, Height(77)), Origin.REWARD, "OK", "", encode_reward(paid()), (), 1_900),
    ]
    return [{**receipt_fields(case), "receipt": encode_receipt(case).hex()} for case in cases]


def receipt_fields(receipt: Receipt) -> dict[str, Any]:
    return {
        "id": receipt.id.hex(),
        "origin": receipt.origin.name.lower(),
        "code": receipt.code,
        "message": receipt.message,
        "result": receipt.result.decode(),
        "events": [{"contract": e.contract, "name": e.name, "payload": e.payload.decode()} for e in receipt.events],
        "budget_used": receipt.budget_used,
        "items_root": receipt.items_root.hex(),
        "items": receipt.items,
    }


def trees() -> Vectors:
    found: Vectors = []
    for size in (0, 1, 2, 3, 5, 8, 13):
        leaves = [bytes([n]) * n for n in range(size)]
        paths = [[sibling.hex() for sibling in merkle.path(leaves, n)] for n in range(size)]
        found.append({"leaves": [leaf.hex() for leaf in leaves], "root": merkle.root(leaves).hex(), "paths": paths})
    return found


def items() -> Vectors:
    leaves = item_leaves(READINGS)
    return [{"items": READINGS, "leaves": [leaf.decode() for leaf in leaves], "root": merkle.root(leaves).hex()}]


def validator_sets() -> Vectors:
    members = [Validator(identity_id(key(n).public_key), f"utility-{n}", key(n).public_key) for n in (1, 2, 3, 4)]
    validators = ValidatorSet.of(Epoch(7), members)
    vote = vote_bytes(CHAIN, Epoch(7), Height(42), hashed("a header"))
    signers = {identity_id(key(n).public_key): key(n) for n in (1, 2, 3, 4)}
    signed = tuple((at, signers[validators.members[at].identity].sign(vote)) for at in (0, 1, 3))
    return [
        {
            "epoch": 7,
            "members": [
                {"organisation": member.organisation, "public_key": member.public_key.hex()} for member in members
            ],
            "set": encode_set(validators).hex(),
            "hash": set_hash(validators).hex(),
            "chain_id": CHAIN.hex(),
            "height": 42,
            "header_hash": hashed("a header").hex(),
            "vote": vote.hex(),
            "signatures": [{"position": at, "signature": signature.hex()} for at, signature in signed],
            "certificate": encode_certificate(Certificate(signed)).hex(),
        }
    ]


def timers() -> Vectors:
    found: Vectors = []
    for due, contract, name, attempt, height in (
        (TIME_MS, "market", "close/2026-01-01", 1, 77),
        (0, "m", "ä", 3, 2**40),
    ):
        timer = Timer(due, contract, name, "close", {}, attempt)
        found.append(
            {
                "chain_id": CHAIN.hex(),
                "height": height,
                "due_ms": due,
                "attempt": attempt,
                "contract": contract,
                "timer": name,
                "id": timer.id(CHAIN, Height(height)).hex(),
            }
        )
    return found


def paid(amount_minor: int = 50) -> Reward:
    return Reward(amount_minor, identity_id(key(1).public_key).hex())


def rewards() -> Vectors:
    """One that was paid, and one that was refused."""
    return [
        {
            "chain_id": CHAIN.hex(),
            "height": height,
            "amount_minor": reward.amount_minor,
            "miner": reward.miner,
            "id": reward_id(CHAIN, Height(height)).hex(),
            "result": encode_reward(reward).decode(),
        }
        for height, reward in ((77, paid()), (2**40, paid(0)))
    ]


def state() -> list[tuple[bytes, bytes]]:
    return [
        (state_key("currency", "book"), record(3, 0, b"\x81\xa4code\xa3EUR")),
        (state_key("currency", composite_key("account", "ab" * 32)), record(2**33, 1_999, b"\x01")),
        (state_key("notes", "long"), record(9, 1, bytes(range(256)) * 11)),
    ]


def shown(pairs: list[tuple[bytes, bytes]]) -> Vectors:
    return [{"key": name.hex(), "record": value.hex()} for name, value in pairs]


def lattices() -> Vectors:
    pairs = state()
    total = EMPTY.updated((), pairs)
    empty = {"pairs": [], "elements": [], "sum": EMPTY.sum.hex(), "commitment": EMPTY.commitment().hex()}
    return [
        empty,
        {
            "pairs": shown(pairs),
            "elements": [EMPTY.updated((), [pair]).sum.hex() for pair in pairs],
            "sum": total.sum.hex(),
            "commitment": total.commitment().hex(),
        },
    ]


def snapshots() -> Vectors:
    """The state of the lattice's vectors in two chunks, as a node writes it; and an empty one in one."""
    header = bytes.fromhex(headers()[0]["header"])
    found: Vectors = []
    for parts in ([state()[:2], state()[2:]], [[]]):
        starts = [b"", *(part[0][0] for part in parts[1:])]
        ranges = zip(starts, [*starts[1:], None], parts, strict=True)
        made = [make_chunk(start, end, part) for start, end, part in ranges]
        chunks = tuple(chunk for chunk, _ in made)
        manifest = Manifest(FORMAT, CHAIN, parse_header(header).height, header, b"", (), chunks)
        found.append(
            {
                "header": header.hex(),
                "chunks": [
                    {"start": one.start.hex(), "end": None if one.end is None else one.end.hex(), "pairs": shown(part)}
                    for one, part in zip(chunks, parts, strict=True)
                ],
                "files": [raw.hex() for _, raw in made],
                "id": snapshot_id(manifest).hex(),
            }
        )
    return found


def packages() -> Vectors:
    raw = pack(HERE / "register.py")
    package = parse_package(raw)
    return [
        {
            "name": package.name,
            "version": package.version,
            "entry": package.entry,
            "files": package.files,
            "package": raw.hex(),
            "hash": package_hash(raw),
        }
    ]


def rotations() -> Vectors:
    identity = identity_id(key(1).public_key)
    message = rotation_message(IdentityId(identity), key(2).public_key)
    return [
        {
            "first_public_key": key(1).public_key.hex(),
            "secret": f"{secret(2):064x}",
            "message": message.hex(),
            "proof": key(2).sign(message).hex(),
        }
    ]


def contradictions() -> Vectors:
    """Two block votes, and two order votes of a phase, by key 1."""
    found: Vectors = []
    choices = (hashed("one"), hashed("another"))
    for phase, view, height in ((None, None, 42), (Phase.PRE_PREPARE, 3, 43), (Phase.COMMIT, 2**40, 2**41)):
        messages = [
            vote_bytes(CHAIN, Epoch(7), Height(height), choice)
            if phase is None or view is None
            else order_vote_bytes(CHAIN, Epoch(7), phase, view=view, sequence=height, digest=choice)
            for choice in choices
        ]
        votes = [SignedVote(message, key(1).sign(message)) for message in messages]
        assert contradict(*messages), "the votes are on the same thing"
        found.append(
            {
                "secret": f"{secret(1):064x}",
                "chain_id": CHAIN.hex(),
                "epoch": 7,
                "phase": None if phase is None else int(phase),
                "view": view,
                "height": height,
                "choices": [choice.hex() for choice in choices],
                "votes": [encode_signed(vote).hex() for vote in votes],
                "fault": fault_id(identity_id(key(1).public_key), messages[1]).hex(),
            }
        )
    return found


def proof_vector(genesis: str, proof: bytes) -> dict[str, Any]:
    """A proof, and what it shows."""
    checked = check_proof(proof, genesis.encode())
    return {
        "kind": checked.kind,
        "genesis": genesis,
        "proof": proof.decode(),
        "receipt": receipt_fields(checked.receipt),
        "receipt_data": encode_receipt(checked.receipt).hex(),
        "item": None if checked.item is None else checked.item.decode(),
    }


def founded() -> tuple[HandmadeNetwork, list[bytes]]:
    """A network with its genesis file, and a proof of each kind after two changes of the validator set."""
    fixed = count(100)
    PrivateKey.generate = staticmethod(lambda: key(next(fixed)))  # type: ignore[method-assign]
    serials = count(1)
    x509.random_serial_number = lambda: next(serials)  # type: ignore[assignment]
    x509.CertificateBuilder.sign = partialmethod(  # type: ignore[assignment]
        x509.CertificateBuilder.sign, ecdsa_deterministic=True
    )
    network = HandmadeNetwork(4, PrivateKey.generate)
    chain = HandmadeChain(network)
    first = chain.current.members
    chain.append([network.envelope()], next_members=[*first, network.newcomer("org5")])
    chain.append(next_members=[*first[1:], network.newcomer("org6")])
    batch = network.envelope(json.dumps({"readings": READINGS}).encode())
    chain.append([network.envelope(), batch, network.envelope()], timers=[timer_receipt()], items=READINGS)
    reward = reward_receipt(chain.current.members[2].identity, 4)
    chain.append([network.envelope()], timers=[reward, timer_receipt(2)])
    ids = (transaction_id(batch), timer_receipt().id, reward.id)
    wanted = ((ids[0], None), (ids[0], 1), (ids[1], None), (ids[2], None))
    return network, [build_transaction_proof(chain.store, network.genesis_bytes, *what) for what in wanted]


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    network, proofs = founded()
    genesis = network.genesis_bytes.decode()
    first_set = founding_set(parse_genesis(network.genesis_bytes))
    files: dict[str, Vectors] = {
        "identity": identities(),
        "wallet": wallets(),
        "entry": entries(),
        "transaction": transactions(),
        "signature": signatures(),
        "header": headers(),
        "receipt": receipts(),
        "merkle": trees(),
        "items": items(),
        "validators": validator_sets(),
        "timer": timers(),
        "reward": rewards(),
        "lattice": lattices(),
        "snapshot": snapshots(),
        "package": packages(),
        "rotation": rotations(),
        "contradiction": contradictions(),
        "genesis": [
            {"genesis": genesis, "chain_id": network.chain_id.hex(), "founding_set": encode_set(first_set).hex()}
        ],
        "proof": [proof_vector(genesis, proof) for proof in proofs],
    }
    for name, vectors in files.items():
        text = json.dumps(vectors, indent=1, ensure_ascii=False) + "\n"
        (target / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
