"""Which code answers to a contract's name: the system's own contracts, or a committed package.

Packages are loaded once per process (`sandbox.loaded`). System contracts are part of the software and cannot
be replaced by a package. A name that begins with "_" is the runtime's and never a contract.
"""

from __future__ import annotations

from collections.abc import Mapping

from chaincode.api import Contract
from ledgernode.errors import RoleRefused, UnknownContract, UnknownFunction, WrongFunctionKind
from ledgernode.execution.ledger_view import LedgerView
from ledgernode.execution.sandbox.loaded import PACKAGES, LoadedPackages
from ledgernode.execution.sandbox.loader import FunctionSpec, LoadedContract, native_contract
from ledgernode.execution.system.evidence import Evidence
from ledgernode.execution.system.governance import Governance
from ledgernode.execution.system.identity import Identity
from ledgernode.execution.system.lifecycle import Lifecycle
from ledgernode.identity.records import SYSTEM_CONTRACTS

TRANSACTION = "transaction"
QUERY = "query"


class Contracts:
    """Finds the code of a contract at a height. `native` contracts come with the software."""

    def __init__(self, native: Mapping[str, type[Contract]] | None = None, packages: LoadedPackages = PACKAGES) -> None:
        classes = system_contracts() if native is None else native
        self._native = {name: native_contract(classes[name]) for name in sorted(classes)}
        self.packages = packages

    def resolve(self, name: str, ledger: LedgerView) -> LoadedContract:
        """Refuses a name under which nothing is committed at the height of this view."""
        found = self._native.get(name)
        if found is not None:
            return found
        if name.startswith("_"):
            raise UnknownContract(f"{name} is no name of a contract")
        package_hash = ledger.committed(name).package_hash
        return self.packages.get(package_hash, lambda: ledger.package(package_hash))


def system_contracts() -> dict[str, type[Contract]]:
    """The contracts that govern the ledger, by the names they are reached under."""
    classes: dict[str, type[Contract]] = {cls.name: cls for cls in (Evidence, Governance, Identity, Lifecycle)}
    assert tuple(sorted(classes)) == SYSTEM_CONTRACTS, "every system contract is reached under its own name"
    return classes


def callable_function(contract: LoadedContract, function: str, kinds: tuple[str, ...], role: str) -> FunctionSpec:
    """The function's description. Refuses an unknown one, one of another kind, and a role it does not take."""
    spec = contract.functions.get(function)
    if spec is None:
        raise UnknownFunction(f"contract {contract.name} has no function {function}")
    if spec.kind not in kinds:
        raise WrongFunctionKind(f"{contract.name}.{function} is a {spec.kind}, not a {' or '.join(kinds)}")
    if spec.roles and role not in spec.roles:
        raise RoleRefused(f"{contract.name}.{function} is for {', '.join(spec.roles)}, not for {role}")
    return spec
