"""Ways out of Python sandboxes that are known: each is refused at install, with line and reason."""

from __future__ import annotations

import pytest

from ledgernode.errors import ContractFault, LedgerError
from ledgernode.execution.sandbox.meter import Meter
from tests.execution.sandbox.workbench import HEAD, findings, load, rules_broken, samples, source_of

ESCAPES = samples("escapes.txt")

AT_MODULE_LEVEL = samples("escapes_of_modules.txt")

THING = "class Thing(Record):\n    a: int = 0\n"


@pytest.mark.parametrize("name", ESCAPES)
def test_known_escape_is_refused_with_its_line(name: str) -> None:
    """The finding names the file, the line within the function, the rule and a reason."""
    body, rule = ESCAPES[name]
    text = source_of(body, top=THING)
    lines = text.splitlines()
    first_line = lines.index("        " + body) + 1 if "        " + body in lines and rule != "syntax" else 1
    found = [finding for finding in findings(text) if finding.rule == rule]
    assert found
    assert all(finding.file == "main.py" and finding.line >= first_line and finding.reason for finding in found)


@pytest.mark.parametrize("name", AT_MODULE_LEVEL)
def test_module_level_trick_is_refused(name: str) -> None:
    """Modules hold imports, constants, functions and classes, and nothing that a call could change."""
    text, rule = AT_MODULE_LEVEL[name]
    assert rule in rules_broken("return 1", top=text)


AT_RUN_TIME = samples("escapes_at_run_time.txt")


@pytest.mark.parametrize("name", AT_RUN_TIME)
def test_what_only_running_shows_fails_the_call(name: str) -> None:
    """It ends as one failed call, and changes nothing for the next one."""
    top = THING + "TABLE = {'a': 1}\ndef helper():\n    return 1\n"
    contract = load(AT_RUN_TIME[name][0], top=top)
    with pytest.raises(LedgerError) as caught:
        contract.call("run", object(), b"{}", Meter(10_000))
    assert caught.value.code in ("CONTRACT_FAULT", "VALUE_INVALID")


def test_fault_names_the_line_and_not_the_interpreters_words() -> None:
    """The message is ours: the contract, file and line. The cause is for the node's log."""
    contract = load("x = 1\nreturn x // (x - 1)")
    with pytest.raises(ContractFault, match=r"^the code of sample failed at main\.py:11$") as caught:
        contract.call("run", None, b"{}", Meter(10_000))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_reasons_teach() -> None:
    """A reason says what to write instead."""
    (finding,) = findings(source_of("return 1 / 2"))
    assert finding.reason == "/ makes a fraction: write // and say where the remainder goes"
    assert str(finding) == f"main.py:{finding.line}: [division] {finding.reason}"


def test_syntax_error_is_one_finding() -> None:
    """What is not Python is refused in our words."""
    (finding,) = findings(HEAD + "\ndef f(:\n")
    assert (finding.line, finding.rule, finding.reason) == (3, "syntax", "this is not Python 3.11")
