"""Real payloads of real devices, to the last mWh; and garbage, which is refused and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.formats import Formats
from gateway.edge.observed import LARGEST, Observed, moment
from ledgernode.errors import ReadingInvalid

KWH = 1_000_000
TASMOTA = b"""{"Time":"2023-05-19T20:52:56","ENERGY":{"TotalStartTime":"2022-01-01T00:00:00","Total":514.153,
"Yesterday":3.2,"Today":1.8,"Power":56,"ApparentPower":70,"ReactivePower":42,"Factor":0.8,"Voltage":234,"Current":0.299}}"""
THREE_PHASES = b"""{"Time":"2023-05-19T20:52:56","ENERGY":{"Total":[1.5,2.25,0.001],"Power":[10,20,-3],"Voltage":230,
"ExportActive":12.5}}"""
NOTIFY = b"""{"src":"shellypro3em-aa","dst":"x/events","method":"NotifyStatus","params":{"ts":1684522376.04,
"em1data:0":{"id":0,"total_act_energy":2776175.11,"total_act_ret_energy":571584.87},"em1:0":{"id":0,"act_power":-3.2}}}"""
SWITCH = b"""{"id":0,"source":"init","output":true,"apower":8.9,"voltage":237.5,"current":0.128,
"aenergy":{"total":6.532,"by_minute":[45.199,47.141,88.397],"minute_ts":1626935779}}"""
ZIGBEE = b"""{"energy":31.02,"power":0,"voltage":236.19,"current":0,"state":"ON","linkquality":90,
"last_seen":"2023-05-19T22:52:56+02:00"}"""
AT_MS = 1_684_529_576_000


@pytest.mark.parametrize(
    ("topic", "payload", "expected"),
    [
        (
            "tele/plug/SENSOR",
            TASMOTA,
            Observed(
                "tele/plug",
                514_153_000,
                values={
                    "voltage_mv": 234_000,
                    "current_ma": 299,
                    "power_mw": 56_000,
                    "reactive_mvar": 42_000,
                    "power_factor_milli": 800,
                },
            ),
        ),
        (
            "tele/house/SENSOR",
            THREE_PHASES,
            Observed(
                "tele/house",
                3_751_000,
                12_500_000,
                values={"voltage_mv": 230_000, "power_l1_mw": 10_000, "power_l2_mw": 20_000, "power_l3_mw": -3_000},
            ),
        ),
        ("3em/events/rpc", NOTIFY, Observed("3em/em1data:0", 2_776_175_110, 571_584_870, 1_684_522_376_040)),
        (
            "plug-7/status/switch:0",
            SWITCH,
            Observed("plug-7/switch:0", 6_532, values={"voltage_mv": 237_500, "current_ma": 128, "power_mw": 8_900}),
        ),
        ("shellies/s1/relay/0/energy", b"60000", Observed("shellies/s1/relay/0", 1 * KWH)),
        ("shellies/s1/relay/0/energy", b"1", Observed("shellies/s1/relay/0", 17)),
        ("shellies/em/emeter/0/total_returned", b"12.5", Observed("shellies/em/emeter/0", None, 12_500)),
        (
            "zigbee2mqtt/living room/plug 1",
            ZIGBEE,
            Observed(
                "zigbee2mqtt/living room/plug 1",
                31_020_000,
                None,
                1_684_529_576_000,
                {"voltage_mv": 236_190, "current_ma": 0, "power_mw": 0},
            ),
        ),
    ],
)
def test_a_payload_is_read_exactly(topic: str, payload: bytes, expected: Observed) -> None:
    assert Formats().read(topic, payload) == [expected]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("tele/plug/LWT", b"Online"),
        ("tele/plug/SENSOR", b'{"Time":"2023-05-19T20:52:56","AM2301":{"Temperature":20.1}}'),
        ("3em/events/rpc", b'{"method":"NotifyEvent","params":{"ts":1,"em1data:0":{"total_act_energy":1}}}'),
        ("3em/events/rpc", b'{"method":"NotifyStatus","params":{"ts":1684522376,"switch:0":{"apower":9.1}}}'),
        ("3em/status/wifi", b"garbage"),
        ("shellies/s1/relay/0/power", b"12.3"),
        ("shellies/s1/online", b"true"),
        ("zigbee2mqtt/bridge/state", b"online"),
        ("zigbee2mqtt/plug/availability", b"online"),
        ("zigbee2mqtt/plug", b'{"linkquality":12}'),
        ("unheard/of", b"anything"),
    ],
)
def test_what_tells_nothing_of_a_register_is_no_reading_and_no_error(topic: str, payload: bytes) -> None:
    assert Formats().read(topic, payload) == []


@pytest.mark.parametrize(
    "total", ["NaN", "Infinity", "-Infinity", "-1", '"a lot"', "true", "null", "{}", "[]", "[1,2,3,4]", "1e400", "1e12"]
)
def test_what_is_no_register_is_refused(total: str) -> None:
    with pytest.raises(ReadingInvalid):
        Formats().read("tele/plug/SENSOR", b'{"ENERGY":{"Total":' + total.encode() + b"}}")


def test_a_broken_sensor_does_not_stop_the_register() -> None:
    (found,) = Formats().read("zigbee2mqtt/plug", b'{"energy":1,"voltage":"broken","power":null,"current":1e99}')
    assert found == Observed("zigbee2mqtt/plug", 1 * KWH)


# ---------------------------------------------------------------- discovery and bare numbers


def config(**fields: object) -> bytes:
    return json.dumps({"dev_cla": "energy", "stat_cla": "total_increasing", "unit_of_meas": "kWh", **fields}).encode()


def test_a_device_that_describes_itself_becomes_readable() -> None:
    formats = Formats()
    topic = "homeassistant/sensor/plug/energy/config"
    assert formats.read("plug/sensor/energy/state", b"1.5") == []
    formats.read(topic, config(stat_t="plug/sensor/energy/state", name="Energy"))
    assert formats.read("plug/sensor/energy/state", b"1.5") == [Observed("plug/sensor/energy/state", 1_500_000)]
    formats.read(topic, b"")
    assert formats.read("plug/sensor/energy/state", b"1.5") == []


def test_a_path_in_a_template_is_followed() -> None:
    formats = Formats()
    for number, (template, payload) in enumerate(
        [
            ("{{ value_json.ENERGY.Total | float }}", b'{"ENERGY":{"Total":2}}'),
            ("{{ value_json['energy']['a b'] | float(0) }}", b'{"energy":{"a b":"2.0"}}'),
            ("{{value_json.phases[1]}}", b'{"phases":[1,2]}'),
        ]
    ):
        state = f"s/{number}"
        formats.read(
            f"homeassistant/sensor/n/{number}/config", config(stat_t=state, val_tpl=template, unit_of_meas="Wh")
        )
        assert formats.read(state, payload) == [Observed(state, 2_000)]
        with pytest.raises(ReadingInvalid):
            formats.read(state, b'{"other":1}')


def test_export_is_told_by_name_and_abbreviations_by_their_base() -> None:
    formats = Formats()
    formats.read(
        "homeassistant/sensor/n/x/config", config(**{"~": "inv", "stat_t": "~/out", "name": "Energy exported"})
    )
    assert formats.read("inv/out", b"1") == [Observed("inv/out", export_mwh=KWH)]


@pytest.mark.parametrize(
    "fields",
    [
        {"stat_t": "t", "unit_of_meas": "kW"},
        {"stat_t": "t", "unit_of_meas": 7},
        {"stat_t": "a/#"},
        {"stat_t": ""},
        {"stat_t": "t", "val_tpl": "{% for x in range(9999999) %}{% endfor %}"},
        {"stat_t": "t", "val_tpl": "{{ states('sensor.other') }}"},
        {},
    ],
)
def test_a_configuration_that_cannot_be_trusted_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ReadingInvalid):
        Formats().read("homeassistant/sensor/n/x/config", config(**fields))


def test_power_is_no_register() -> None:
    formats = Formats()
    formats.read("homeassistant/sensor/n/x/config", config(stat_t="t", dev_cla="power", unit_of_meas="W"))
    assert formats.read("t", b"1") == []


def test_a_stated_unit_makes_a_bare_number_a_register() -> None:
    formats = Formats({"node/sensor/total/state": "Wh"})
    assert formats.read("node/sensor/total/state", b"12345.6") == [Observed("node/sensor/total/state", 12_345_600)]
    with pytest.raises(ReadingInvalid):
        Formats({"t": "W"})


# ---------------------------------------------------------------- times


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2023-05-19T20:52:56", None),  # whose zone? twice the same in autumn
        ("1970-01-01T00:01:00Z", None),  # a clock that was never set
        ("2023-05-19T22:52:56+02:00", AT_MS),
        ("2023-05-19T20:52:56Z", AT_MS),
        (1_684_529_576, AT_MS),
        (1_684_529_576_000, AT_MS),
        (True, None),
        ("yesterday", None),
        (None, None),
        ([], None),
    ],
)
def test_a_time_counts_only_with_its_zone(said: object, expected: int | None) -> None:
    assert moment(said) == expected


# ---------------------------------------------------------------- garbage

TOPICS = st.sampled_from(
    [
        "tele/p/SENSOR",
        "d/events/rpc",
        "d/status/em1data:0",
        "d/status/switch:0",
        "shellies/d/relay/0/energy",
        "shellies/d/emeter/1/total",
        "zigbee2mqtt/a b",
        "homeassistant/sensor/n/x/config",
        "bare",
    ]
)
NAMES = st.sampled_from(
    ["ENERGY", "Total", "Power", "method", "params", "ts", "em1data:0", "switch:0", "total_act_energy", "aenergy"]
) | st.sampled_from(["total", "energy", "voltage", "last_seen", "stat_t", "val_tpl", "dev_cla", "stat_cla", "~", "x"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["NotifyStatus", "energy", "total", "kWh", "2023-05-19T22:52:56+02:00", "9" * 30]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=25,
)


def judged(formats: Formats, topic: str, payload: bytes) -> None:
    try:
        found = formats.read(topic, payload)
    except ReadingInvalid:
        return
    for one in found:
        for register in (one.import_mwh, one.export_mwh):
            assert register is None or 0 <= register <= LARGEST
        assert all(isinstance(value, int) and abs(value) <= LARGEST for value in one.values.values())


@given(TOPICS, st.binary(max_size=200))
def test_no_bytes_do_any_harm(topic: str, payload: bytes) -> None:
    judged(Formats({"bare": "kWh"}), topic, payload)


@given(TOPICS, VALUES)
def test_no_json_does_any_harm(topic: str, value: object) -> None:
    formats = Formats({"bare": "kWh"})
    formats.read(
        "homeassistant/sensor/n/y/config", config(stat_t="d/status/switch:0", val_tpl="{{ value_json.a.b[1] }}")
    )
    judged(formats, topic, json.dumps(value).encode())


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 60_000,
        b'{"ENERGY":{"Total":' + b"9" * 5_000 + b"}}",
        b'{"ENERGY":{"Total":1e999999999999}}',
        b'{"ENERGY":{"Total":' + b"0." + b"1" * 60_000 + b"}}",
        b" " * 70_000,
    ],
)
def test_what_is_made_to_hurt_is_refused_quickly(payload: bytes) -> None:
    with pytest.raises(ReadingInvalid):
        Formats().read("tele/plug/SENSOR", payload)
