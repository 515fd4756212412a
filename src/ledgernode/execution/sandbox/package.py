"""A package: the sources of one contract, bundled into bytes that have one form and one hash.

    package  MessagePack map, keys sorted: entry | files {name: source} | format | name | version

`pack` starts at the contract's file and follows its imports of modules beside it. Name and version are
those of the one `Contract` class in the entry file; they are read from the syntax tree, nothing is
imported. Line ends are LF. Reading refuses everything that is not exactly what packing would have made.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

import msgspec

from ledgernode.errors import BadPackage
from ledgernode.execution.sandbox import source
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.transaction import NAME_LIMIT

FORMAT: Final = "ledgernode/package/1"
FILES_LIMIT: Final = 32
VERSION_LIMIT: Final = 32

_TAG: Final = b"ledgernode/package/1\x00"
_VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]*")
_FILE: Final = re.compile(r"[a-z][a-z0-9_]{0,59}\.py")


class Package(msgspec.Struct, frozen=True):
    """One contract's sources. `files` maps file names to text; `entry` is the one with the contract."""

    name: str
    version: str
    entry: str
    files: dict[str, str]


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The package as it is encoded."""

    entry: str
    files: dict[str, str]
    format: str
    name: str
    version: str


_ENCODER: Final = msgspec.msgpack.Encoder(order="sorted")
_DECODER: Final = msgspec.msgpack.Decoder(_Stored)


def pack(entry_path: Path, limit: int = Parameters().package_bytes) -> bytes:
    """Bundle a contract's file and the siblings it imports. Refuses (BadPackage) what cannot be a package."""
    files = _collect(entry_path)
    declared = source.declared_contract(source.parse(entry_path.name, files[entry_path.name]))
    package = Package(declared.name, declared.version, entry_path.name, files)
    raw = _encode(package)
    return _encode(parse_package(raw, limit))


def parse_package(raw: bytes, limit: int = Parameters().package_bytes) -> Package:
    """Read a package. Refuses (BadPackage) what is too large, of another format or not in its one form."""
    if len(raw) > limit:
        raise BadPackage(f"a package has at most {limit} bytes, this one {len(raw)}")
    try:
        stored = _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadPackage("these bytes are no package") from error
    if stored.format != FORMAT:
        raise BadPackage(f"the package is of another format than {FORMAT}")
    package = Package(stored.name, stored.version, stored.entry, stored.files)
    _check_names(package)
    if _encode(package) != raw:
        raise BadPackage("the package is not in its one form: make it again from its sources")
    return package


def package_hash(raw: bytes) -> str:
    """The identity of a package, as hex."""
    return hashlib.sha256(_TAG + raw).hexdigest()


def _encode(package: Package) -> bytes:
    try:
        return _ENCODER.encode(_Stored(package.entry, package.files, FORMAT, package.name, package.version))
    except UnicodeEncodeError as error:
        raise BadPackage("a source holds a lone surrogate, which UTF-8 cannot carry") from error


def _check_names(package: Package) -> None:
    if not package.name.isascii() or not package.name.isidentifier() or len(package.name) > NAME_LIMIT:
        raise BadPackage(f"a contract's name is an identifier of 1 to {NAME_LIMIT} characters")
    if package.name.startswith("_"):
        raise BadPackage("names that begin with an underscore are the ledger's own")
    if len(package.version) > VERSION_LIMIT or not _VERSION.fullmatch(package.version):
        raise BadPackage(f"a version is 1 to {VERSION_LIMIT} letters, digits, '.', '+' and '-', such as 1.0.0")
    if package.entry not in package.files or len(package.files) > FILES_LIMIT:
        raise BadPackage(f"a package holds its entry file, and at most {FILES_LIMIT} files")
    for name, text in package.files.items():
        if not _FILE.fullmatch(name) or name in source.RESERVED_FILES:
            raise BadPackage(
                f"{name[:80]!r} is no name for a file of a package: small letters, digits and '_', then .py"
            )
        if "\x00" in text or "\r" in text:
            raise BadPackage(f"{name} holds NUL or carriage returns: text with LF line ends is packed")


def _collect(entry_path: Path) -> dict[str, str]:
    """The entry's source and, by and by, that of every sibling it imports."""
    files: dict[str, str] = {}
    waiting = [entry_path.name]
    while waiting:
        name = waiting.pop()
        if name in files:
            continue
        files[name] = text = _read(entry_path.parent / name)
        for module in source.imported_modules(source.parse(name, text)):
            sibling = source.sibling_file(module)
            if sibling is not None and (entry_path.parent / sibling).is_file():
                waiting.append(sibling)
        if len(files) > FILES_LIMIT:
            raise BadPackage(f"a package holds at most {FILES_LIMIT} files")
    return files


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadPackage(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadPackage(f"{path} is not UTF-8 text") from error
