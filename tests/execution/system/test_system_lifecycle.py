"""How a package becomes the code behind a name."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from ledgernode.errors import (
    BadPackage,
    ChaincodeRefused,
    ContractRefused,
    NotApproved,
    RoleRefused,
    UnknownContract,
    UnknownPackage,
)
from ledgernode.execution.sandbox.package import pack, package_hash
from ledgernode.identity.records import Role
from ledgernode.wire.parameters import Parameters
from tests.execution.system.ledger import Ledger, admin, house

SOURCE = '''"""Says hello."""

from chaincode.api import Context, Contract, query, transaction


class Greeting(Contract):
    """Keeps a word."""

    name = "{name}"
    version = "{version}"

    @transaction
    def say(self, ctx: Context, text: str) -> str:
        """Keep a word."""
        ctx.put("word", text)
        return "{version}: " + text

    @query
    def word(self, ctx: Context) -> str:
        """The word kept."""
        return ctx.get("word") or ""
'''


def packed(directory: Path, *, name: str = "greeting", version: str = "1.0.0") -> bytes:
    path = directory / "greeting.py"
    path.write_text(SOURCE.replace("{name}", name).replace("{version}", version))
    return pack(path)


def install(ledger: Ledger, raw: bytes, *, by: str = "alpha") -> str:
    found = ledger.call(admin(by), "lifecycle", "install", package=base64.b64encode(raw).decode())
    assert found == package_hash(raw)
    return str(found)


def test_the_largest_package_fits_the_default_budget(tmp_path: Path) -> None:
    """It can be installed, and read back, with the numbers that a ledger has by default."""
    room = Parameters().package_bytes - len(packed(tmp_path)) - 8
    path = tmp_path / "greeting.py"
    path.write_text(path.read_text() + "#" * room + "\n")
    raw = pack(path)
    assert Parameters().package_bytes - 8 <= len(raw) <= Parameters().package_bytes
    ledger = Ledger()
    found = install(ledger, raw)
    assert base64.b64decode(ledger.ask("lifecycle", "package", package_hash=found)) == raw


def approve(ledger: Ledger, package: str, *names: str) -> None:
    for name in names:
        ledger.call(admin(name), "lifecycle", "approve", name="greeting", package_hash=package)


def commit(ledger: Ledger, package: str, height: int = 0) -> int:
    return int(ledger.call(admin("alpha"), "lifecycle", "commit", name="greeting", package_hash=package, height=height))


def deploy(ledger: Ledger, raw: bytes, height: int = 0) -> str:
    package = install(ledger, raw)
    approve(ledger, package, "alpha", "beta", "gamma")
    commit(ledger, package, height)
    return package


def test_an_approved_package_answers_from_the_next_block(tmp_path: Path) -> None:
    """Installed, approved by a majority, committed; not before."""
    ledger = Ledger()
    package = install(ledger, packed(tmp_path))
    assert ledger.events["PackageInstalled"] == {
        "name": "greeting",
        "version": "1.0.0",
        "package_hash": package,
        "by": admin("alpha").id,
    }
    approve(ledger, package, "alpha", "beta", "delta")
    assert ledger.events["PackageApproved"]["organisation"] == "delta"
    with pytest.raises(UnknownContract):
        ledger.call(admin("alpha"), "greeting", "say", text="hello")
    height = commit(ledger, package)
    assert height == ledger.height + 1
    assert ledger.events["ContractCommitted"] == {
        "name": "greeting",
        "version": "1.0.0",
        "package_hash": package,
        "height": height,
    }
    assert ledger.call(admin("alpha"), "greeting", "say", text="hello") == "1.0.0: hello"


def test_versions_stand_side_by_side_each_from_its_height(tmp_path: Path) -> None:
    """The old one answers until the block before; state stays."""
    ledger = Ledger()
    first = deploy(ledger, packed(tmp_path))
    ledger.call(admin("alpha"), "greeting", "say", text="kept")
    second = deploy(ledger, packed(tmp_path, version="2.0.0"), height=ledger.height + 8)
    described = ledger.ask("lifecycle", "describe", name="greeting")
    assert [version["package_hash"] for version in described["versions"]] == [first, second]
    from_height = described["versions"][1]["height"]
    while ledger.height + 1 < from_height:
        assert ledger.call(admin("alpha"), "greeting", "say", text="x") == "1.0.0: x"
    assert ledger.call(admin("alpha"), "greeting", "say", text="x") == "2.0.0: x"
    assert ledger.ask("greeting", "word") == "x"
    assert ledger.ask("lifecycle", "list") == [described]


def test_without_enough_approvals_nothing_is_committed(tmp_path: Path) -> None:
    """The refusal says how many there are and how many it takes."""
    ledger = Ledger()
    package = install(ledger, packed(tmp_path))
    approve(ledger, package, "alpha", "beta")
    with pytest.raises(NotApproved, match="2 of the 3 approvals"):
        commit(ledger, package)
    assert ledger.ask("lifecycle", "readiness", name="greeting", package_hash=package) == {
        "ready": False,
        "needed": 3,
        "approved": ["alpha", "beta"],
        "missing": ["delta", "gamma"],
    }
    approve(ledger, package, "gamma")
    assert ledger.ask("lifecycle", "readiness", name="greeting", package_hash=package)["ready"] is True


def test_an_approval_counts_once_and_can_be_taken_back(tmp_path: Path) -> None:
    """Until it is used up."""
    ledger = Ledger()
    package = install(ledger, packed(tmp_path))
    approve(ledger, package, "alpha")
    with pytest.raises(ContractRefused, match=r"lifecycle\.APPROVED_ALREADY"):
        approve(ledger, package, "alpha")
    given = ledger.ask("lifecycle", "approvals", name="greeting", package_hash=package)
    assert [(one["organisation"], one["identity"]) for one in given] == [("alpha", admin("alpha").id)]
    ledger.call(admin("alpha"), "lifecycle", "withdraw", name="greeting", package_hash=package)
    assert "ApprovalWithdrawn" in ledger.events
    assert ledger.ask("lifecycle", "approvals", name="greeting", package_hash=package) == []
    with pytest.raises(NotApproved):
        ledger.call(admin("alpha"), "lifecycle", "withdraw", name="greeting", package_hash=package)


def test_approvals_of_a_suspended_organisation_do_not_count(tmp_path: Path) -> None:
    """The policy is over the active ones."""
    ledger = Ledger()
    package = install(ledger, packed(tmp_path))
    approve(ledger, package, "alpha", "gamma")
    proposal = ledger.call(
        admin("alpha"), "governance", "propose", kind="suspend_organisation", change={"name": "gamma"}
    )
    for name in ("beta", "delta"):
        ledger.call(admin(name), "governance", "approve", proposal=proposal)
    with pytest.raises(NotApproved, match="1 of the 2 approvals"):
        commit(ledger, package)
    approve(ledger, package, "beta")
    commit(ledger, package)


def test_going_back_to_an_older_package_takes_new_approvals(tmp_path: Path) -> None:
    """Committing uses them up, so nobody rolls back alone."""
    ledger = Ledger()
    first = deploy(ledger, packed(tmp_path))
    deploy(ledger, packed(tmp_path, version="2.0.0"))
    with pytest.raises(NotApproved):
        commit(ledger, first)
    approve(ledger, first, "alpha", "beta", "gamma")
    commit(ledger, first)
    assert ledger.call(admin("alpha"), "greeting", "say", text="x") == "1.0.0: x"


def test_what_is_committed_last_is_neither_approved_nor_committed_again(tmp_path: Path) -> None:
    """Nothing would change."""
    ledger = Ledger()
    package = deploy(ledger, packed(tmp_path))
    with pytest.raises(ContractRefused, match=r"lifecycle\.COMMITTED_ALREADY"):
        approve(ledger, package, "alpha")
    with pytest.raises(ContractRefused, match=r"lifecycle\.COMMITTED_ALREADY"):
        commit(ledger, package)


def test_versions_only_go_up_in_height(tmp_path: Path) -> None:
    """Never two for one height, and none so far ahead that it would block the name."""
    ledger = Ledger()
    deploy(ledger, packed(tmp_path), height=50)
    second = install(ledger, packed(tmp_path, version="2.0.0"))
    approve(ledger, second, "alpha", "beta", "gamma")
    for height in (0, 49, 50, ledger.height + 200_000):
        with pytest.raises(ContractRefused, match=r"lifecycle\.WRONG_HEIGHT"):
            commit(ledger, second, height)
    assert commit(ledger, second, 51) == 51


def test_a_package_is_of_one_contract_only(tmp_path: Path) -> None:
    """It cannot be approved or committed under another name."""
    ledger = Ledger()
    package = install(ledger, packed(tmp_path, name="farewell"))
    with pytest.raises(ContractRefused, match=r"lifecycle\.WRONG_NAME"):
        approve(ledger, package, "alpha")


@pytest.mark.parametrize("name", ["identity", "governance", "lifecycle"])
def test_reserved_names_are_refused(tmp_path: Path, name: str) -> None:
    """The ledger's own contracts cannot be replaced by a package."""
    with pytest.raises(BadPackage):
        install(Ledger(), packed(tmp_path, name=name))


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    """Not base64, not a package, too large, installed already."""
    ledger = Ledger()
    for text in ("not base64!", base64.b64encode(b"rubbish").decode(), ""):
        with pytest.raises(BadPackage):
            ledger.call(admin("alpha"), "lifecycle", "install", package=text)
    raw = packed(tmp_path)
    install(ledger, raw)
    with pytest.raises(ContractRefused, match=r"lifecycle\.INSTALLED_ALREADY"):
        install(ledger, raw, by="beta")


