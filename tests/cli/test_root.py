"""The command tree: quick to start, complete, open to other packages, and clear when it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from ledgernode.cli import root
from ledgernode.errors import ContractRefused, DiskFull, MempoolFull, UnknownIdentity, leaves


def run(*arguments: str, **extra: Any) -> Any:
    return CliRunner().invoke(root.main, list(arguments), **extra)


def every_command(group: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of all commands that do something."""
    if not isinstance(group, click.Group):
        return [path]
    context = click.Context(group)
    found: list[tuple[str, ...]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found += every_command(command, (*path, name))
    return found


COMMANDS = every_command(root.main)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    """--help of each command has a sentence of what it does, and its options are described."""
    result = run(*path, "--help")
    assert result.exit_code == 0, result.output
    command: click.Command = root.main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), name) or command
    assert len((command.help or "").split()) >= 3
    assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_the_tree_has_the_commands_of_the_guide() -> None:
    """Nothing of the promised command line is missing."""
    promised = {
        "org": "init root issuing bundle",
        "wallet": "new recover",
        "identity": "new csr sign accept enroll protect register list show suspend resume revoke rotate rekey "
        "rotate-tls",
        "genesis": "assemble check accept",
        "network": "init run",
        "bench": "put hot clearing bills",
        "gateway": "run refused commands broker-files",
        "gateway device": "add list remove",
        "community": "list check run measure",
        "fleet": "enrol run count",
        "house": "new run village bus tie trade demand",
        "market": "clear",
        "forecast": "day score anomalies",
        "trade": "run",
        "node": "new join list drop prepare run status",
        "chaincode": "new check describe package install approve commit deploy list show",
        "governance": "admit join propose approve reject withdraw list show parameters policy validators",
        "evidence": "list show",
        "tx": "submit show",
        "block": "show list",
        "proof": "get check",
        "backup": "create list verify restore survey",
        "snapshot": "create list restore",
        "meter": "accuracy new run ciu",
        "readmodel": "run rebuild status schema",
        "sts": "mint decode",
        "vending": "run purchases module",
        "vending keystore": "new protect show",
        "vending partner": "add list remove",
        "": "backtest query events verify audit doctor log-level completion demo",
    }
    expected = {f"{group} {name}".strip() for group, names in promised.items() for name in names.split()}
    assert expected == {" ".join(path) for path in COMMANDS}


def test_help_starts_fast() -> None:
    """The list of commands needs none of the commands' modules."""
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom ledgernode.cli.root import main\n"
        "assert 'Found a ledger' in CliRunner().invoke(main, ['--help']).output\n"
        "heavy = {'grpc', 'cryptography', 'rich', 'lmdb', 'numpy', 'msgspec'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    began = time.perf_counter()
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 0, ended.stderr
    assert time.perf_counter() - began < 5  # a loose bound for a busy machine; the imports are the rule


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_names_the_program(shell: str) -> None:
    """The script of each shell calls back the program."""
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_LEDGERNODE_COMPLETE" in result.output


def test_completion_offers_commands_of_a_group() -> None:
    """What the shell asks for while typing is answered from the tree."""
    environment = {"_LEDGERNODE_COMPLETE": "bash_complete", "COMP_WORDS": "ledgernode proof ", "COMP_CWORD": "2"}
    result = run(env=environment)
    assert {"plain,get", "plain,check"} <= set(result.output.split())
    environment = {"_LEDGERNODE_COMPLETE": "bash_complete", "COMP_WORDS": "ledgernode gov", "COMP_CWORD": "1"}
    assert run(env=environment).output.split() == ["plain,governance"]


