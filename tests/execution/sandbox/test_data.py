"""Data is looked through before the interpreter does it: weighed, bounded in depth, sent, frozen."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import pytest

from chaincode.api import Record
from ledgernode.errors import BadValue, ChaincodeRefused, ContractFault, DepthExceeded, ValueTooLarge
from ledgernode.execution.sandbox import operators
from ledgernode.execution.sandbox.meter import BudgetStop, Meter, taking_the_seat
from ledgernode.execution.sandbox.operators import contains, units_to_search
from ledgernode.execution.sandbox.values import comparable, freeze, key, plain, weigh
from tests.execution.sandbox.workbench import run

BIG = 1 << 4000


class Point(Record):
    x: int
    others: Any = None


@pytest.fixture
def meter() -> Iterator[Meter]:
    """A meter in the seat."""
    made = Meter(1_000_000)
    with taking_the_seat(made):
        yield made


def nested(depth: int, make: Any) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = make(value)
    return value


@pytest.mark.parametrize("make", [lambda v: [v], lambda v: (v,), lambda v: {"a": v}, lambda v: Point(1, v)])
@pytest.mark.parametrize("look", [weigh, comparable, plain])
def test_depth_of_data_is_bounded(meter: Meter, make: Any, look: Any) -> None:
    """32 levels pass, one more does not, whatever they are made of."""
    look(nested(32, make))
    with pytest.raises(DepthExceeded):
        look(nested(33, make))


def test_weight_grows_with_parts_and_text(meter: Meter) -> None:
    """A shared part counts as often as comparing would look at it."""
    inner = ["x" * 160] * 10
    weigh(inner)
    once = meter.used
    weigh([inner, inner])
    assert meter.used - once > 2 * once


@pytest.mark.parametrize("value", ["a", 5, None, True, ("a", 1), Point(3), "x" * 5_000, -(1 << 59)])
def test_what_may_be_a_key(meter: Meter, value: Any) -> None:
    """Text, small integers, None, booleans, and tuples and records of such."""
    assert key(value) is value


@pytest.mark.parametrize("value", [1 << 60, -(1 << 60), (1, 1 << 61), Point(1 << 61), ((1 << 61,),)])
def test_integers_that_collide_are_no_keys(meter: Meter, value: Any) -> None:
    """Beyond 60 bits the interpreter's hashes repeat, and a map of them would be slow."""
    with pytest.raises(ValueTooLarge):
        key(value)


def test_what_is_sent_is_a_copy_that_json_can_say(meter: Meter) -> None:
    """Records become maps, tuples lists, read-only maps maps, large integers text."""
    value = {"p": Point(1, (2, MappingProxyType({"n": 1 << 53}))), "t": None, "b": True}
    assert plain(value) == {"p": {"x": 1, "others": [2, {"n": str(1 << 53)}]}, "t": None, "b": True}
    assert plain((1, 2)) == [1, 2]
    assert plain([1, -(1 << 53)]) == [1, str(-(1 << 53))]
    assert plain([1, True]) == [1, True]
    for wrong in (1.5, b"x", {1}, {1: 2}, object()):
        with pytest.raises(BadValue):
            plain(wrong)


def test_frozen_values_cannot_be_changed(meter: Meter) -> None:
    """Maps become read-only through and through; lists and objects are refused."""
    frozen = freeze({"a": ({"b": 1},)})
    with pytest.raises(TypeError):
        frozen["a"][0]["b"] = 2
    assert freeze(Point(1, (2,))) == Point(1, (2,))
    for wrong in ([1], ([1],), {"a": [1]}, Point(1, [2]), object(), {1}):
        with pytest.raises(ChaincodeRefused):
            freeze(wrong)


def test_search_backwards_and_of_short_parts_is_dearer() -> None:
    """The price follows the interpreter's own way of searching."""
    assert units_to_search(10_000, 100) > units_to_search(10_000, 1)
    assert units_to_search(10_000, 5_000) < units_to_search(10_000, 5_000, backwards=True)


@pytest.mark.parametrize(
    ("operator", "a", "b"),
    [
        (operators.add, 1, "a"),
        (operators.add, [1], (1,)),
        (operators.subtract, "a", 1),
        (operators.multiply, "a", "b"),
        (operators.floor_divide, None, 1),
        (operators.modulo, "%s", 1),
        (operators.power, 2, -1),
        (operators.power, "a", 2),
        (operators.shift_left, [], 1),
        (operators.bit_or, {1}, {2}),
        (operators.bit_or_in_place, {}, [1]),
        (operators.contains, 1, "text"),
        (operators.delete_item, (1, 2), 0),
    ],
)
def test_operator_that_does_not_fit_is_a_fault(meter: Meter, operator: Any, a: Any, b: Any) -> None:
    """In our own words, and not to be caught by the contract."""
    with pytest.raises(ContractFault):
        operator(a, b)


