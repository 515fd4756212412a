"""A whole ledger inside one process, for those who write contracts. Nothing of it is pretended.

    ledger = TestLedger()
    alice = ledger.identity("alice", role="customer")
    ledger.deploy("currency.py")
    done = ledger.submit(alice, "currency", "transfer", to=bob.id, amount=5)
    assert ledger.query(alice, "currency", "balance", account=bob.id) == 5
    ledger.advance(hours=1)

Identities have real keys and certificates, transactions real signatures; contracts are packaged, approved
by every organisation and run in the sandbox, and blocks pass the node's own executor. Only the network, the
disk and the clock are left out: the store is in memory unless one is given, a block is cut when the test
says so, and time stands still until the test moves it. Due timers run as the clock moves past them.
"""

from __future__ import annotations

import base64
import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from chaincode.api import Contract
from ledgernode.errors import BudgetExceeded, by_code
from ledgernode.execution.block import Executor
from ledgernode.execution.contracts import Contracts
from ledgernode.execution.genesis import genesis_block
from ledgernode.execution.ledger_view import LedgerView, RecordCache
from ledgernode.execution.query import evaluate
from ledgernode.execution.sandbox.package import pack, package_hash, parse_package
from ledgernode.execution.timers import next_due_ms
from ledgernode.identity.certificates import build_request, create_intermediate, create_root, issue
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.records import IDENTITY, LIFECYCLE, Role
from ledgernode.node.admission import Admission
from ledgernode.store.chain import ChainStore
from ledgernode.store.kv import KeyValueStore
from ledgernode.store.memory import MemoryStore
from ledgernode.wire.block import Batch, header_hash
from ledgernode.wire.genesis import (
    EXECUTION_VERSION,
    FORMAT,
    Genesis,
    GenesisEngine,
    GenesisMember,
    GenesisOrganisation,
    GenesisValidator,
    encode_genesis,
)
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.receipt import Origin, Receipt, parse_receipt
from ledgernode.wire.transaction import NONCE_BYTES, Body, Kind, Nonce, Transaction, encode_body, envelope
from ledgernode.wire.transaction import Sequence as Numbered
from ledgernode.wire.types import Epoch, Height, IdentityId, TimeMs, identity_id
from ledgernode.wire.validators import Certificate, vote_bytes

START_MS: Final = 1_767_225_600_000
"""2026-01-01, 00:00 UTC: every test ledger is founded then, so that tests can name times."""

BLOCKS_A_MOVE: Final = 10_000
"""One move of the clock makes at most so many blocks for due timers."""

_BLOCK_MS: Final = 1


class Member:
    """Someone who signs: a key, and the certificate that an organisation gave it."""

    def __init__(self, key: PrivateKey, certificate: str, *, name: str, organisation: str, role: str) -> None:
        self.key = key
        self.certificate = certificate
        self.name = name
        self.organisation = organisation
        self.role = role
        self.identity: IdentityId = identity_id(key.public_key)

    def __deepcopy__(self, _: dict[int, Any]) -> Member:
        return self

    @property
    def id(self) -> str:
        """What contracts see as `ctx.creator.id`."""
        return self.identity.hex()

    def __repr__(self) -> str:
        return f"Member({self.name!r}, {self.organisation!r}, {self.role!r}, id={self.id[:8]}…)"


class SeenEvent(msgspec.Struct, frozen=True):
    contract: str
    name: str
    payload: dict[str, Any]
    height: Height
    transaction_id: str


class Committed(msgspec.Struct, frozen=True):
    """What became of one transaction, one timer's call or a reward; `receipt` is what the block holds."""

    code: str
    message: str
    result: Any
    events: tuple[SeenEvent, ...]
    height: Height
    transaction_id: str
    receipt: Receipt

    @property
    def succeeded(self) -> bool:
        return self.receipt.succeeded

    @property
    def by_timer(self) -> bool:
        return self.receipt.origin is Origin.TIMER

    def require_success(self) -> Committed:
        """Itself; raises the refusal that its code names (`ContractRefused` for a contract's own)."""
        if self.succeeded:
            return self
        raise by_code(self.code)(self.message, code=self.code, receipt=self.receipt)


