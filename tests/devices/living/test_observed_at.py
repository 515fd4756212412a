"""Where the processes of a community are observed."""

from __future__ import annotations

import pytest

from devices.living.play import observed_at


@pytest.mark.parametrize(
    ("first", "places"),
    [
        ("", ["", "", ""]),
        ("127.0.0.1:9464", ["127.0.0.1:9464", "127.0.0.1:9465", "127.0.0.1:9466"]),
        ("127.0.0.1:0", ["127.0.0.1:0"] * 3),
    ],
)
def test_each_process_has_the_next_port(first: str, places: list[str]) -> None:
    """From the one that was named; nowhere where none was."""
    assert observed_at(first, 3) == places
