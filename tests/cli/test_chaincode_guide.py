"""docs/chaincode.md, followed by somebody who has nothing else: every command of it, in order, on a running node."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ledgernode.local.node import LocalNode
from tests.chaincode.test_guide import blocks, commands, edited
from tests.cli.command_line import done
from tests.ports import fresh_port

pytestmark = pytest.mark.slow

DIGITS = re.compile(r"\b[0-9a-f]{64}\b")
CONTRACT = "register_book.py"


def test_the_guide_leads_to_a_deployed_and_upgraded_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written, checked, deployed, called, proven and upgraded, while the node runs on."""
    monkeypatch.chdir(tmp_path)
    known: dict[str, str] = {}
    node: LocalNode | None = None
    try:
        for line in commands():
            words = [known.get(word, word) for word in shlex.split(line.partition("  #")[0])[1:]]
            text = " ".join(words)
            if text.startswith("chaincode check"):
                (tmp_path / CONTRACT).write_text(blocks("file")[CONTRACT])
            elif text.startswith("chaincode package") and "HASH" in known:
                path = tmp_path / CONTRACT
                path.write_text(edited(path.read_text(), blocks("edit")[CONTRACT]))
            elif text.startswith("network init"):
                words += ["--base-port", str(fresh_port())]
            if text.startswith("node run"):
                node = LocalNode(tmp_path / words[-1])
                node.wait_until_serving()
                continue
            told = done(*(word.replace("METER", known.get("METER", "METER")) for word in words)).out
            found = DIGITS.findall(told)
            if text.startswith("chaincode package"):
                known["HASH"] = found[0]
            elif text.startswith("identity enroll meter-1"):
                known["METER"] = found[0]
            elif text.startswith("tx submit register_book record"):
                known["TRANSACTION"] = found[0]
        assert node is not None
        versions = done("query", "lifecycle", "describe", '{"name": "register_book"}', "--json").document["result"]
        assert [version["version"] for version in versions["versions"]] == ["1.0.0", "1.1.0"]
        meter = f'{{"meter": "{known["METER"]}"}}'
        book = done("query", "register_book", "meter", meter, "--json").document["result"]
        assert (book["place"], book["energy_mwh"], book["moves"]) == ("Mill Lane 1", 1500, 1)
        assert node.stop() == 0
        assert "the chain holds" in done("verify", "ledgernode-network/nodes/north-1").out
    finally:
        if node is not None:
            node.stop()