class TestLedger:
    """One ledger of some organisations, each with an admin; the first one has the validator."""

    __test__ = False  # not a test case, whatever its name

    def __init__(
        self,
        *,
        organisations: Sequence[str] = ("utility", "regulator", "community"),
        parameters: Parameters | None = None,
        policy: str = "majority",
        engine: GenesisEngine | None = None,
        store: KeyValueStore | None = None,
        execution_version: int = EXECUTION_VERSION,
    ) -> None:
        self._organisations = {name: _Organisation(name) for name in organisations}
        self._validator = self._organisations[organisations[0]].member("validator-1", Role.VALIDATOR)
        self._admins = {name: each.member("admin", Role.ADMIN) for name, each in self._organisations.items()}
        self.genesis_bytes = encode_genesis(
            Genesis(
                format=FORMAT,
                name="test",
                created_ms=TimeMs(START_MS),
                organisations=tuple(self._founder(name) for name in sorted(organisations)),
                engine=engine or GenesisEngine(),
                policy=policy,
                execution_version=execution_version,
                parameters=parameters or Parameters(),
            )
        )
        self._store = MemoryStore() if store is None else store
        self._stand_on(ChainStore.create(self._store, genesis_block(self.genesis_bytes)))
        self._time_ms = START_MS
        self._nonces = 0

    def copy(self) -> TestLedger:
        """Another ledger with the same past and the same people, which goes its own way from here.

        A scene is so founded once, and each test has one of its own: `copy.deepcopy` of an object that holds a ledger
        does the same. Only a ledger in memory is copied.
        """
        assert isinstance(self._store, MemoryStore), "what is on a disk is not copied"
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        twin._store = self._store.copy()
        twin._stand_on(ChainStore.open(twin._store, self.chain.chain_id))
        return twin

    def __deepcopy__(self, _: dict[int, Any]) -> TestLedger:
        return self.copy()

    def _stand_on(self, chain: ChainStore) -> None:
        self.chain = chain
        self._contracts = Contracts()
        self._executor = Executor(chain, self._contracts)
        self._admission = Admission(chain.chain_id, lambda: self.parameters)
        self._read_parameters = Height(-1), Parameters()

    # ------------------------------------------------------------ who

    def admin(self, organisation: str = "") -> Member:
        """The founding admin of an organisation, the first one if none is named."""
        return self._admins[organisation or next(iter(self._admins))]

    @property
    def miner(self) -> Member:
        """The one validator: who finds the blocks that are mined."""
        return self._validator

    def identity(
        self,
        name: str,
        *,
        role: str = "customer",
        organisation: str = "",
        attributes: Mapping[str, str] | None = None,
    ) -> Member:
        """A new member with a new key, certified by its organisation and registered by the organisation's admin."""
        admin = self.admin(organisation)
        member = self._organisations[admin.organisation].member(name, Role(role), attributes, self._time_ms)
        self.submit(admin, IDENTITY, "register", certificate=member.certificate)
        return member

    # ------------------------------------------------------------ what

    def deploy(self, contract: str | Path | bytes | type[Contract], *, folder: Path | None = None) -> str:
        """Install a contract, have every organisation approve it and commit it; its package's hash.

        The contract is a source file, a class of one, or a package (then `folder` may say where its sources
        lie). Its code runs under the names of those files: breakpoints and coverage work as for any module.
        Refuses as the ledger does: a package that is not deterministic raises `ChaincodeRefused` with every
        line and reason.
        """
        path = Path(inspect.getfile(contract)) if isinstance(contract, type) else contract
        raw = path if isinstance(path, bytes) else pack(Path(path))
        name, found = parse_package(raw).name, package_hash(raw)
        if not isinstance(path, bytes):
            folder = Path(path).parent
        if folder is not None:
            self._contracts.packages.came_from(found, folder.resolve())
        first = self.admin()
        self.submit(first, LIFECYCLE, "install", package=base64.b64encode(raw).decode("ascii"))
        for admin in self._admins.values():
            self.submit(admin, LIFECYCLE, "approve", name=name, package_hash=found)
        self.submit(first, LIFECYCLE, "commit", name=name, package_hash=found)
        return found

    def submit(self, signer: Member, contract: str, function: str, /, **arguments: Any) -> Committed:
        """Sign a transaction and cut a block of it; raises the refusal if it was refused."""
        return self.attempt(signer, contract, function, **arguments).require_success()

    def attempt(self, signer: Member, contract: str, function: str, /, **arguments: Any) -> Committed:
        """The same, and the outcome whatever it is."""
        return self.block(self.sign(signer, contract, function, arguments))[-1]

    def query(self, signer: Member, contract: str, function: str, /, **arguments: Any) -> Any:
        """Ask, and get the answer; raises the refusal."""
        return self.query_at(self.height, signer, contract, function, **arguments)

    def query_at(self, height: int, signer: Member, contract: str, function: str, /, **arguments: Any) -> Any:
        """Ask about the state after an earlier block."""
        transaction = self.sign(signer, contract, function, arguments, kind=Kind.QUERY)
        raw, _ = evaluate(self.chain, transaction, height=Height(height), contracts=self._contracts)
        return msgspec.json.decode(raw)

    def sign(
        self,
        signer: Member,
        contract: str,
        function: str,
        arguments: Mapping[str, Any],
        *,
        budget: int = 0,
        sequence: int | None = None,
        valid_for_ms: int = 60_000,
        kind: Kind = Kind.TRANSACTION,
    ) -> Transaction:
        """A signed transaction that is in no block yet; refuses what a node does not let in.

        `budget` is the ledger's limit when it is 0; with a `sequence` number it is signed as a device signs.
        """
        raw = self.signed(
            signer,
            contract,
            function,
            arguments,
            budget=budget,
            sequence=sequence,
            valid_for_ms=valid_for_ms,
            kind=kind,
        )
        return self.admitted(raw, kind)

    def signed(
        self,
        signer: Member,
        contract: str,
        function: str,
        arguments: Mapping[str, Any],
        *,
        budget: int = 0,
        sequence: int | None = None,
        valid_for_ms: int = 60_000,
        kind: Kind = Kind.TRANSACTION,
    ) -> bytes:
        """The same as bytes that no node has looked at yet."""
        self._nonces += 1
        nonce = Nonce(self._nonces.to_bytes(NONCE_BYTES, "big"), TimeMs(self._time_ms + valid_for_ms))
        body = encode_body(
            Body(
                kind=kind,
                chain_id=self.chain.chain_id,
                creator=signer.identity,
                replay=nonce if sequence is None else Numbered(sequence),
                budget=budget or self.parameters.budget,
                contract=contract,
                function=function,
                arguments=msgspec.json.encode(arguments),
            )
        )
        return envelope(signer.key.public_key, signer.key.sign(body), body)

    def admitted(self, raw: bytes, kind: Kind = Kind.TRANSACTION) -> Transaction:
        """What a node makes of an envelope at its door: form, limits and signature; refuses what does not hold."""
        return self._admission.check(raw, kind)

    # ------------------------------------------------------------ blocks and time

    def block(self, *transactions: Transaction, miner: int | None = None) -> tuple[Committed, ...]:
        """Cut one block of these, in this order: what became of due timers first, then of each of them.

        With a `miner` (a position in the validator set) it is a mined one, on a ledger founded with the engine `pow`:
        where that pays rewards, what became of this one's comes before all.
        """
        head = self.chain.head
        self._time_ms = max(self._time_ms, head.time_ms + _BLOCK_MS)
        envelopes = tuple(transaction.raw for transaction in transactions)
        batch = Batch(self._epoch(), Height(head.height + 1), TimeMs(self._time_ms), envelopes, miner)
        sealed = self._executor.execute(batch, transactions)
        header = sealed.header
        vote = vote_bytes(header.chain_id, header.epoch, header.height, header_hash(header))
        certificate = Certificate(((0, self._validator.key.sign(vote)),))
        self.chain.append([sealed], {header.height: certificate})
        return tuple(_committed(raw, header.height) for raw in sealed.receipts)

    def advance(
        self, *, days: int = 0, hours: int = 0, minutes: int = 0, seconds: int = 0, ms: int = 0
    ) -> tuple[Committed, ...]:
        """Move the clock, with a block at each time when a timer is due; what became of the timers."""
        target_ms = self._time_ms + (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000 + ms
        done: list[Committed] = []
        for _ in range(BLOCKS_A_MOVE):
            due_ms = self._next_due_ms()
            at_ms = None if due_ms is None else max(due_ms, self.chain.head.time_ms + _BLOCK_MS)
            if at_ms is None or at_ms > target_ms:
                self._time_ms = target_ms
                return tuple(done)
            self._time_ms = at_ms
            done += self.block()
        raise BudgetExceeded(f"timers asked for more than {BLOCKS_A_MOVE} blocks in one move of the clock")

    @property
    def time_ms(self) -> int:
        return self._time_ms

    @property
    def height(self) -> Height:
        return self.chain.head.height

    @property
    def parameters(self) -> Parameters:
        """What holds for the next block; read once a block, as a node does."""
        head = self.chain.head
        height, parameters = self._read_parameters
        if height != head.height:
            with self.chain.state() as state:
                view = LedgerView(state, RecordCache(), Height(head.height + 1), TimeMs(head.time_ms + 1))
            parameters = view.parameters
            self._read_parameters = head.height, parameters
        return parameters

    def events(self, contract: str = "", name: str = "") -> tuple[SeenEvent, ...]:
        """Every event since genesis, of one contract or name if that is given."""
        return tuple(
            event
            for event in self._all_events()
            if (not contract or event.contract == contract) and (not name or event.name == name)
        )

    # ------------------------------------------------------------ inside

    def _founder(self, name: str) -> GenesisOrganisation:
        endpoint = GenesisValidator(self._validator.certificate, "localhost:7000")
        return GenesisOrganisation(
            name=name,
            roots=(self._organisations[name].root.certificate,),
            admins=(GenesisMember(self._admins[name].certificate),),
            validators=(endpoint,) if name == self._validator.organisation else (),
        )

    def _all_events(self) -> Iterator[SeenEvent]:
        for height in range(1, self.height + 1):
            for raw in self.chain.receipts(Height(height)):
                yield from _committed(raw, Height(height)).events

    def _next_due_ms(self) -> TimeMs | None:
        with self.chain.state() as state:
            return next_due_ms(state)

    def _epoch(self) -> Epoch:
        return self.chain.validator_set(self.chain.head.next_set).epoch


class _Organisation:
    """An organisation's authorities."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.root = create_root(name, now_ms=START_MS)
        self._issuing = create_intermediate(self.root, now_ms=START_MS)

    def member(
        self, name: str, role: Role, attributes: Mapping[str, str] | None = None, now_ms: int = START_MS
    ) -> Member:
        key = PrivateKey.generate()
        request = build_request(key, organisation=self.name, role=role, name=name, attributes=attributes)
        certificate = issue(request, self._issuing, now_ms=now_ms)
        return Member(key, certificate, name=name, organisation=self.name, role=role.value)


def _committed(raw: bytes, height: Height) -> Committed:
    receipt = parse_receipt(raw)
    transaction_id = receipt.id.hex()
    events = tuple(
        SeenEvent(event.contract, event.name, msgspec.json.decode(event.payload), height, transaction_id)
        for event in receipt.events
    )
    result = msgspec.json.decode(receipt.result) if receipt.result else None
    return Committed(receipt.code, receipt.message, result, events, height, transaction_id, receipt)
