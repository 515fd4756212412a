"""A living ledger to look at: four organisations with a validator each, people, two contracts, blocks arriving.

The first start founds a network in a folder; later ones go on from its height. Everything it does,
anyone can do with the commands that it prints.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import click

from ledgernode.cli.connection import ADMIN, Connection
from ledgernode.cli.documents import status_document
from ledgernode.cli.ending import until_interrupted
from ledgernode.cli.genesis import ENGINES
from ledgernode.cli.output import counted, drawn, short, size, table
from ledgernode.cli.standing import of_engine
from ledgernode.errors import BadRequest

if TYPE_CHECKING:
    from ledgernode.cli.ask import Speaker
    from ledgernode.local.network import LocalNetwork
    from ledgernode.wire.types import TransactionId

ORGANISATIONS: Final = ("north", "south", "east", "west")
ENGINE: Final = "pbft"
OPTIONS: Final = {"pow": {"interval_ms": 250, "depth_blocks": 3, "first_target_bits": 17}}
"""Someone is looking: blocks a little faster than a ledger would have them."""
LEDGER: Final = "demo"
NOTICES: Final = "notice_board"
PEOPLE: Final = {"operator-1": "operator", "customer-1": "customer", "customer-2": "customer"}
CODE, DIGITS, APPROVAL_ABOVE_MINOR = "EUR", 2, 1_000_00
OPENING_MINOR: Final = 100_00
FIRST_PAYMENTS: Final = 4
BURST: Final = 1_000
BURST_BUDGET: Final = 20_000
PACE_S: Final = 0.3
LOOK_EVERY_S: Final = 0.25
PAY_EVERY_S: Final = 4.0


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=Path("demo"))
@click.option("--engine", type=click.Choice(ENGINES), help=f"How a new ledger orders blocks.  [default: {ENGINE}]")
@click.option("--seconds", type=click.FloatRange(0), help="End by itself after this time (default: at Ctrl-C).")
def demo(directory: Path, engine: str | None, seconds: float | None) -> None:
    """Start a ledger of four organisations in DIRECTORY and show it at work, until Ctrl-C. Start it again: it goes on.

    \b
    ledgernode demo
    ledgernode demo /tmp/demo --engine pow --seconds 20
    """
    ends = time.monotonic() + seconds if seconds is not None else None
    with until_interrupted(), ExitStack() as opened:
        Demo(directory, engine, opened).run(ends)
    click.echo(f"\nStopped. The ledger is in {directory}; start it again with the same command.")


class Demo:
    """One showing, on a network that is founded or started again here. What it opens, `opened` closes."""

    def __init__(self, directory: Path, engine: str | None, opened: ExitStack) -> None:
        from ledgernode.cli.ask import Speaker
        from ledgernode.cli.members import id_of
        from ledgernode.cli.narration import Narrator

        self.directory = directory
        self.at = _network(directory, engine)
        self.nodes = _start_nodes(directory, opened)
        self.admin = opened.enter_context(Speaker(self.at))
        self.begins_at = self.admin.ledger.facts().height
        self.ids = {name: self._register(name, role) for name, role in PEOPLE.items()}
        names = {identity: name for name, identity in self.ids.items()}
        admins = {id_of(self.at, f"{name}/{ADMIN}"): f"{name}/{ADMIN}" for name in ORGANISATIONS}
        self.narrator = Narrator({**names, **admins}, DIGITS, following=self.begins_at + 1)
        self.payments = 0
        self.operator = opened.enter_context(self.at.open_node(self.at.own_endpoints[0]))
        self.engine_at: tuple[object, ...] = ()
        self._opened = opened
        self._speakers: dict[str, Speaker] = {}

    def run(self, ends: float | None) -> None:
        engine, count = self.at.network.engine, len(self.nodes.nodes)
        _title(f"Ledger {self.at.ledger} of {', '.join(ORGANISATIONS)}, at block {self.begins_at}")
        processes = "a process of its own" if count == 1 else "each a process of its own"
        click.echo(f"  Ordered by {engine}; {counted(count, 'validator')}, {processes}.")
        self._tell_engine(always=True)
        self._deploy()
        _title("Blocks arrive")
        self.narrator.tell_new_blocks(self.admin.ledger)
        for _ in range(FIRST_PAYMENTS):
            paid = self._pay()
            self.narrator.tell_new_blocks(self.admin.ledger)
            time.sleep(PACE_S)
        self._write_notice()
        self.narrator.tell_new_blocks(self.admin.ledger)
        proof = self._prove(paid)
        self._burst()
        self._next_steps(paid, proof)
        _title("Live, with a payment now and then" + (" (Ctrl-C ends it)" if ends is None else ""))
        self._stay(ends)

    def _stay(self, ends: float | None) -> None:
        """Show what happens, whoever causes it, until the end."""
        pays_at = time.monotonic() + PAY_EVERY_S
        while ends is None or time.monotonic() < ends:
            if time.monotonic() >= pays_at:
                self._pay()
                pays_at = time.monotonic() + PAY_EVERY_S
            self.nodes.check()
            self.narrator.tell_new_blocks(self.admin.ledger)
            self._tell_engine()
            time.sleep(LOOK_EVERY_S)

    # ------------------------------------------------------------ steps

    def _register(self, name: str, role: str) -> str:
        """A person of the first organisation, with keys of their own; known to the ledger from here on."""
        from ledgernode.cli.clock import now_ms
        from ledgernode.cli.members import register_all
        from ledgernode.identity.authority import read_pem_file
        from ledgernode.identity.identity_files import CERTIFICATE
        from ledgernode.identity.organisation import identity_directory, new_identity
        from ledgernode.identity.records import Role

        folder = identity_directory(self.at.organisation_directory, name)
        if not (folder / CERTIFICATE).exists():
            new_identity(self.at.organisation_directory, name, Role(role), now_ms=now_ms())
        (identity,) = register_all(self.at, [read_pem_file(folder / CERTIFICATE)])
        return identity

    def _deploy(self) -> None:
        """The currency and a notice board, approved by every organisation; money for the two customers."""
        committed = {contract["name"] for contract in self.admin.ask("lifecycle", "list")}
        if "currency" not in committed:
            self._deploy_contract(_chaincode_file("currency.py"))
            self.admin.submit(
                "currency", "establish", code=CODE, digits=DIGITS, approval_above_minor=APPROVAL_ABOVE_MINOR
            )
            for customer in ("customer-1", "customer-2"):
                self._as("operator-1").submit(
                    "currency", "mint", account=self.ids[customer], amount_minor=OPENING_MINOR, purpose="opening"
                )
        if NOTICES not in committed:
            self._deploy_contract(None)

    def _deploy_contract(self, file: Path | None) -> None:
        from ledgernode.cli import template
        from ledgernode.cli.chaincode import deploy_package
        from ledgernode.cli.packaging import checked_package

        if file is not None:
            deployed = deploy_package(self.at, checked_package(file))
        else:
            with TemporaryDirectory() as folder:
                written = Path(folder) / f"{NOTICES}.py"
                written.write_text(template.contract(NOTICES), encoding="utf-8")
                deployed = deploy_package(self.at, checked_package(written))
        click.echo(f"  {deployed['name']} {deployed['version']}, approved by {', '.join(ORGANISATIONS)}")

    def _pay(self) -> TransactionId:
        """One customer pays the other, in turns, so that it can go on for ever."""
        payer, payee = ("customer-1", "customer-2") if self.payments % 2 == 0 else ("customer-2", "customer-1")
        amount = 100 + 25 * (self.payments // 2 % 8)
        self.payments += 1
        payee_id = self.ids[payee]
        return (
            self._as(payer)
            .submit("currency", "transfer", to=payee_id, amount_minor=amount, purpose="energy")
            .transaction_id
        )

    def _write_notice(self) -> None:
        entry = f"notice-{self.admin.ledger.facts().height}"
        self._as("customer-2").submit(NOTICES, "write", entry=entry, text="Anyone can check this ledger.")

    def _burst(self) -> None:
        """Many small payments at once, and what the nodes take before, meanwhile and after."""
        from ledgernode.local.usage import MemoryPeak

        _title(f"{BURST:,} payments at once")
        before = self._usage()
        ledger, signed = self._as("customer-1").ledger, []
        for number in range(BURST):  # there and back, so that it can go on for ever
            payer, payee = ("customer-1", "customer-2") if number % 2 == 0 else ("customer-2", "customer-1")
            arguments = {"to": self.ids[payee], "amount_minor": 1, "purpose": "energy"}
            signer = self._as(payer).signer
            signed.append(signer.transaction("currency", "transfer", arguments, budget=BURST_BUDGET))
        process_ids = {name: node.process_id for name, node in self.nodes.nodes.items()}
        begun = time.monotonic()
        with MemoryPeak(process_ids) as peak:
            committed = sum(outcome.succeeded for outcome in ledger.submit_many(signed))
        taken_s = time.monotonic() - begun
        click.echo(f"  {committed:,} committed in {taken_s:.1f} s: in blocks that {self._majority()} certified.\n")
        after = self._usage()
        columns = ("node", "memory at rest", "under load", "afterwards", "disk before", "disk afterwards")
        rows = []
        for name in process_ids:
            (rest, disk_before), (left, disk_after) = before[name], after[name]
            rows.append((name, *map(size, (rest, peak.memory_bytes[name], left, disk_before, disk_after))))
        click.echo(f"{drawn(table(columns, rows, numbers=columns[1:]), indent='  ')}\n")
        self._tell_engine(always=True)
        self.narrator.tell_new_blocks(self.admin.ledger)

    def _majority(self) -> str:
        from ledgernode.wire.quorum import quorum

        count = len(self.nodes.nodes)
        return "its validator" if count == 1 else f"{quorum(count)} of {count} validators"

    def _usage(self) -> dict[str, tuple[int, int]]:
        """Memory and disk of each node, in bytes."""
        from ledgernode.local.usage import disk_bytes, usage

        nodes = self.nodes.nodes.items()
        return {name: (usage(node.process_id).memory_bytes, disk_bytes(node.home)) for name, node in nodes}

    def _tell_engine(self, *, always: bool = False) -> None:
        """Who leads, or what is mined: when asked, and when another leads or the target has moved."""
        (ledger,) = status_document(self.operator.status())["ledgers"]
        place = (ledger["view"], ledger["leader"], ledger["block_hashes"])
        if (always or place != self.engine_at) and (told := of_engine(ledger)):
            click.echo(f"  {click.style(told, dim=True)}")
        self.engine_at = place

    def _prove(self, paid: TransactionId) -> Path:
        """Fetch the proof of a payment, and check it with nothing but the genesis file."""
        from ledgernode.proof import check_proof

        file = self.directory / "payment.proof.json"
        file.write_bytes(self.admin.ledger.proof(paid))
        checked = check_proof(file.read_bytes(), self.at.genesis_bytes)
        _title("A proof, checked offline")
        size = file.stat().st_size
        click.echo(f"  {file}, {size} bytes: payment {short(paid.hex())} stands in block {checked.height}.")
        click.echo("  It holds against the genesis file alone: no node was asked.")
        return file

    def _next_steps(self, paid: TransactionId, proof: Path) -> None:
        program, network = _program(), f"--network {shlex.quote(str(self.directory))}"
        payment = shlex.quote(json.dumps({"to": self.ids["customer-2"], "amount_minor": 125}))
        home = shlex.quote(str(self.directory / self.at.network.nodes[0].home))
        account = shlex.quote(json.dumps({"account": self.ids["customer-2"]}))
        steps = {
            "how it stands": f"node status {network}",
            "the newest block": f"block show latest {network}",
            "who is known": f"identity list {network}",
            "pay": f"tx submit currency transfer {payment} --as north/customer-1 {network}",
            "look a payment up": f"tx show {paid.hex()} {network}",
            "a balance": f"query currency balance {account} --as north/customer-2 {network}",
            "what happens, live": f"events --follow {network}",
            "check the proof": f"proof check {proof} --genesis {self.directory / 'genesis.json'}",
            "a contract of yours": "chaincode new my_contract --into my_contract",
            "put it on the ledger": f"chaincode deploy my_contract/my_contract.py {network}",
            "check it all, once this has ended": f"verify {home}",
            "check the money, once this has ended": f"audit {home}",
        }
        _title("Try next, in another terminal")
        for what, command in steps.items():
            click.echo(f"  {click.style(f'# {what}', dim=True)}\n  {program} {command}")

    def _as(self, name: str) -> Speaker:
        from ledgernode.cli.ask import Speaker

        if name not in self._speakers:
            self._speakers[name] = self._opened.enter_context(Speaker(self.at.speaking_as(ORGANISATIONS[0], name)))
        return self._speakers[name]


# ---------------------------------------------------------------- a network and its nodes


def _network(directory: Path, engine: str | None) -> Connection:
    """The network of the folder; founded now, on ports that are free now, where there is none."""
    from ledgernode.cli.clock import now_ms
    from ledgernode.identity.founding import NETWORK, found_network
    from ledgernode.local.node import free_ports
    from ledgernode.wire.parameters import Parameters

    if not (directory / NETWORK).exists():
        found_network(
            directory,
            organisations=ORGANISATIONS,
            ledger=LEDGER,
            engine=engine or ENGINE,
            base_port=free_ports(len(ORGANISATIONS)),
            parameters=Parameters(),
            now_ms=now_ms(),
            options=OPTIONS.get(engine or ENGINE),
        )
    at = Connection(network_option=directory, who=f"{ORGANISATIONS[0]}/{ADMIN}")
    if engine not in {None, at.network.engine}:
        raise BadRequest(f"the ledger in {directory} is ordered by {at.network.engine}: name another folder")
    return at


def _start_nodes(directory: Path, opened: ExitStack) -> LocalNetwork:
    """Every node of the network, serving; stopped when `opened` is."""
    from ledgernode.local.network import LocalNetwork

    running = opened.enter_context(LocalNetwork(directory))
    running.wait_until_serving()
    return running


def _chaincode_file(name: str) -> Path:
    import chaincode

    assert chaincode.__file__ is not None, "contracts are installed as files"
    return Path(chaincode.__file__).parent / name


# ---------------------------------------------------------------- saying it


def _title(text: str) -> None:
    click.echo(f"\n{click.style(text, bold=True)}")


def _program() -> str:
    """How the reader starts this same program from the folder they are in."""
    if shutil.which("ledgernode") and "VIRTUAL_ENV" in os.environ:
        return "ledgernode"
    beside = Path(sys.executable).with_name("ledgernode")
    if not beside.exists():
        return f"{shlex.quote(sys.executable)} -m ledgernode.cli"
    return shlex.quote(str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside))
