"""Who signs, and what is asked of the ledger: identities with their folders, calls one by one and many at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledgernode.client import LedgerClient, Outcome, ReadLevel, Signed, Signer
from ledgernode.config import SIMULATED_VALIDITY_MS
from ledgernode.errors import ContractRefused, TransactionExpired
from ledgernode.identity.founding import ADMIN, organisation_directory
from ledgernode.identity.identity_files import load_identity
from ledgernode.identity.organisation import identity_directory, new_identity
from ledgernode.identity.records import Role
from ledgernode.identity.tls import load_tls, write_roots
from ledgernode.wire.types import ChainId

BUDGET: Final = 150_000
"""What most calls declare: a block is filled by declared budgets."""
LARGE: Final = 500_000
_REGISTERED_AT_ONCE: Final = 20
_TRIES: Final = 5


class Member:
    """Somebody, or something, with a key and an identity on the ledger."""

    def __init__(self, directory: Path, organisation: str, chain: ChainId, clock_ms: Callable[[], int]) -> None:
        self.name = directory.name
        self.organisation = organisation
        self.directory = directory
        self.key, self.certificate = load_identity(directory)
        self.signer = Signer(self.key, chain_id=chain, validity_ms=SIMULATED_VALIDITY_MS, clock_ms=clock_ms)

    @property
    def id(self) -> str:
        return self.signer.identity.hex()


class Call(NamedTuple):
    """A call somebody makes."""

    who: Member
    contract: str
    function: str
    arguments: dict[str, Any]
    budget: int = BUDGET


class People:
    """Everybody of a network in a folder, and their calls over one connection."""

    def __init__(self, network: Path, ledger: LedgerClient, chain: ChainId, clock_ms: Callable[[], int]) -> None:
        self.network = network
        self.ledger = ledger
        self.clock_ms = clock_ms
        self._chain = chain
        self._known: dict[str, Member] = {}
        self.height = 0

    def member(self, organisation: str, name: str) -> Member:
        """Who has a folder in the organisation."""
        at = f"{organisation}/{name}"
        if at not in self._known:
            home = organisation_directory(self.network, organisation)
            self._known[at] = Member(identity_directory(home, name), organisation, self._chain, self.clock_ms)
        return self._known[at]

    def newcomer(
        self, organisation: str, name: str, role: Role, now_ms: int, *, tls_names: Sequence[str] = ()
    ) -> Member:
        """Someone with certificates, not on the ledger yet."""
        home = organisation_directory(self.network, organisation)
        new_identity(home, name, role, now_ms=now_ms, tls_names=tls_names)
        admin = identity_directory(home, ADMIN)
        write_roots(identity_directory(home, name), load_tls(admin).roots)
        return self.member(organisation, name)

    async def register(self, members: Iterable[Member]) -> None:
        """By the admin of each one's organisation."""
        by_organisation: dict[str, list[str]] = {}
        for one in members:
            by_organisation.setdefault(one.organisation, []).append(one.certificate)
        calls = [
            Call(
                self.member(organisation, ADMIN),
                "identity",
                "register_many",
                {"certificates": chains[start : start + _REGISTERED_AT_ONCE]},
                LARGE,
            )
            for organisation, chains in by_organisation.items()
            for start in range(0, len(chains), _REGISTERED_AT_ONCE)
        ]
        await self.together(calls)

    # ------------------------------------------------------------ calling

    async def attempt(self, call: Call) -> Outcome:
        """What became of it, whether it took effect or not. One that time ran past is signed anew: it had no effect."""
        for left in reversed(range(_TRIES)):
            try:
                outcome = await self.ledger.submit_signed(self._signed(call), raise_refused=False)
            except TransactionExpired:
                if not left:
                    raise
                continue
            self.height = max(self.height, int(outcome.height))
            if outcome.code != TransactionExpired.code or not left:
                return outcome
        raise AssertionError("the last try is answered")

    async def do(self, who: Member, contract: str, function: str, **arguments: Any) -> Any:
        """Its result; raises what it was refused for."""
        call = Call(who, contract, function, arguments, LARGE)
        return _result(await self.attempt(call), call)

    async def together(self, calls: Iterable[Call]) -> list[Any]:
        """Calls that need not wait for one another; their results, in order. Raises what is refused."""
        calls = list(calls)
        signed = [self._signed(call) for call in calls]
        found: dict[bytes, Outcome] = {}
        async for outcome in self.ledger.submit_many(signed):
            found[outcome.transaction_id] = outcome
            self.height = max(self.height, int(outcome.height))
        return [_result(found[one.id], call) for one, call in zip(signed, calls, strict=True)]

    async def two(self, first: Member, second: Member, calls: Iterable[tuple[str, str, dict[str, Any]]]) -> None:
        """Proposed by one of the staff, approved by another."""
        calls = list(calls)
        proposals = await self.together(Call(first, *call) for call in calls)
        await self.together(
            Call(second, call[0], "approve", {"proposal": proposal}, LARGE)
            for call, proposal in zip(calls, proposals, strict=True)
        )

    async def ask(self, who: Member, contract: str, function: str, **arguments: Any) -> Any:
        """A question, answered by a node that has seen all that we know of."""
        answer = await self.ledger.evaluate(
            contract, function, arguments, signer=who.signer, level=ReadLevel.AT_LEAST, height=self.height
        )
        return json.loads(answer.result)

    @staticmethod
    def _signed(call: Call) -> Signed:
        return call.who.signer.transaction(call.contract, call.function, call.arguments, budget=call.budget)


def _result(outcome: Outcome, call: Call) -> Any:
    if not outcome.succeeded:
        said = f"{call.who.name}, {call.contract}.{call.function}: {outcome.code} {outcome.message}"
        raise ContractRefused(said, code=outcome.code, contract=call.contract)
    return json.loads(outcome.result) if outcome.result else None
