"""Which code answers to a contract's name: the system's own contracts, or a committed package.

A package is loaded once per process and kept by its hash, so that every ledger and every height that
runs it shares the work; the number kept is bounded. System contracts are part of the software and cannot
be replaced by a package. A name that begins with "_" is the runtime's and never a contract.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from chaincode.api import Contract
from ledgernode import config
from ledgernode.errors import RoleRefused, UnknownContract, UnknownFunction, WrongFunctionKind
from ledgernode.execution.ledger_view import LedgerView
from ledgernode.execution.sandbox.loader import FunctionSpec, LoadedContract, load_package, native_contract
from ledgernode.execution.system.evidence import Evidence
from ledgernode.execution.system.governance import Governance
from ledgernode.execution.system.identity import Identity
from ledgernode.execution.system.lifecycle import Lifecycle
from ledgernode.identity.records import SYSTEM_CONTRACTS

TRANSACTION = "transaction"
QUERY = "query"


class LoadedPackages:
    """Loaded contracts by package hash, the least recently used dropped first."""

    def __init__(self, limit: int = config.LOADED_PACKAGES) -> None:
        self._limit = limit
        self._loaded: OrderedDict[str, LoadedContract] = OrderedDict()
        self._folders: dict[str, Path] = {}
        self._lock = Lock()

    def came_from(self, package_hash: str, folder: Path) -> None:
        """The sources of this package lie in a folder here, for those who debug or measure its code."""
        self._folders[package_hash] = folder

    def get(self, package_hash: str, ledger: LedgerView) -> LoadedContract:
        """The contract of a committed package, loaded when it is not kept."""
        with self._lock:
            found = self._loaded.get(package_hash)
            if found is not None:
                self._loaded.move_to_end(package_hash)
                return found
        loaded = load_package(ledger.package(package_hash), self._folders.get(package_hash))
        with self._lock:
            self._loaded[package_hash] = loaded
            while len(self._loaded) > self._limit:
                self._loaded.popitem(last=False)
        return loaded


_PACKAGES = LoadedPackages()


class Contracts:
    """Finds the code of a contract at a height. `native` contracts come with the software."""

    def __init__(
        self, native: Mapping[str, type[Contract]] | None = None, packages: LoadedPackages = _PACKAGES
    ) -> None:
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
        return self.packages.get(ledger.committed(name).package_hash, ledger)


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