@click.command()
@click.argument("outcome")
@click.option("--json", "as_json", is_flag=True)
def probe(outcome: str, as_json: bool) -> None:
    """A command of another package, that ends as it is told."""
    match outcome:
        case "full":
            raise MempoolFull("no room", retry_after_ms=250, transaction_id=b"\x01\x02")
        case "unknown":
            raise UnknownIdentity
        case "refused":
            raise ContractRefused("too little", code="currency.FUNDS")
        case "disk":
            raise DiskFull
        case "bug":
            raise TypeError("a slip")
        case "interrupt":
            raise KeyboardInterrupt
        case "interrupted on the way out":
            try:
                raise KeyboardInterrupt
            finally:
                raise RuntimeError("could not be closed")
        case "file":
            Path("/nowhere/at/all").read_bytes()
    click.echo("fine")


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a package with the entry point `probe` were installed."""
    entry = EntryPoint("probe", f"{__name__}:probe", root.PLUGINS)
    monkeypatch.setattr(EntryPoint, "load", lambda self: probe)
    monkeypatch.setattr(root, "entry_points", lambda group: [entry] if group == root.PLUGINS else [])


@pytest.mark.usefixtures("plugin")
class TestPlugIn:
    def test_command_of_another_package_runs(self) -> None:
        """An entry point of the group is a command like any other, and stands in the list."""
        assert run("probe", "well").output == "fine\n"
        assert "From other packages" in run("--help").output

    def test_plug_in_cannot_replace_a_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A name of our own wins."""
        entry = EntryPoint("verify", f"{__name__}:probe", root.PLUGINS)
        monkeypatch.setattr(root, "entry_points", lambda group: [entry])
        assert "chain" in run("verify", "--help").output

    @pytest.mark.parametrize(
        ("outcome", "code", "exit_code"),
        [
            ("full", "MEMPOOL_FULL", 7),
            ("unknown", "IDENTITY_UNKNOWN", 5),
            ("refused", "currency.FUNDS", 6),
            ("disk", "DISK_FULL", 10),
            ("bug", "INTERNAL", 10),
            ("file", "INVALID", 2),
        ],
    )
    def test_exit_code_says_the_kind(self, outcome: str, code: str, exit_code: int) -> None:
        """The exit code is the error's kind; text and JSON carry the same stable code on standard error."""
        text = run("probe", outcome)
        assert (text.exit_code, text.stdout) == (exit_code, "")
        assert text.stderr.startswith(f"error {code}: ")
        document = json.loads(run("probe", outcome, "--json").stderr)
        assert document["error"]["code"] == code
        assert set(document["error"]) == {"code", "message", "facts"}

    def test_facts_are_json(self) -> None:
        """The facts of an error are told, bytes as hex."""
        document = json.loads(run("probe", "full", "--json").stderr)
        assert document["error"]["facts"] == {"retry_after_ms": 250, "transaction_id": "0102"}

    def test_error_says_what_to_do(self) -> None:
        """Under the error stands a way on."""
        assert "identity list" in run("probe", "unknown").stderr

    def test_traceback_only_on_request(self) -> None:
        """A slip of ours is one line for an operator, and a traceback for who asks with --debug."""
        quiet = run("probe", "bug")
        assert "Traceback" not in quiet.stderr
        assert isinstance(quiet.exception, SystemExit)
        assert isinstance(run("--debug", "probe", "bug").exception, TypeError)
        assert isinstance(run("probe", "bug", env={"LEDGERNODE_DEBUG": "1"}).exception, TypeError)

    @pytest.mark.parametrize("how", ["interrupt", "interrupted on the way out"])
    def test_interrupt_is_no_failure_of_ours(self, how: str) -> None:
        """Ctrl-C ends with 130 and one word, whatever else could not be finished."""
        result = run("probe", how)
        assert (result.exit_code, result.stderr.strip()) == (130, "interrupted")


def test_mistyped_command_line_is_the_callers() -> None:
    """Usage errors have the exit code of the kind `Invalid`, and with --json its form."""
    assert run("no-such-command").exit_code == 2
    result = run("completion", "tcsh", "--json")
    assert json.loads(result.stderr)["error"]["code"] == "INVALID"
    assert result.exit_code == 2


def test_operator_guide_lists_every_exit_code() -> None:
    """What the guide says of exit codes is what the error tree has."""
    guide = (Path(__file__).parents[2] / "docs" / "operator.md").read_text(encoding="utf-8")
    listed = {int(code) for code in re.findall(r"^\| (\d+) \| ", guide, re.MULTILINE)}
    assert listed == {0, 130} | {error.exit_code for error in leaves()}
