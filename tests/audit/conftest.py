"""Every town installs the same ten packages: each is checked and loaded once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import pytest

from ledgernode.execution import contracts
from ledgernode.execution.system import lifecycle


@pytest.fixture(scope="package", autouse=True)
def loaded_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        once = lru_cache(lifecycle.load_package)
        patch.setattr(lifecycle, "load_package", once)
        patch.setattr(contracts, "load_package", once)
        yield
