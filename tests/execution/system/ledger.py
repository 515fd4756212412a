"""A ledger in memory, driven block by block: real certificates, genesis, executor and store.

Every call is a transaction in a block of its own; what is refused is raised by its code.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import count
from typing import Any, NamedTuple

import msgspec

from ledgernode.errors import by_code
from ledgernode.execution.block import Executor
from ledgernode.execution.genesis import genesis_block
from ledgernode.execution.query import evaluate
from ledgernode.identity.authority import CertificateAuthority, build_request, create_intermediate, create_root, issue
from ledgernode.identity.genesis_rules import check_genesis
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.records import Role
from ledgernode.store.chain import ChainStore
from ledgernode.store.memory import MemoryStore
from ledgernode.wire.block import Batch
from ledgernode.wire.genesis import (
    FORMAT,
    Genesis,
    GenesisEngine,
    GenesisMember,
    GenesisOrganisation,
    GenesisValidator,
    chain_id,
    encode_genesis,
)
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.receipt import Origin, Receipt, parse_receipt
from ledgernode.wire.transaction import Body, Kind, Nonce, encode_body, envelope, parse_transaction
from ledgernode.wire.types import Height, IdentityId, TimeMs, identity_id

START_MS = 1_767_225_600_000
DAY_MS = 86_400_000
NAMES = ("alpha", "beta", "delta", "gamma")


class Person(NamedTuple):
    """Someone with a key and the certificate for it."""

    key: PrivateKey
    id: str
    organisation: str
    certificate: str


class House:
    """An organisation's authorities, its first admin and its first validator."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._numbers = count(1)
        self.root = create_root(name, now_ms=START_MS)
        self.issuing = create_intermediate(self.root, now_ms=START_MS)
        self.admin = self.person(Role.ADMIN)
        self.validator = self.person(Role.VALIDATOR)

    def person(
        self,
        role: Role,
        *,
        at_ms: int = START_MS,
        days: int = 365,
        attributes: dict[str, str] | None = None,
        issuing: CertificateAuthority | None = None,
        key: PrivateKey | None = None,
    ) -> Person:
        key = key or PrivateKey.generate()
        authority = issuing or self.issuing
        name = f"{role}-{next(self._numbers)}"
        request = build_request(key, organisation=authority.organisation, role=role, name=name, attributes=attributes)
        certificate = issue(request, authority, now_ms=at_ms, days=days)
        return Person(key, identity_id(key.public_key).hex(), self.name, certificate)

    def founder(self, endpoint: str, *, validates: bool) -> GenesisOrganisation:
        seats = (GenesisValidator(self.validator.certificate, endpoint),) if validates else ()
        return GenesisOrganisation(self.name, (self.root.certificate,), (GenesisMember(self.admin.certificate),), seats)


@cache
def house(name: str) -> House:
    """The same organisation for every test: making keys is all that costs time here."""
    return House(name)


def genesis_of(names: Sequence[str], *, engine: str, policy: str, parameters: Parameters) -> Genesis:
    return Genesis(
        format=FORMAT,
        name="grid",
        created_ms=TimeMs(START_MS),
        organisations=tuple(
            house(name).founder(f"{name}.example:7051", validates=engine != "solo" or not number)
            for number, name in enumerate(names)
        ),
        engine=GenesisEngine(engine),
        policy=policy,
        parameters=parameters,
    )


class Ledger:
    def __init__(
        self,
        names: Sequence[str] = NAMES,
        *,
        engine: str = "pbft",
        policy: str = "majority",
        parameters: Parameters | None = None,
    ) -> None:
        raw = encode_genesis(
            genesis_of(names, engine=engine, policy=policy, parameters=parameters or Parameters(set_change_window=3))
        )
        check_genesis(raw)
        self.chain_id = chain_id(raw)
        self.chain = ChainStore.create(MemoryStore(), genesis_block(raw))
        self.executor = Executor(self.chain)
        self.time_ms = START_MS
        self.epoch = 0
        self.receipts: list[Receipt] = []
        self._nonce = 0

    @property
    def height(self) -> int:
        return self.chain.head.height

    @property
    def events(self) -> dict[str, Any]:
        """The last block's events by name."""
        found = [event for receipt in self.receipts for event in receipt.events]
        return {event.name: msgspec.json.decode(event.payload) for event in found}

    def call(self, who: Person, contract: str, function: str, /, **arguments: Any) -> Any:
        """Submit one transaction in a block of its own; the result, or the refusal raised."""
        self.block([self._signed(who, Kind.TRANSACTION, contract, function, arguments)])
        (receipt,) = (receipt for receipt in self.receipts if receipt.origin is Origin.TRANSACTION)
        if not receipt.succeeded:
            raise by_code(receipt.code)(f"{receipt.code}: {receipt.message}")
        return msgspec.json.decode(receipt.result)

    def ask(self, contract: str, function: str, /, **arguments: Any) -> Any:
        """Evaluate a query on the state as it stands."""
        raw = self._signed(house(NAMES[0]).admin, Kind.QUERY, contract, function, arguments)
        result, _ = evaluate(self.chain, parse_transaction(raw), height=None)
        return msgspec.json.decode(result)

    def block(self, envelopes: Sequence[bytes] = (), *, after_ms: int = 1_000) -> None:
        """Execute and save the next block."""
        self.time_ms += after_ms
        batch = Batch(self.epoch, Height(self.height + 1), TimeMs(self.time_ms), tuple(envelopes))
        sealed = self.executor.execute(batch, [parse_transaction(raw) for raw in envelopes])
        self.chain.append([sealed])
        self.epoch = sealed.next_set.epoch
        self.receipts = [parse_receipt(raw) for raw in sealed.receipts]

    def blocks(self, count: int) -> None:
        for _ in range(count):
            self.block()

    def _signed(self, who: Person, kind: Kind, contract: str, function: str, arguments: dict[str, Any]) -> bytes:
        self._nonce += 1
        body = encode_body(
            Body(
                kind=kind,
                chain_id=self.chain_id,
                creator=IdentityId(bytes.fromhex(who.id)),
                replay=Nonce(self._nonce.to_bytes(16, "big"), TimeMs(self.time_ms + 60_000)),
                budget=500_000,
                contract=contract,
                function=function,
                arguments=msgspec.json.encode(arguments),
            )
        )
        return envelope(who.key.public_key, who.key.sign(body), body)


def admin(name: str) -> Person:
    return house(name).admin
