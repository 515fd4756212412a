"""Bad input that reaches a node: each gets its own code and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from ledgernode.client import Ledger, Signer
from ledgernode.errors import (
    BadArguments,
    BadKey,
    BadSignature,
    BudgetExceeded,
    BudgetOutOfRange,
    ChaincodeRefused,
    ContractFault,
    LedgerError,
    MalformedTransaction,
    RoleRefused,
    SequenceReplayed,
    SequenceTooFar,
    TransactionExpired,
    TransactionTooLarge,
    UnknownContract,
    UnknownFunction,
    UnknownSigner,
    ValidityTooFar,
    WriteInQuery,
    WrongChain,
    WrongFunctionKind,
)
from ledgernode.identity.keys import ORDER
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, ChainId, sha256
from tests.running import NodeProcess, Person, now_ms

pytestmark = pytest.mark.slow

BODY_AT = PUBLIC_KEY_BYTES + SIGNATURE_BYTES


def signed(signer: Signer, function: str = "put", arguments: object = None, **options: object):
    given = {"key": "bad", "text": "x"} if arguments is None else arguments
    contract = options.pop("contract", "notebook")
    return signer.transaction(contract, function, given, budget=options.pop("budget", 10_000), **options)  # type: ignore[arg-type]


def altered(one, change: Callable[[bytes], bytes]):
    import msgspec

    return msgspec.structs.replace(one, envelope=change(one.envelope))


def high_s(raw: bytes) -> bytes:
    s = ORDER - int.from_bytes(raw[BODY_AT - 32 : BODY_AT], "big")
    return raw[: BODY_AT - 32] + s.to_bytes(32, "big") + raw[BODY_AT:]


def zero_r(raw: bytes) -> bytes:
    return raw[:PUBLIC_KEY_BYTES] + bytes(32) + raw[BODY_AT - 32 :]


def at(anna: Person, **options: object) -> Signer:
    return Signer(anna.key, chain_id=anna.signer.chain_id, **options)  # type: ignore[arg-type]


AT_THE_DOOR: dict[str, tuple[Callable[[Person], object], type[LedgerError]]] = {
    "high-s signature": (lambda anna: altered(signed(anna.signer), high_s), BadSignature),
    "r is zero": (lambda anna: altered(signed(anna.signer), zero_r), BadSignature),
    "altered body": (lambda anna: altered(signed(anna.signer), lambda raw: raw.replace(b"bad", b"BAD")), BadSignature),
    "cut short": (lambda anna: altered(signed(anna.signer), lambda raw: raw[:-1]), MalformedTransaction),
    "no bytes": (lambda anna: altered(signed(anna.signer), lambda raw: b""), MalformedTransaction),
    "a query": (
        lambda anna: altered(signed(anna.signer), lambda raw: anna.signer.query("notebook", "count", {}, budget=1)),
        MalformedTransaction,
    ),
    "wrong chain": (lambda anna: signed(Signer(anna.key, chain_id=ChainId(sha256(b"x")))), WrongChain),
    "expired": (lambda anna: signed(at(anna, clock_ms=lambda: now_ms() - 200_000)), TransactionExpired),
    "valid too far ahead": (lambda anna: signed(at(anna, validity_ms=700_000)), ValidityTooFar),
    "oversized body": (
        lambda anna: signed(anna.signer, arguments={"key": "k", "text": "x" * Parameters().body_bytes}),
        TransactionTooLarge,
    ),
    "no budget": (lambda anna: signed(anna.signer, budget=0), BudgetOutOfRange),
    "too much budget": (lambda anna: signed(anna.signer, budget=500_001), BudgetOutOfRange),
    "unknown contract": (lambda anna: signed(anna.signer, contract="nowhere"), UnknownContract),
    "unknown function": (lambda anna: signed(anna.signer, "fly"), UnknownFunction),
    "a query submitted": (lambda anna: signed(anna.signer, "count", {}), WrongFunctionKind),
    "role": (lambda anna: signed(anna.signer, "inspect", {}), RoleRefused),
    "not an object": (lambda anna: signed(anna.signer, arguments=b"[1]"), BadArguments),
    "deep JSON": (lambda anna: signed(anna.signer, arguments=b'{"key":' * 40 + b"1" + b"}" * 40), BadArguments),
    "a float": (lambda anna: signed(anna.signer, arguments=b'{"key":"k","text":1.5}'), BadArguments),
    "a huge integer": (
        lambda anna: signed(anna.signer, arguments=b'{"key":"k","text":99999999999999999999}'),
        BadArguments,
    ),
    "a key twice": (lambda anna: signed(anna.signer, arguments=b'{"key":"k","key":"l"}'), BadArguments),
    "not UTF-8": (lambda anna: signed(anna.signer, arguments=b'{"key":"\xff\xfe"}'), BadArguments),
    "sequence too far": (lambda anna: signed(anna.signer, sequence=1 << 40), SequenceTooFar),
}


@pytest.mark.parametrize("case", AT_THE_DOOR)
def test_bad_input_is_refused_at_the_door(ledger: Ledger, anna: Person, case: str) -> None:
    """It never reaches a block: the height is the same afterwards."""
    make, refusal = AT_THE_DOOR[case]
    height = ledger.facts().height
    with pytest.raises(refusal):
        ledger.submit_signed(make(anna))  # type: ignore[arg-type]
    assert ledger.facts().height == height


def test_a_stranger_is_unknown(ledger: Ledger, node: NodeProcess) -> None:
    """A certified key that is not registered may not submit."""
    with pytest.raises(UnknownSigner):
        ledger.submit_signed(signed(node.network.newcomer_unregistered().signer))


def test_a_used_sequence_number_is_refused(ledger: Ledger, anna: Person) -> None:
    """Another transaction with the same number is a replay."""
    ledger.submit_signed(signed(anna.signer, arguments={"key": "a", "text": "x"}, sequence=900))
    with pytest.raises(SequenceReplayed):
        ledger.submit_signed(signed(anna.signer, arguments={"key": "b", "text": "other"}, sequence=900))


RECORDED: dict[str, tuple[str, object, type[LedgerError]]] = {
    "missing argument": ("put", {"key": "bad"}, BadArguments),
    "unknown argument": ("put", {"key": "bad", "text": "x", "more": 1}, BadArguments),
    "wrong type": ("put", {"key": "bad", "text": 5}, BadArguments),
    "endless loop": ("spin", {}, BudgetExceeded),
    "key with NUL": ("key_with_nul", {}, BadKey),
}


@pytest.mark.parametrize("case", RECORDED)
def test_bad_calls_are_recorded_and_change_nothing(ledger: Ledger, anna: Person, case: str) -> None:
    """They stand in a block with their code; no note was written."""
    function, arguments, refusal = RECORDED[case]
    before = ledger.facts()
    with pytest.raises(refusal) as refused:
        ledger.submit_signed(signed(anna.signer, function, arguments))
    assert refused.value.facts["height"] == before.height + 1
    for key in ("bad", "spin"):
        assert json.loads(ledger.evaluate("notebook", "get", {"key": key}, signer=anna.signer).result) is None
    assert ContractFault.code != refused.value.code


def test_a_query_that_writes_is_refused(ledger: Ledger, anna: Person) -> None:
    """Nothing is written, and no block is made."""
    height = ledger.facts().height
    with pytest.raises(WriteInQuery):
        ledger.evaluate("notebook", "scribble", {}, signer=anna.signer)
    with pytest.raises(WrongFunctionKind):
        ledger.evaluate("notebook", "put", {"key": "a", "text": "b"}, signer=anna.signer)
    assert ledger.facts().height == height


def test_code_that_is_not_deterministic_is_not_installed(ledger: Ledger, node: NodeProcess) -> None:
    """The node refuses it by itself, with line and reason, whatever the author's tools said."""
    import base64

    source = (
        "import random\n"
        "from chaincode.api import Context, Contract, transaction\n\n"
        "class Dice(Contract):\n"
        '    name = "dice"\n'
        '    version = "1.0.0"\n\n'
        "    @transaction\n"
        "    def throw(self, ctx: Context) -> int:\n"
        "        return random.randint(1, 6)\n"
    )
    path = node.network.directory / "dice.py"
    path.write_text(source)
    from ledgernode.execution.sandbox.package import pack

    package = base64.b64encode(pack(path)).decode()
    with pytest.raises(ChaincodeRefused, match=r"dice\.py:1"):
        ledger.submit("lifecycle", "install", {"package": package}, signer=node.network.admin.signer)
