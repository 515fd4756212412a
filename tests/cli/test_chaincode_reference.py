"""Contracts as a page: everything that the code says, and nothing that it does not."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from ledgernode.cli.packaging import own_contract
from ledgernode.cli.reference import contract_files, declared_events, reference
from ledgernode.execution.sandbox.loader import load_package
from ledgernode.execution.sandbox.package import pack, parse_package
from ledgernode.identity.records import SYSTEM_CONTRACTS
from tests.cli.command_line import command, done

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
CONTRACTS = ROOT / "src" / "chaincode"
FILES = contract_files(CONTRACTS)

SHOP = '''"""Shop: sells things.

Roles: everyone buys.
Events: Sold, DoorOpened, DoorClosed, Never.
"""
from chaincode.api import Context, Contract, Record, Refusal, query, transaction
from stock import taken


class Closed(Refusal):
    """It is night."""

    code = "CLOSED"


class Unused(Refusal):
    """Nobody raises it."""

    code = "UNUSED"


class Receipt(Record):
    """What was bought."""

    item: str
    at: list[Minute]


class Minute(Record):
    minute: int


class Shop(Contract):
    name = "shop"
    version = "2.0.0"

    @transaction(roles=("customer",))
    def buy(self, ctx: Context, item: str, count: int = 1) -> Receipt:
        """Buy it.

        Refuses at
        night.
        """
        require_direct(ctx)
        require_day(ctx)
        self.written(ctx)
        return taken(ctx, item)

    @transaction
    def door(self, ctx: Context, is_open: bool) -> None:
        require_caller(ctx, "house")
        ctx.emit(f"Door{'Opened' if is_open else 'Closed'}", by=ctx.caller)

    @query
    def left(self, ctx: Context) -> int:
        return 0

    def written(self, ctx: Context) -> None:
        ctx.emit("Sold", item="", at=ctx.time_ms)


def require_day(ctx: Context) -> None:
    if not ctx.time_ms:
        raise Closed("later")
'''
STOCK = '''from chaincode.api import Context, Refusal


class SoldOut(Refusal):
    """There is none left."""

    code = "SOLD_OUT"


def taken(ctx: Context, item: str) -> None:
    ctx.call("currency", "transfer", to="shop", amount_minor=1)
    raise SoldOut(item)


def elsewhere(ctx: Context) -> None:
    ctx.emit("Elsewhere")
'''


def described() -> dict[str, Any]:
    return reference("shop", "2.0.0", "shop.py", {"shop.py": SHOP, "stock.py": STOCK})


def packaged(file: Path) -> dict[str, Any]:
    packed = parse_package(pack(file))
    return reference(packed.name, packed.version, packed.entry, packed.files)


def test_a_function_says_what_a_call_of_it_can_come_to() -> None:
    """Through functions beside it, in other modules, and its own methods; nothing that it does not reach."""
    shop = described()
    buy, door, left = shop["functions"]
    assert buy["call"] == "buy(item: str, count: int = 1) -> Receipt"
    assert (buy["roles"], buy["caller"]) == (["customer"], "not through another contract")
    assert (buy["events"], buy["errors"], buy["calls"]) == (["Sold"], ["CLOSED", "SOLD_OUT"], ["currency.transfer"])
    assert (door["events"], door["caller"]) == (["DoorClosed", "DoorOpened"], "only from contract house")
    assert (left["kind"], left["events"], left["errors"], left["calls"]) == ("query", [], [], [])


def test_events_errors_and_records_come_with_their_meaning() -> None:
    """What an event carries, what a code means, which fields a record has."""
    shop = described()
    assert shop["events"] == {"DoorClosed": ["by"], "DoorOpened": ["by"], "Sold": ["item", "at"]}
    assert shop["errors"] == {"CLOSED": "It is night.", "SOLD_OUT": "There is none left."}
    assert shop["records"] == {
        "Minute": {"fields": {"minute": "int"}, "doc": ""},
        "Receipt": {"fields": {"item": "str", "at": "list[Minute]"}, "doc": "What was bought."},
    }
    assert (shop["summary"], shop["roles"]) == ("Shop: sells things.", "Roles: everyone buys.")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_contract_declares_the_events_it_emits(file: Path) -> None:
    """What its docstring lists after `Events:` is what its functions can emit, no more and no less."""
    said = ast.get_docstring(ast.parse(file.read_text())) or ""
    assert sorted(packaged(file)["events"]) == sorted(declared_events(said))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_page_names_what_the_runtime_has(file: Path) -> None:
    """Functions, kinds, roles and arguments are those that the loaded contract answers to."""
    loaded = load_package(pack(file)).functions
    assert {
        one["name"]: (one["kind"], tuple(one["roles"]), tuple(part["name"] for part in one["arguments"]))
        for one in packaged(file)["functions"]
    } == {name: (spec.kind, spec.roles, spec.argument_names) for name, spec in loaded.items()}


@pytest.mark.parametrize("name", SYSTEM_CONTRACTS)
def test_the_ledgers_own_contracts_are_described_too(name: str) -> None:
    """With their events, and the ledger's own codes."""
    one = reference(*own_contract(name))
    assert one["functions"]
    assert one["events"]
    assert "ROLE_REFUSED" in one["errors"]


def test_the_page_is_fresh() -> None:
    """`ledgernode chaincode describe --own src/chaincode > docs/contracts.md` changes nothing."""
    printed = done("chaincode", "describe", "--own", CONTRACTS).out
    assert printed == (ROOT / "docs" / "contracts.md").read_text()
    assert "| `INSUFFICIENT_BALANCE` | The account has less available than is asked for. |" in printed
    assert printed.count("\n## ") == len(FILES) + len(SYSTEM_CONTRACTS)


def test_an_authors_contract_is_described(tmp_path: Path) -> None:
    """One file, as a page or as a document; a folder without a contract is refused."""
    done("chaincode", "new", "notes", "--into", tmp_path)
    assert "## notes" in done("chaincode", "describe", tmp_path / "notes.py").out
    (one,) = done("chaincode", "describe", tmp_path, "--json").document["contracts"]
    assert one["name"] == "notes"
    (tmp_path / "empty").mkdir()
    assert command("chaincode", "describe", tmp_path / "empty").code != 0
