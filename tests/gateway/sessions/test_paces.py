"""How fast somebody may ask."""

from __future__ import annotations

import pytest

from gateway.sessions import paces
from gateway.sessions.paces import Paces
from ledgernode.errors import RateLimited


def test_each_name_has_a_pace_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many at once, one more after each refill; who has been away for long is forgotten, not held to it."""
    monkeypatch.setattr(paces, "_KEPT", 2)
    now_ms = 0
    found = Paces("this person asks", 2, 100, lambda: now_ms)
    found.require("anna")
    found.require("anna")
    with pytest.raises(RateLimited) as refused:
        found.require("anna")
    assert refused.value.facts["retry_ms"] == 100
    found.require("otto")
    now_ms = 100
    found.require("anna")
    with pytest.raises(RateLimited):
        found.require("anna")
    now_ms = 1_000
    found.require("ida")
    found.require("anna")
