"""Loading contracts, and one call: arguments in, JSON or one error of the tree out."""

from __future__ import annotations

import threading
import traceback
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode.api import Contract, Record, Refusal, query, transaction
from ledgernode.errors import (
    BadArguments,
    BadValue,
    BudgetExceeded,
    ChaincodeRefused,
    ContractFault,
    ContractRefused,
    RoleRefused,
    UnknownFunction,
)
from ledgernode.execution.sandbox.loader import load_package, native_contract
from ledgernode.execution.sandbox.meter import SEAT, BudgetStop, Meter
from tests.execution.sandbox.workbench import BUDGET, HEAD, load, raw_package, run, source_of

LARGE = (1 << 53) + 1

CONTRACT = (
    HEAD
    + '''
from typing import Any, ClassVar, Literal, Optional, Union
from collections.abc import Mapping, Sequence

Prices = dict[str, int]

class Line(Record):
    """One line."""
    item: str
    amount: int = 1
    parts: list["Line"] = []

class Order(Record, kw_only=True):
    lines: tuple[Line, ...]
    note: str | None = None
    prices: Prices = {}

class Sold(Refusal):
    code: ClassVar[str] = "SOLD_OUT"

class Odd(Refusal):
    code = "not a code"

class Base:
    @staticmethod
    def doubled(x: int) -> int:
        return x * 2

class Shop(Contract, Base):
    """Sells things."""
    name: ClassVar[str] = "shop"
    version = "2.0.0"

    @transaction(roles=("admin", "operator"), items="lines")
    def sell(self, ctx: Context, lines: list[Line], factor: int = 2) -> Order:
        """Sell it all."""
        return Order(lines=tuple(line.replace(amount=self.doubled(line.amount * factor) // 2) for line in lines))

    @query
    def back(self, ctx: Context, order: Order, kind: Literal["a", "b"] = "a", more: Optional[Any] = None) -> Any:
        return {"note": order.note, "more": more, "kind": kind, "items": [line.item for line in order.lines]}

    @query
    def number(
        self, ctx: Context, value: int, others: Sequence[int] = (), named: Mapping[str, int | None] = None
    ) -> Any:
        return [value, others, named]

    @query
    def either(self, ctx: Context, value: Union[int, str, None]) -> Any:
        return value

    @query
    def refuse(self, ctx: Context, which: str) -> None:
        if which == "sold":
            raise Sold("nothing left")
        if which == "odd":
            raise Odd("x" * 600)
        if which == "number":
            raise Sold(5)
        raise KeyError("deep" * 200)

    @query
    def typed(self, ctx: Context) -> Any:
        first = ctx.get("a", list[Line])
        return [first, [line for _, line in ctx.range(type=Line)], ctx.get("n", type=int | None)]

    @query
    def gift(self, ctx: Context) -> int:
        return ctx.fail()

    def hidden(self, ctx: Context) -> int:
        return 1
'''
)


@pytest.fixture(scope="module")
def shop() -> Any:
    return load_package(raw_package({"main.py": CONTRACT}, name="shop", version="2.0.0"))


def call(shop: Any, function: str, arguments: Any = b"{}", context: Any = None, budget: int = 10_000) -> bytes:
    return shop.call(function, context, arguments, Meter(budget))


def test_loaded_contract_says_what_it_offers(shop: Any) -> None:
    """Names, kinds, roles, types and words come from the source; unmarked functions are not offered."""
    assert (shop.name, shop.version, shop.docs) == ("shop", "2.0.0", "Sells things.")
    assert sorted(shop.functions) == ["back", "either", "gift", "number", "refuse", "sell", "typed"]
    sell = shop.functions["sell"]
    assert (sell.kind, sell.roles, sell.items, sell.doc) == (
        "transaction",
        ("admin", "operator"),
        "lines",
        "Sell it all.",
    )
    assert sell.argument_names == ("lines", "factor")
    assert sell.argument_types[1] is int
    assert sell.result_type.__name__ == "Order"


def test_records_are_decoded_and_sent(shop: Any) -> None:
    """Defaults hold, keys are in one order."""
    result = call(shop, "sell", b'{"lines":[{"item":"tea"},{"item":"milk","amount":3}]}')
    lines = b'[{"amount":2,"item":"tea","parts":[]},{"amount":6,"item":"milk","parts":[]}]'
    assert result == b'{"lines":' + lines + b',"note":null,"prices":{}}'


