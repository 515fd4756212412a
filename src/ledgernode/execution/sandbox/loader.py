"""Makes callable contracts: of a package, checked and rewritten; or of one of the host's own classes.

Loading is not charged to anybody; what the constants of a package may cost is bounded all the same. Every
module gets a namespace of its own whose built-ins are the metered ones; `chaincode.api` is the only module
of the host that it sees. Callers keep what was loaded.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any, Final, get_type_hints

import chaincode.api
from chaincode.api import Marking, Record
from ledgernode import config
from ledgernode.errors import ChaincodeRefused, LedgerError
from ledgernode.execution.sandbox import source
from ledgernode.execution.sandbox.arguments import NO_DEFAULT
from ledgernode.execution.sandbox.checker import load_order, require_deterministic
from ledgernode.execution.sandbox.contract import FunctionSpec, LoadedContract
from ledgernode.execution.sandbox.guards import NAMESPACE
from ledgernode.execution.sandbox.instrument import instrument
from ledgernode.execution.sandbox.meter import LOAD_UNITS, BudgetStop, Meter, taking_the_seat
from ledgernode.execution.sandbox.methods import MODULE_MARK
from ledgernode.execution.sandbox.package import Package, parse_package
from ledgernode.execution.sandbox.typeforms import Annotations
from ledgernode.execution.sandbox.weights import Weights, class_weights

__all__ = ["FunctionSpec", "LoadedContract", "load_package", "native_contract"]

_BOUND_FROM_API: Final = ("Contract", "Creator", "HistoryEntry", "Page", "Record", "Refusal", "query", "transaction")
_API_WEIGHTS: Final = {"Creator": 8, "HistoryEntry": 4, "Page": 4, "Refusal": 4}


def load_package(raw: bytes, folder: Path | None = None) -> LoadedContract:
    """Load a package. Refuses what is no package (BadPackage) or breaks the language (ChaincodeRefused).

    Where its sources lie in a `folder` here, its code says so: debuggers and coverage then find the lines.
    """
    package = parse_package(raw, len(raw))
    loading = _Loading(package, require_deterministic(package), folder)
    loading.run()
    return loading.contract()


def native_contract(cls: type) -> LoadedContract:
    """The same for a class of the host, which is trusted and runs as it stands."""
    functions: list[FunctionSpec] = []
    for name, function in inspect.getmembers(cls, inspect.isfunction):
        marking = getattr(function, "__chaincode__", None)
        if not isinstance(marking, Marking):
            continue
        types = get_type_hints(function)
        arguments = list(inspect.signature(function).parameters.values())[2:]
        defaults = tuple(NO_DEFAULT if item.default is item.empty else item.default for item in arguments)
        functions.append(
            FunctionSpec(
                name=name,
                kind=marking.kind,
                roles=marking.roles,
                items=marking.items,
                doc=inspect.getdoc(function) or "",
                argument_names=tuple(item.name for item in arguments),
                argument_types=tuple(types[item.name] for item in arguments),
                result_type=types.get("return"),
                argument_defaults=defaults,
            )
        )
    version = getattr(cls, "version", "")
    return LoadedContract(str(getattr(cls, "name", "")), str(version), inspect.getdoc(cls) or "", cls, functions)


@lru_cache(config.REWRITTEN_FILES)
def _rewritten(  # noqa: PLR0917  # a cache's key is by position
    file: str, place: str, text: str, classes: tuple[tuple[str, int], ...], imported: tuple[str, ...], largest: int
) -> tuple[CodeType, frozenset[str]]:
    """A checked module's code, metered, and its functions; both depend on nothing but what is passed.

    Packages share most of their modules, as they are: those are rewritten once. `classes` are those that the text may
    mention, `largest` is of all that are known.
    """
    tree = source.read(file, text)  # its own: what is rewritten has lost its types
    nodes = source.walk(tree)
    weights = Weights(dict(classes), tree, nodes, imported, largest=largest)
    return source.compile_tree(place, instrument(tree, nodes, weights)), weights.functions


class _Loading:
    """The work of loading one package."""

    def __init__(self, package: Package, trees: Mapping[str, ast.Module], folder: Path | None) -> None:
        self._package = package
        self._folder = folder
        self._trees = trees
        self._modules: dict[str, dict[str, Any]] = {}
        self._functions: dict[str, frozenset[str]] = {}
        self._classes: dict[str, int] = dict(_API_WEIGHTS)

    def run(self) -> None:
        """Execute the modules, each after those it imports."""
        meter = Meter(LOAD_UNITS)
        with taking_the_seat(meter):
            try:
                for file in load_order(self._trees):
                    self._execute(file)
            except (BudgetStop, Exception) as error:
                raise self._refusal(error, meter) from error

    def contract(self) -> LoadedContract:
        entry = self._trees[self._package.entry]
        declared = source.declared_contract(entry)
        cls = self._modules[self._package.entry][declared.class_name]
        functions: list[FunctionSpec] = []
        for file, node in self._function_nodes(declared.class_name):
            marking = getattr(cls, node.name).__chaincode__
            functions.append(self._spec(file, node, marking, getattr(cls, node.name)))
        return LoadedContract(self._package.name, self._package.version, inspect.getdoc(cls) or "", cls, functions)

    # ------------------------------------------------------------ modules

    def _execute(self, file: str) -> None:
        tree, text = self._trees[file], self._package.files[file]
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        self._classes.update(class_weights(classes, lambda value: isinstance(value, (ast.List, ast.Dict))))
        known = {**self._classes, **self._imported_classes(tree)}
        code, self._functions[file] = _rewritten(
            file,
            f"<{file}>" if self._folder is None else str(self._folder / file),
            text,
            tuple(sorted(item for item in known.items() if item[0] in text)),
            tuple(self._imported_functions(tree)),
            max(known.values(), default=0),
        )
        module: dict[str, Any] = {
            "__builtins__": NAMESPACE,
            "__name__": f"{MODULE_MARK}{self._package.name}/{file.removesuffix('.py')}",
        }
        self._bind_imports(tree, module)
        self._modules[file] = module
        exec(code, module)  # noqa: S102 - this is what a contract runtime does; the code is checked and rewritten
        self._resolve_fields(file)

    def _imported_classes(self, tree: ast.Module) -> dict[str, int]:
        """Weights under the names that this module imports classes by."""
        return {
            alias.asname: self._classes[alias.name]
            for node in source.imports(tree)
            for alias in node.names
            if alias.asname is not None and alias.name in self._classes
        }

    def _imported_functions(self, tree: ast.Module) -> list[str]:
        """What this module calls the functions that it imports from siblings, which have been loaded before it."""
        found: list[str] = []
        for node in source.imports(tree):
            sibling = source.sibling_file(source.module_of(node))
            known = self._functions.get(sibling or "", frozenset())
            found += [alias.asname or alias.name for alias in node.names if alias.name in known]
        return found

    def _bind_imports(self, tree: ast.Module, module: dict[str, Any]) -> None:
        for node in source.imports(tree):
            name = source.module_of(node)
            sibling = source.sibling_file(name)
            for alias in node.names:
                bound = alias.asname or alias.name
                if name == source.API:
                    if alias.name in _BOUND_FROM_API:
                        module[bound] = getattr(chaincode.api, alias.name)
                elif sibling is not None:
                    module[bound] = self._modules[sibling][alias.name]

    def _resolve_fields(self, file: str) -> None:
        """Give the records of a module the types of their fields, read from the source."""
        module = self._modules[file]
        annotations = self._annotations(file)
        for node in self._trees[file].body:
            cls = module.get(node.name) if isinstance(node, ast.ClassDef) else None
            if not isinstance(node, ast.ClassDef) or not isinstance(cls, type) or not issubclass(cls, Record):
                continue
            for part in node.body:
                if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                    cls.__annotations__[part.target.id] = annotations.resolve(part.annotation)

    def _annotations(self, file: str) -> Annotations:
        typing_names = {
            alias.asname or alias.name: alias.name
            for node in source.imports(self._trees[file])
            if source.module_of(node) in source.TYPING_MODULES
            for alias in node.names
        }
        return Annotations(file, {**NAMESPACE, **self._modules[file]}, typing_names)

    # ------------------------------------------------------------ functions

    def _function_nodes(self, class_name: str) -> Sequence[tuple[str, ast.FunctionDef]]:
        """The marked functions of the contract, those of its bases in the package too."""
        found: dict[str, tuple[str, ast.FunctionDef]] = {}
        cls = self._modules[self._package.entry][class_name]
        for base in reversed(cls.__mro__):
            if not base.__module__.startswith(MODULE_MARK):
                continue
            file = base.__module__.rpartition("/")[2] + ".py"
            for node in self._trees[file].body:
                if isinstance(node, ast.ClassDef) and node.name == base.__name__:
                    for part in node.body:
                        if isinstance(part, ast.FunctionDef) and hasattr(
                            getattr(cls, part.name, None), "__chaincode__"
                        ):
                            found[part.name] = (file, part)
        return [found[name] for name in sorted(found)]

    def _spec(self, file: str, node: ast.FunctionDef, marking: Marking, function: Any) -> FunctionSpec:
        annotations = self._annotations(file)
        arguments = node.args.args[2:]
        defaults = (NO_DEFAULT,) * len(arguments) + tuple(function.__defaults__ or ())
        return FunctionSpec(
            name=node.name,
            kind=marking.kind,
            roles=marking.roles,
            items=marking.items,
            doc=ast.get_docstring(node) or "",
            argument_names=tuple(item.arg for item in arguments),
            argument_types=tuple(annotations.resolve(item.annotation) for item in arguments),
            result_type=None if node.returns is None else annotations.resolve(node.returns),
            argument_defaults=defaults[len(defaults) - len(arguments) :],
        )

    def _refusal(self, error: BaseException, meter: Meter) -> BaseException:
        if isinstance(error, (MemoryError, RecursionError, ChaincodeRefused)):
            return error
        if isinstance(error, BudgetStop) or meter.exhausted:
            return ChaincodeRefused("the constants of the package cost more than a package may to be loaded")
        if isinstance(error, LedgerError):
            return ChaincodeRefused(f"the constants of the package cannot be made: {error}")
        return ChaincodeRefused("the package cannot be loaded: making its constants or classes fails")
