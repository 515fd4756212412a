"""Where two programs meet, and who is told to upgrade where they cannot."""

from __future__ import annotations

import pytest

from ledgernode.errors import ProtocolUnsupported
from ledgernode.wire import versions
from ledgernode.wire.protocol import BEFORE, Spoken, agent, common, named, of_agent, ours


def speak(monkeypatch: pytest.MonkeyPatch, oldest: int, newest: int) -> None:
    monkeypatch.setattr(versions, "PROTOCOL_OLDEST", oldest)
    monkeypatch.setattr(versions, "PROTOCOL_NEWEST", newest)


@pytest.mark.parametrize(
    ("mine", "theirs", "used"),
    [
        ((1, 2), (1, 2), 2),
        ((1, 2), (1, 1), 1),
        ((1, 1), (1, 9), 1),
        ((2, 4), (3, 7), 4),
        ((3, 7), (2, 4), 4),
        ((2, 2), (1, 2), 2),
    ],
)
def test_the_lower_of_the_two_newest_is_used(
    monkeypatch: pytest.MonkeyPatch, mine: tuple[int, int], theirs: tuple[int, int], used: int
) -> None:
    """Both sides compute the same, from the two ranges."""
    speak(monkeypatch, *mine)
    assert common(Spoken(*theirs), "the peer") == used
    speak(monkeypatch, *theirs)
    assert common(Spoken(*mine), "the peer") == used


@pytest.mark.parametrize(
    ("mine", "theirs", "older"),
    [((3, 4), (1, 2), "the peer"), ((1, 2), (3, 4), "this side"), ((2, 2), (1, 1), "the peer")],
)
def test_without_a_common_one_the_older_side_is_named(
    monkeypatch: pytest.MonkeyPatch, mine: tuple[int, int], theirs: tuple[int, int], older: str
) -> None:
    """By its range, and as the one to be upgraded."""
    speak(monkeypatch, *mine)
    with pytest.raises(ProtocolUnsupported, match=f"speaks protocol {Spoken(*theirs)}, .*: upgrade {older}$"):
        common(Spoken(*theirs), "the peer")


def test_a_connection_names_the_range() -> None:
    """Among whatever gRPC says beside it; who says nothing of the kind is of the time before."""
    assert of_agent(f"grpc-python-asyncio/1.70.0 grpc-c/45.0.0 (linux; chttp2) {agent()}") == ours()
    assert of_agent("ledgernode/9.9 protocol/3-12") == (3, 12)
    for text in ("", "grpc-go/1.60", "protocol/1", "protocol/a-b", "protocol/-1-2", "xprotocol/1-2x"):
        assert of_agent(text) == BEFORE
    assert (named(0, 0), named(2, 5)) == (BEFORE, Spoken(2, 5))