def test_arguments_of_another_contract_are_taken_as_they_are(shop: Any) -> None:
    """A map of plain values means what its JSON would."""
    assert call(shop, "sell", {"lines": [{"item": "x"}], "factor": 5}) == call(
        shop, "sell", b'{"lines":[{"item":"x"}],"factor":5}'
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (b"{}", "sell needs the argument lines"),
        (b'{"lines":[],"x":1}', "sell takes no argument x"),
        (b'{"lines":5}', "sell: the argument lines is not of its type"),
        (b'{"lines":[{"item":1}]}', "sell: the argument lines is not of its type"),
        (b'{"lines":[{"item":"a","b":1}]}', "sell: the argument lines is not of its type"),
        (b'{"lines":[],"factor":"5"}', "sell: the argument factor is not of its type"),
        (b'{"lines":[],"factor":1.5}', "sell: the argument factor is not of its type"),
        (b'{"lines":[],"factor":true}', "sell: the argument factor is not of its type"),
        (b"[]", "the arguments are a JSON object by name"),
        (b"{", "the arguments are not JSON"),
        (b'{"lines":[],"factor":"\xff"}', "the arguments are not JSON"),
    ],
)
def test_arguments_that_do_not_fit_are_named(shop: Any, arguments: bytes, words: str) -> None:
    """Unknown, missing and ill-fitting arguments are told apart, in our own words."""
    with pytest.raises(BadArguments) as caught:
        call(shop, "sell", arguments)
    assert caught.value.message == words


def test_fractions_are_refused_where_anything_is_taken(shop: Any) -> None:
    """Also within data whose type is Any."""
    order = b'{"order":{"lines":[]},"more":{"a":[1,%s]}}'
    assert b'"more":{"a":[1,2]}' in call(shop, "back", order % b"2")
    with pytest.raises(BadArguments, match="integers"):
        call(shop, "back", order % b"2.5")


@given(st.integers(-(1 << 4000), 1 << 4000))
def test_integers_keep_their_value_both_ways(number: int) -> None:
    """Beyond 2^53-1 they travel as text, in and out."""
    sent = str(number) if abs(number) >= 1 << 53 else number
    result = _SHOP.call(
        "number",
        None,
        msgspec.json.encode({"value": sent, "others": [sent], "named": {"a": sent, "b": None}}),
        Meter(50_000),
    )
    assert msgspec.json.decode(result) == [sent, [sent], {"a": sent, "b": None}]


_SHOP = load_package(raw_package({"main.py": CONTRACT}, name="shop", version="2.0.0"))


def test_text_stays_text_where_text_fits(shop: Any) -> None:
    """Only where the type wants an integer is large text read as one."""
    assert call(shop, "either", b'{"value":"9007199254740993"}') == b'"9007199254740993"'
    with pytest.raises(BadArguments):
        call(shop, "number", b'{"value":"12"}')


def test_refusal_carries_the_contracts_code_and_words(shop: Any) -> None:
    """The code is contract.CODE; words are bounded; what is no code or no text is replaced."""
    expected = {"sold": ("shop.SOLD_OUT", "nothing left"), "odd": ("shop.REFUSED", "x" * 500)}
    expected["number"] = ("shop.SOLD_OUT", "")
    for which, (code, words) in expected.items():
        with pytest.raises(ContractRefused) as caught:
            call(shop, "refuse", {"which": which})
        assert (caught.value.facts["code"], caught.value.message) == (code, words)


def test_fault_keeps_its_cause_for_the_log_without_endless_values(shop: Any) -> None:
    """What the exception holds is cut, so that showing it is cheap."""
    with pytest.raises(ContractFault, match=r"^the code of shop failed at main\.py:\d+$") as caught:
        call(shop, "refuse", {"which": "other"})
    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.__cause__.args == (("deep" * 200)[:500],)


def test_code_bears_the_names_of_its_sources_where_they_lie_here(tmp_path: Path) -> None:
    """Debuggers and coverage find the lines; what a fault says of its place stays the same on every node."""
    contract = load_package(raw_package({"main.py": CONTRACT}, name="shop", version="2.0.0"), tmp_path)
    with pytest.raises(ContractFault, match=r"^the code of shop failed at main\.py:\d+$") as caught:
        call(contract, "refuse", {"which": "other"})
    cause = caught.value.__cause__
    assert cause is not None
    assert str(tmp_path / "main.py") in {frame.filename for frame in traceback.extract_tb(cause.__traceback__)}


