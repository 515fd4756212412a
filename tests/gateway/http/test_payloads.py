"""What devices send, in whole numbers of the ledger's units; what cannot be is refused before it counts."""

from __future__ import annotations

import json

import pytest

from gateway.edge.observed import Observed
from gateway.http.payloads import envelopes_of, observed, read_form
from gateway.limits import Limits
from ledgernode.errors import BadRequest, ReadingInvalid

NOW_MS = 1_767_225_600_000
LIMITS = Limits()


def seen(*readings: object) -> list[Observed]:
    return observed(read_form(json.dumps({"readings": readings}).encode()).readings, NOW_MS, LIMITS)


def test_decimals_become_exact_numbers() -> None:
    """514.153 kWh is not a hair less, phases are told apart beside the register and added in it."""
    [one] = seen({"unit": "kWh", "import": 514.153, "export": "0.001", "voltage_v": [230.1, 229, 231.5], "power_w": -3})
    assert (one.import_mwh, one.export_mwh, one.time_ms) == (514_153_000, 1_000, None)
    assert one.values == {
        "voltage_l1_mv": 230_100, "voltage_l2_mv": 229_000, "voltage_l3_mv": 231_500, "power_mw": -3_000,
    }  # fmt: skip
    assert seen({"unit": "Wh", "import": [1, 2, 3]})[0].import_mwh == 6_000
    times = [{"unit": "Wh", "import": at, "time": f"2025-12-31T23:5{at}:00Z"} for at in range(3)]
    assert [one.time_ms for one in seen(*times)] == [NOW_MS - 600_000 + at * 60_000 for at in range(3)]
    assert seen({"unit": "MWh", "import": 1, "time": NOW_MS // 1_000})[0] == Observed("", 10**9, None, NOW_MS)


@pytest.mark.parametrize(
    "reading",
    [
        {"unit": "kW", "import": 1},
        {"unit": "kWh"},
        {"import": 1},
        {"unit": "kWh", "import": -1},
        {"unit": "kWh", "import": "NaN"},
        {"unit": "kWh", "import": "Infinity"},
        {"unit": "kWh", "import": "1e999999999"},
        {"unit": "kWh", "import": 10**12},
        {"unit": "kWh", "import": True},
        {"unit": "kWh", "import": [1, 2, 3, 4]},
        {"unit": "kWh", "import": []},
        {"unit": "kWh", "import": 1, "imports": 2},
        {"unit": "kWh", "import": 1, "voltage_mv": 230_000},
        {"unit": "kWh", "import": 1, "voltage_v": 10**7},
        {"unit": "kWh", "import": 1, "power_factor": 1.1},
        {"unit": "kWh", "import": 1, "current_a": "nan"},
        {"unit": "kWh", "import": 1, "time": "2025-12-31T23:00:00"},
        {"unit": "kWh", "import": 1, "time": "1970-01-01T00:00:00Z"},
        {"unit": "kWh", "import": 1, "time": "2031-01-01T00:00:00Z"},
        {"unit": "kWh", "import": 1, "time": "2021-01-01T00:00:00Z"},
        {"unit": "kWh", "import": 1, "time": 10**30},
        {"unit": "kWh", "import": 1, "time": "yesterday"},
    ],
)
def test_what_cannot_be_is_refused(reading: dict[str, object]) -> None:
    """And nothing of the request counts: the good ones before it neither."""
    good = {"unit": "kWh", "import": 1, "time": NOW_MS - 1_000}
    with pytest.raises(ReadingInvalid):
        seen(reading)
    with pytest.raises(ReadingInvalid, match=r"reading 2|what a device sends|later than"):
        seen(good, {"time": NOW_MS, **reading})


@pytest.mark.parametrize("body", [b"", b"[]", b'{"readings": NaN}', b"\xff", b'{"readings": [' + b"[" * 9_999, b"{}x"])
def test_garbage_is_no_reading(body: bytes) -> None:
    with pytest.raises(ReadingInvalid):
        read_form(body)


def test_several_readings_are_in_order() -> None:
    alike = {"unit": "kWh", "import": 1}
    for times in ((NOW_MS, NOW_MS), (NOW_MS, NOW_MS - 1)):
        with pytest.raises(ReadingInvalid):
            seen(*({**alike, "time": time_ms} for time_ms in times))
    with pytest.raises(ReadingInvalid):
        seen(alike, alike)
    with pytest.raises(ReadingInvalid):
        seen(*([alike] * 101))
    with pytest.raises(ReadingInvalid):
        seen()


def test_envelopes_are_base64() -> None:
    assert envelopes_of(read_form(b'{"envelopes": ["AAEC"]}'), LIMITS) == [b"\x00\x01\x02"]
    for body in (b'{"envelopes": ["AAEC!"]}', b'{"envelopes": []}'):
        with pytest.raises(BadRequest):
            envelopes_of(read_form(body), LIMITS)
