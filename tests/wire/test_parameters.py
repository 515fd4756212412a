"""The ledger's numbers: in range, and able to live together."""

from __future__ import annotations

import msgspec
import pytest

from ledgernode.errors import BadParameters
from ledgernode.wire.parameters import LIMITS, Parameters, check_parameters


def test_the_defaults_make_a_ledger() -> None:
    """And every number has its limits."""
    check_parameters(Parameters())
    assert set(LIMITS) == set(Parameters.__struct_fields__)


@pytest.mark.parametrize("name", sorted(LIMITS))
@pytest.mark.parametrize("side", [0, 1])
def test_a_number_out_of_range_is_refused_by_name(name: str, side: int) -> None:
    """Below the lowest and above the highest."""
    number = LIMITS[name][side] + (-1, 1)[side]
    with pytest.raises(BadParameters, match=f"^{name} is {number}"):
        check_parameters(msgspec.structs.replace(Parameters(), **{name: number}))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"body_bytes": 2**20, "block_bytes": 2**19}, "fits no block"),
        ({"budget": 2_000_000, "block_budget": 1_000_000}, "fits no block"),
        ({"package_bytes": 300 * 1024}, "travels in a body"),
        ({"package_bytes": 300 * 1024, "body_bytes": 2**20}, "shown as a result"),
        ({"package_bytes": 300 * 1024, "body_bytes": 2**20, "result_bytes": 2**20, "value_bytes": 2**18}, "one value"),
        ({"block_budget": 5_000_001}, "quarter of view_timeout_ms"),
    ],
)
def test_numbers_that_cannot_live_together_are_refused(changes: dict[str, int], reason: str) -> None:
    """Each may be in range by itself."""
    with pytest.raises(BadParameters, match=reason):
        check_parameters(msgspec.structs.replace(Parameters(), **changes))


@pytest.mark.parametrize("raw", [b'{"budget":0}', b'{"budget":4294967296}', b'{"events":-1}', b'{"unknown":1}'])
def test_what_the_formats_cannot_hold_is_refused_when_read(raw: bytes) -> None:
    """A declared budget has four bytes; no number is zero."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(raw, type=Parameters)