class Host:
    """A context that notes the types it is asked for, and fails as it is told."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.asked: list[Any] = []

    def get(self, key: str, type: Any = None) -> Any:
        self.asked.append(type)
        return None

    def range(self, *, type: Any = None) -> Any:
        self.asked.append(type)
        return iter(())

    def fail(self) -> int:
        if self.error is not None:
            raise self.error
        return 1


def test_context_is_given_real_types(shop: Any) -> None:
    """A contract names types by forms; the host gets what they stand for."""
    host = Host()
    assert call(shop, "typed", context=host) == b"[null,[],null]"
    line = host.asked[1]
    assert line.__name__ == "Line"
    assert host.asked[0] == list[line]
    assert host.asked[2] == int | None


def test_what_the_context_refuses_passes_through(shop: Any) -> None:
    """An error of the tree is the call's outcome as it stands."""
    refusal = RoleRefused("no")
    with pytest.raises(RoleRefused) as caught:
        call(shop, "gift", context=Host(refusal))
    assert caught.value is refusal


@pytest.mark.parametrize("failure", [MemoryError, RecursionError, KeyboardInterrupt, SystemExit])
def test_failure_of_the_host_is_never_an_outcome(shop: Any, failure: type[BaseException]) -> None:
    """Memory, the interpreter's stack and signals pass, and the seat is left free."""
    with pytest.raises(failure):
        call(shop, "gift", context=Host(failure()))
    assert SEAT.meter.exhausted


def test_exhausted_meter_ends_every_call(shop: Any) -> None:
    """Whatever the contract makes of it; and a second call on the meter ends the same."""
    meter = Meter(100)

    class Spender(Host):
        def fail(self) -> int:
            try:
                meter.charge(1_000)
            except BudgetStop:
                return 1
            return 0

    for _ in range(2):
        with pytest.raises(BudgetExceeded):
            shop.call("gift", Spender(), b"{}", meter)
        assert (meter.used, meter.exhausted) == (100, True)


def test_nested_calls_share_the_meter_and_give_the_seat_back(shop: Any) -> None:
    """A contract called by a contract runs under the same budget."""
    meter = Meter(10_000)

    class Outer(Host):
        def fail(self) -> int:
            before = meter.used
            shop.call("number", None, {"value": 1}, meter)
            assert SEAT.meter is meter
            return meter.used - before

    spent = int(shop.call("gift", Outer(), b"{}", meter))
    assert 0 < spent < meter.used
    assert SEAT.meter.exhausted


def test_unknown_function_is_refused(shop: Any) -> None:
    """Unmarked functions are unknown too."""
    for name in ("nothing", "hidden", "__init__"):
        with pytest.raises(UnknownFunction):
            call(shop, name)


def test_result_that_json_cannot_say_is_refused() -> None:
    """Keys of maps are text; objects and functions are not sent."""
    for body in ("return {1: 2}", "return self", "return len"):
        with pytest.raises(BadValue):
            run(body)


def test_instance_keeps_nothing_between_calls() -> None:
    """Every call gets a fresh one."""
    contract = load("self.seen = 1 if not self.count() else 2\nreturn self.seen", top="")
    text = source_of("before = self._count\nself._count = before + 1\nreturn before").replace(
        '    version = "1.0.0"\n', '    version = "1.0.0"\n    _count = 0\n'
    )
    contract = load_package(raw_package({"main.py": text}))
    assert [contract.call("run", None, b"{}", Meter(1_000)) for _ in range(2)] == [b"0", b"0"]


