"""Packages: one contract's sources in one canonical form."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ledgernode.errors import BadPackage, ChaincodeRefused
from ledgernode.execution.sandbox.checker import check, require_deterministic
from ledgernode.execution.sandbox.loader import load_package
from ledgernode.execution.sandbox.meter import Meter
from ledgernode.execution.sandbox.package import FORMAT, pack, package_hash, parse_package
from tests.execution.sandbox.workbench import HEAD, raw_package, source_of

ENTRY = """
from __future__ import annotations
from chaincode.api import Contract, Context, query
from chaincode.units import double
from rates import RATES as TABLE
from typing import Any

class Shop(Contract):
    name = "shop"
    version = "1.2.0"

    @query
    def price(self, ctx: Context, item: str) -> int:
        return double(TABLE[item])
"""


def folder(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    return tmp_path / "shop.py"


def shop(tmp_path: Path) -> Path:
    return folder(
        tmp_path,
        shop=ENTRY,
        units="def double(x):\n    return x * 2\n",
        rates="from .errors import Missing\nRATES = {'tea': 3}\n",
        errors="from chaincode.api import Refusal\n\nclass Missing(Refusal):\n    code = 'MISSING'\n",
        api="raise RuntimeError",
        unused="UNUSED = 1\n",
    )


def test_package_holds_the_contract_and_the_siblings_it_imports(tmp_path: Path) -> None:
    """Followed through imports of either form; never the api, never a file nobody imports."""
    package = parse_package(pack(shop(tmp_path)))
    assert (package.name, package.version, package.entry) == ("shop", "1.2.0", "shop.py")
    assert sorted(package.files) == ["errors.py", "rates.py", "shop.py", "units.py"]
    assert check(package) == ()
    result = load_package(pack(shop(tmp_path))).call("price", None, b'{"item":"tea"}', Meter(1_000))
    assert result == b"6"


def test_package_has_one_form_and_one_hash(tmp_path: Path) -> None:
    """The same sources make the same bytes; line ends do not matter."""
    raw = pack(shop(tmp_path))
    path = tmp_path / "shop.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert pack(path) == raw
    assert package_hash(raw) == package_hash(bytes(raw))
    assert len(package_hash(raw)) == 64
    path.write_text(ENTRY.replace("1.2.0", "1.2.1"))
    assert package_hash(pack(path)) != package_hash(raw)


def test_package_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    """When it is made, and when it is read."""
    path = shop(tmp_path)
    raw = pack(path)
    with pytest.raises(BadPackage, match="at most 100 bytes"):
        pack(path, 100)
    with pytest.raises(BadPackage, match="at most"):
        parse_package(raw, len(raw) - 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "ledgernode/package/2"},
        {"name": "no name"},
        {"name": "_timer"},
        {"name": "x" * 65},
        {"version": ""},
        {"version": "1.0 beta"},
        {"entry": "other.py"},
        {"files": {}},
        {"files": {"main.py": "", "api.py": ""}},
        {"files": {"main.py": "", "../x.py": ""}},
        {"files": {"main.py": "", "Main.py": ""}},
        {"files": {"main.py": "a\r\n"}},
        {"files": {"main.py": "a\x00"}},
        {"files": {"main.py": 5}},
        {"files": {f"f{n}.py": "" for n in range(40)} | {"main.py": ""}},
        {"more": 1},
    ],
    ids=str,
)
def test_malformed_package_is_refused(changes: dict[str, object]) -> None:
    """Whatever packing would not have made."""
    stored = {"entry": "main.py", "files": {"main.py": ""}, "format": FORMAT, "name": "sample", "version": "1.0.0"}
    encode = msgspec.msgpack.Encoder(order="sorted").encode
    assert parse_package(encode(stored)).name == "sample"
    with pytest.raises(BadPackage):
        parse_package(encode({**stored, **changes}))


def test_bytes_in_another_form_are_refused() -> None:
    """Trailing bytes, another order of keys, and what is no MessagePack at all."""
    raw = raw_package({"main.py": source_of("return 1")})
    shuffled = dict(reversed(msgspec.msgpack.decode(raw).items()))
    for wrong in (raw + b"\x00", raw[:-1], b"", b"\xc1", msgspec.msgpack.encode(shuffled)):
        with pytest.raises(BadPackage):
            parse_package(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "x = 1",
        HEAD + "class A(Contract):\n    name = 'a'\n    version = '1'\n\nclass B(Contract):\n    name = 'b'\n",
        HEAD + "class A(Contract):\n    name = 'a'\n",
        HEAD + "class A(Contract):\n    name = 'a' + 'b'\n    version = '1'\n",
        "def f(:",
        "x = " + "-" * 5000 + "1",
        "x = " + "(" * 150 + ")" * 150,
    ],
)
def test_file_that_is_no_contract_is_not_packed(tmp_path: Path, text: str) -> None:
    """One class that derives from Contract, with name and version as plain texts."""
    with pytest.raises(ChaincodeRefused):
        pack(folder(tmp_path, shop=text))


def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    """Missing, or not text."""
    with pytest.raises(BadPackage, match="cannot be read"):
        pack(tmp_path / "shop.py")
    (tmp_path / "shop.py").write_bytes(b"\xff\xfe")
    with pytest.raises(BadPackage, match="UTF-8"):
        pack(tmp_path / "shop.py")


def test_package_that_lies_about_its_contract_is_refused() -> None:
    """Name and version are the contract's own."""
    raw = raw_package({"main.py": source_of("return 1")}, name="other")
    with pytest.raises(ChaincodeRefused, match="package it again"):
        require_deterministic(parse_package(raw))


def test_imports_in_a_circle_are_refused() -> None:
    """Modules are loaded each after those it imports."""
    one = "from two import B\nA = 1\n"
    two = "from one import A\nB = 1\n"
    main = source_of("return A").replace("\n", "\nfrom one import A\n", 1)
    with pytest.raises(ChaincodeRefused, match="circle"):
        load_package(raw_package({"main.py": main, "one.py": one, "two.py": two}))


def test_refusal_lists_findings_up_to_a_number() -> None:
    """Each with file, line, rule and reason; the rest is counted, and all are in the facts."""
    body = "\n".join("x = 1 / 2" for _ in range(30))
    with pytest.raises(ChaincodeRefused) as caught:
        load_package(raw_package({"main.py": source_of(body)}))
    assert caught.value.message.count("[division]") == 20
    assert caught.value.message.endswith("… and 10 more")
    assert len(caught.value.facts["findings"]) == 30
