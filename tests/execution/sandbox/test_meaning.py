"""The rewriting counts, and changes nothing else: rewritten code means what plain Python means."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledgernode.errors import ContractFault
from ledgernode.execution.sandbox.loader import load_package
from ledgernode.execution.sandbox.meter import Meter
from tests.execution.sandbox.workbench import BUDGET, raw_package, samples, source_of

TOP = """
from collections.abc import Iterator

LIMITS = {"low": 3, "high": 9}
NAMES = ("a", "b", "c")

class Order(Record):
    id: int
    price: int = 5
    tags: list[str] = []

    @property
    def double(self):
        return self.price * 2

class TooMuch(Refusal):
    code = "TOO_MUCH"

class Counter:
    step = 2

    def bump(self):
        self.count = self.total() + Counter.step
        self.count += 1
        return self.count

    def total(self):
        return 10

    def _private(self):
        return self.total() + 1

    @staticmethod
    def twice(x):
        return x + x

def squares(n: int) -> Iterator[int]:
    for i in range(n):
        yield i * i

def both(n):
    yield from squares(n)
    got = yield -1
    yield got is None

def fib(n: int) -> int:
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def spread(*args, sep="-", **named):
    return sep.join([str(x) for x in args] + sorted(named))
"""


_FAILURES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


def plain(text: str) -> Any:
    """The result of plain Python, as JSON would show it; or the exception's class."""
    module: dict[str, Any] = {"__name__": "plain"}
    exec(compile("from __future__ import annotations\n" + text, "plain", "exec"), module)
    try:
        return msgspec.json.decode(msgspec.json.encode(module["Sample"]().run(None)))
    except _FAILURES as error:
        return type(error)


def metered(text: str) -> Any:
    contract = load_package(raw_package({"main.py": text}))
    try:
        return msgspec.json.decode(contract.call("run", None, b"{}", Meter(BUDGET)))
    except ContractFault as fault:
        return fault


SAMPLES = samples("meaning.txt")


@pytest.mark.parametrize("name", SAMPLES)
def test_rewritten_code_means_the_same(name: str) -> None:
    """Every construct of the language gives what plain Python gives; where that fails, the call fails."""
    text = source_of(SAMPLES[name][0], top=TOP)
    expected, result = plain(text), metered(text)
    if isinstance(expected, type):
        assert isinstance(result, ContractFault)
    else:
        assert result == expected


NAMES = st.sampled_from(["a", "b", "c"])
OPERATORS = ["+", "-", "*", "|", "^", "//", "%", "&", "<", "<=", "==", "!=", ">"]
LISTS = st.sampled_from(["p", "q"])


def expressions() -> st.SearchStrategy[str]:
    """Integer expressions over a, b, c and the lists p, q."""
    leaves = st.one_of(NAMES, st.integers(-9, 9).map(lambda n: f"({n})"), LISTS.map(lambda name: f"len({name})"))

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pairs = st.tuples(inner, inner)
        return st.one_of(
            st.tuples(inner, st.sampled_from(OPERATORS), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
            st.tuples(inner, st.integers(1, 5)).map(lambda t: f"({t[0]} % {t[1]})"),
            st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} > {t[2]} else {t[2]})"),
            st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} < {t[1]} < {t[2]})"),
            pairs.map(lambda t: f"min({t[0]}, {t[1]})"),
            st.tuples(LISTS, inner).map(lambda t: f"sum([x + {t[1]} for x in {t[0]} if x != {t[1]}])"),
            st.tuples(LISTS, inner).map(lambda t: f"max((x for x in {t[0]} if x < {t[1]}), default=0)"),
            st.tuples(LISTS, inner).map(lambda t: f"{t[0]}[{t[1]} % 3]"),
            st.tuples(inner, LISTS).map(lambda t: f"({t[0]} in {t[1]})"),
            inner.map(lambda e: f"abs({e})"),
            inner.map(lambda e: f"(-{e})"),
            inner.map(lambda e: f"(lambda v: v + {e})(2)"),
            inner.map(lambda e: f"int(str({e} % 1000))"),
        )

    return st.recursive(leaves, grow, max_leaves=5)


def statements(depth: int = 2) -> st.SearchStrategy[str]:
    """Blocks of statements, indented by nothing."""
    value = expressions()
    simple = st.one_of(
        st.tuples(NAMES, value).map(lambda t: f"{t[0]} = {t[1]}"),
        st.tuples(NAMES, st.sampled_from(OPERATORS[:5]), value).map(lambda t: f"{t[0]} {t[1]}= {t[2]}"),
        st.tuples(LISTS, value).map(lambda t: f"{t[0]}.append({t[1]} % 100)"),
        st.tuples(LISTS, value).map(lambda t: f"{t[0]}[0] = {t[1]}"),
        st.tuples(LISTS, value).map(lambda t: f"{t[0]}[{t[1]} % 3] += 1"),
        st.tuples(LISTS, LISTS).map(lambda t: f"{t[0]} = sorted({t[1]})[:4] + [1, 2, 3]"),
        st.tuples(NAMES, NAMES).map(lambda t: f"{t[0]}, {t[1]} = {t[1]}, {t[0]}"),
        value.map(lambda e: f"if {e} > 20:\n    return [a, b, c, p, q]"),
    )
    if depth == 0:
        return simple
    inner = st.lists(statements(depth - 1), min_size=1, max_size=3).map("\n".join).map(indented)
    return st.one_of(
        simple,
        st.tuples(value, inner, inner).map(lambda t: f"if {t[0]} > 0:\n{t[1]}\nelse:\n{t[2]}"),
        st.tuples(LISTS, inner).map(lambda t: f"for item in {t[0]}[:3]:\n{t[1]}"),
        inner.map(lambda body: f"for item in range(3):\n{body}\n    if a > b:\n        break"),
        st.tuples(inner, value).map(lambda t: f"try:\n{t[0]}\n    p[{t[1]}]\nexcept IndexError:\n    a += 1"),
    )


def indented(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(statements(), min_size=1, max_size=6))
def test_any_program_means_the_same(parts: list[str]) -> None:
    """For programs made at random, the metered result is the plain one; a failure is a failure in both."""
    body = "a, b, c = 1, 2, 3\np = [1, 2, 3]\nq = [4, 5, 6]\n" + "\n".join(parts) + "\nreturn [a, b, c, p, q]"
    text = source_of(body, top=TOP)
    expected, result = plain(text), metered(text)
    if isinstance(expected, type):
        assert isinstance(result, ContractFault)
    else:
        assert result == sent(expected)


def sent(value: Any) -> Any:
    """As JSON shows it: integers beyond 2^53-1 are text."""
    if isinstance(value, list):
        return [sent(item) for item in value]
    return str(value) if abs(value) >= 1 << 53 and not isinstance(value, bool) else value