@pytest.mark.parametrize(
    ("operator", "a", "b"),
    [
        (operators.add, BIG << 95, BIG << 95),
        (operators.multiply, BIG, BIG),
        (operators.power, 2, 4_097),
        (operators.shift_left, 1, 4_096),
        (operators.subtract, -(1 << 4_095), 1 << 4_095),
    ],
    ids=["add", "multiply", "power", "shift", "subtract"],
)
def test_integers_end_at_4096_bits(meter: Meter, operator: Any, a: int, b: int) -> None:
    """Before the work is done, where it would be much."""
    with pytest.raises(ValueTooLarge):
        operator(a, b)


@pytest.mark.parametrize(
    ("base", "exponent"), [(0, 10**9), (1, 10**9), (-1, 10**9), (-1, 10**9 + 1), (2, 4_095), (0, 0)]
)
def test_powers_that_stay_small_are_allowed(meter: Meter, base: int, exponent: int) -> None:
    """Of one, zero and minus one, however large the exponent."""
    expected = base ** (exponent if abs(base) > 1 else exponent % 2 + 2 * bool(exponent))
    assert operators.power(base, exponent) == expected


def test_large_integers_are_paid_by_their_size(meter: Meter) -> None:
    """A product of two large ones costs what its digits cost."""
    operators.multiply(BIG >> 2000, BIG >> 2000)
    assert meter.used > 50


def test_membership_agrees_with_the_interpreter(meter: Meter) -> None:
    """In every kind of container, with every kind of item."""
    for container in ([1, "a", None, (1, 2), [3]], (1, "a"), {"a": 1}, {"a": 1}.keys(), {"a": 1}.values(), range(3)):
        for item in (1, "a", None, (1, 2), True):
            assert contains(item, container) is (item in container)
    assert contains([3], [1, [3]])
    assert contains(("a", 1), {"a": 1}.items())
    assert contains("a", MappingProxyType({"a": 1}))
    assert not contains(5, iter([1, 2]))


def test_meter_counts_down_and_stays_exhausted() -> None:
    """What is used is never more than the budget, and nothing brings it back."""
    meter = Meter(10)
    meter.charge(7)
    assert (meter.used, meter.exhausted) == (7, False)
    for _ in range(2):
        with pytest.raises(BudgetStop):
            meter.charge(4)
    assert (meter.used, meter.exhausted) == (10, True)
    with pytest.raises(BudgetStop):
        meter.charge(0)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("xs = [1]\nxs *= 3\nreturn xs", [1, 1, 1]),
        ("x = 3\nx *= 3\nreturn x", 9),
        ("d = {'a': 1}\nd |= {'b': 2}\nreturn d", {"a": 1, "b": 2}),
        ("x = 4\nx |= 3\nreturn x", 7),
        ("return 'a' 'b' * 2", "abab"),
        ("return 2 * [0]", [0, 0]),
        ("return [1] * -1", []),
        ("return True + True", 2),
        ("return int(' 12 ') + int('0x1f', 16)", 43),
        ("return ''.join(str(i) for i in range(3))", "012"),
        ("return bool(0) or bool([0])", True),
        ("return [x for x in {'a': 1}.items()]", [["a", 1]]),
        ("return next(iter_of([5, 6]))", 5),
        (
            "return sorted([('b', 1), ('a', 2)]) + sorted([(1, [2]), (1, [1])])",
            [["a", 2], ["b", 1], [1, [1]], [1, [2]]],
        ),
        ("return list(reversed((1, 2)))", [2, 1]),
        ("a = b'' if False else 1\nreturn a", None),
        ("return max([[1], [2]]) + min('b', 'a', key=lambda c: c).split()", [2, "a"]),
    ],
)
def test_values_come_out_as_python_says(body: str, expected: Any) -> None:
    """Corners of operators and functions that the larger samples do not meet."""
    if expected is None:
        with pytest.raises(ChaincodeRefused):
            run(body)
    else:
        assert run(body, top="def iter_of(xs):\n    for x in xs:\n        yield x\n") == expected


@pytest.mark.parametrize(
    "body",
    [
        "return int(None)",
        "return str([])",
        "return sum(['a'])",
        "return sum([1], [])",
        "return reversed(x for x in [1])",
        "return [1, 2][None:'a']",
        "return {'a': 1}['a':'b']",
        "x = (1, 2)\nx[0:1] = [3]",
        "x = {'a': 1}\ndel x[0:1]",
        "return 'a'.replace(1, 'b')",
        "return ','.join([1])",
        "return 'a'.ljust('b')",
        "return 'a'.find(5)",
        "return (5).append(1)",
        "return chr(-1)",
        "return next([])",
        "return list[1]",
        "return int[str]",
        "return list['x']",
    ],
)
def test_misuse_is_a_fault(body: str) -> None:
    """What plain Python would refuse, or the language does, ends as the contract's fault."""
    with pytest.raises(ContractFault):
        run(body)