def test_threads_take_turns() -> None:
    """Calls of several threads do not mix their meters."""
    contract = load("n = 0\nfor i in range(2000):\n    n += 1\nreturn n")
    single = Meter(100_000)
    contract.call("run", None, b"{}", single)
    meters = [Meter(100_000) for _ in range(4)]
    threads = [threading.Thread(target=contract.call, args=("run", None, b"{}", meter)) for meter in meters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {meter.used for meter in meters} == {single.used}


@pytest.mark.parametrize(
    ("top", "words"),
    [
        ("A = sorted((2, 1))", "stands for a constant"),
        ("def f():\n    n = 0\n    return lambda: n\nA = f()", "stands for a constant"),
        ("class T(Record):\n    xs: list[int] = []\nA = T()", "holds a list or map in xs"),
        ("A = 1 // 0", "fails"),
        ("A = sum(range(10**9))", "cost more"),
        ("A = 2 ** 5000", "grew beyond"),
        ("def deep():\n    t = ()\n    for i in range(99):\n        t = (t,)\n    return t\nA = deep()", "deeper"),
        ("class T(Record):\n    f: lambda_type", "not defined"),
        ("class T(Record):\n    f: dict[int, int]", "no type"),
        ("from collections.abc import Callable\nclass T(Record):\n    f: Callable", "no type"),
        ("class T(Record):\n    f: int\nclass U(T, Refusal):\n    pass", "cannot be loaded"),
    ],
)
def test_constants_and_fields_that_cannot_be_are_refused_at_load(top: str, words: str) -> None:
    """What only making them shows."""
    with pytest.raises(ChaincodeRefused, match=words):
        load("return 1", top=top)


def test_arguments_of_two_kinds_of_record_cannot_be_told_apart() -> None:
    """Such a function cannot be called from outside, so the package is refused."""
    top = "class T(Record):\n    a: int\nclass U(Record):\n    a: int"
    with pytest.raises(ChaincodeRefused, match="told to be"):
        load("return 1", top=top, arguments=", x: T | U")


class _Line(Record):
    amount: int


class Native(Contract):
    """Part of the software."""

    name = "native"
    version = "1"

    @transaction(roles=("admin",))
    def add(self, ctx: Any, lines: list[_Line], start: int = 1) -> int:
        """Add up."""
        if start < 0:
            raise Refusal("negative")
        return start + sum(line.amount for line in lines) + (0 if ctx is None else ctx.fail())

    @query
    def wrong(self, ctx: Any) -> float:
        return 1.5


def test_native_contract_is_called_like_any_other() -> None:
    """The same description, arguments and errors, without the rewriting."""
    native = native_contract(Native)
    assert (native.name, native.version, native.docs) == ("native", "1", "Part of the software.")
    assert native.functions["add"].roles == ("admin",)
    assert native.functions["add"].argument_names == ("lines", "start")
    assert native.call("add", None, b'{"lines":[{"amount":4}]}', Meter(100)) == b"5"
    with pytest.raises(ContractRefused) as caught:
        native.call("add", None, {"lines": [], "start": -1}, Meter(100))
    assert caught.value.facts["code"] == "native.REFUSED"
    with pytest.raises(BadArguments):
        native.call("add", None, b"{}", Meter(100))
    with pytest.raises(ContractFault, match=r"^the code of native failed$"):
        native.call("add", Host(TypeError("x")), {"lines": []}, Meter(100))
    with pytest.raises(BadValue):
        native.call("wrong", None, b"{}", Meter(100))


def test_plain_calls_cost_tens_and_a_small_book_hundreds_of_units() -> None:
    """The order of the prices that authors lean on."""
    small = Meter(500_000)
    load("ctx.get('a')\nctx.get('b')\nreturn 1").call("run", Host(), b"{}", small)
    assert small.used < 60
    book = Meter(500_000)
    body = """
    left = 60
    for order in orders:
        take = min(left, order.amount)
        if take <= 0:
            break
        left -= take
    return left
    """
    top = "class Order(Record):\n    price: int\n    amount: int\n"
    orders = {"orders": [{"price": n, "amount": 1} for n in range(40)]}
    load(body, top=top, arguments=", orders: list[Order]").call("run", None, orders, book)
    assert 200 < book.used < 2_000


def test_used_units_do_not_depend_on_the_run() -> None:
    """The same call costs the same every time, in another loaded copy too."""
    body = "d = {str(i): i for i in range(50)}\nreturn sorted(d.items(), key=lambda p: (p[1] % 7, p[0]))"
    used = set()
    for _ in range(3):
        meter = Meter(100_000)
        load(body).call("run", None, b"{}", meter)
        used.add(meter.used)
    assert len(used) == 1


def test_an_imported_function_costs_what_ones_own_does() -> None:
    """So that a contract may be written in several files; a name that stands for something else too pays as unknown."""
    helper = HEAD + "class Wide(Record):\n" + "".join(f"    f{number}: int\n" for number in range(40))
    helper += "\ndef one() -> int:\n    return 1\n"
    calls = "a = 0\nfor _ in range(100):\n    a += one()\nreturn a"

    def cost(body: str, top: str) -> int:
        files = {"main.py": source_of(body, top=top), "helper.py": helper}
        meter = Meter(BUDGET)
        load_package(raw_package(files)).call("run", None, b"{}", meter)
        return BUDGET - meter.left

    wide = "from helper import Wide\n"
    own = cost(calls, wide + "def one() -> int:\n    return 1\n")
    assert cost(calls, wide + "from helper import one\n") == own
    assert cost(calls, wide + "from helper import one as first\n\ndef one() -> int:\n    return first()\n") > own
    shadowed = "one = first\n" + calls
    assert cost(shadowed, wide + "from helper import one as first\n") > own + 100
