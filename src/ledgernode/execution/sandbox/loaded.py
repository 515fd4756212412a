"""Loaded packages, kept by their hash: checking and putting together a large one takes a good part of a second.

What a package gives depends on its bytes alone, so every ledger of a process, every height and every part of the
runtime shares it; the number kept is bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final

from ledgernode import config
from ledgernode.execution.sandbox.contract import LoadedContract
from ledgernode.execution.sandbox.loader import load_package


class LoadedPackages:
    """The least recently used is dropped first."""

    def __init__(self, limit: int = config.LOADED_PACKAGES) -> None:
        self._limit = limit
        self._loaded: OrderedDict[str, LoadedContract] = OrderedDict()
        self._folders: dict[str, Path] = {}
        self._lock = Lock()

    def came_from(self, package_hash: str, folder: Path) -> None:
        """The sources of this package lie in a folder here, for those who debug or measure its code."""
        self._folders[package_hash] = folder

    def get(self, package_hash: str, read: Callable[[], bytes]) -> LoadedContract:
        """The contract of the package with this hash, loaded when it is not kept. Refuses as loading does."""
        with self._lock:
            found = self._loaded.get(package_hash)
            if found is not None:
                self._loaded.move_to_end(package_hash)
                return found
        loaded = load_package(read(), self._folders.get(package_hash))
        with self._lock:
            self._loaded[package_hash] = loaded
            while len(self._loaded) > self._limit:
                self._loaded.popitem(last=False)
        return loaded


PACKAGES: Final = LoadedPackages()
"""Of this process."""