def test_code_that_is_not_deterministic_is_refused_with_its_line(tmp_path: Path) -> None:
    """At install, so that nobody approves it."""
    path = tmp_path / "greeting.py"
    source = SOURCE.replace("{name}", "greeting").replace("{version}", "1.0.0")
    path.write_text(source.replace('ctx.put("word", text)', 'ctx.put("word", 1.5)'))
    with pytest.raises(ChaincodeRefused, match=r"greeting\.py"):
        install(Ledger(), pack(path))


def test_installed_packages_can_be_read_by_all(tmp_path: Path) -> None:
    """What an organisation reads before it approves."""
    ledger = Ledger()
    raw = packed(tmp_path)
    package = install(ledger, raw)
    assert base64.b64decode(ledger.ask("lifecycle", "package", package_hash=package)) == raw
    with pytest.raises(UnknownPackage):
        ledger.ask("lifecycle", "package", package_hash="00" * 32)
    with pytest.raises(UnknownPackage):
        approve(ledger, "00" * 32, "alpha")
    with pytest.raises(UnknownContract):
        ledger.ask("lifecycle", "describe", name="greeting")


def test_who_may_do_what(tmp_path: Path) -> None:
    """An operator installs; only admins approve and commit; others do nothing."""
    ledger = Ledger()
    operator, customer = (house("alpha").person(role) for role in (Role.OPERATOR, Role.CUSTOMER))
    for person in (operator, customer):
        ledger.call(admin("alpha"), "identity", "register", certificate=person.certificate)
    text = base64.b64encode(packed(tmp_path)).decode()
    with pytest.raises(RoleRefused):
        ledger.call(customer, "lifecycle", "install", package=text)
    package = ledger.call(operator, "lifecycle", "install", package=text)
    for step in ("approve", "withdraw", "commit"):
        with pytest.raises(RoleRefused):
            ledger.call(operator, "lifecycle", step, name="greeting", package_hash=package)
