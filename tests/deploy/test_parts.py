"""The list of a release's parts: whatever the locks name is in it, with every hash."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from deploy import parts

ROOT = Path(__file__).parent.parent.parent
HEX = {"SHA-256": 64, "SHA-384": 96, "SHA-512": 128}


@pytest.fixture(scope="module")
def listed() -> dict[str, Any]:
    return parts.document()


def by_url(listed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {part["purl"]: part for part in listed["components"]}
    assert len(found) == len(listed["components"]), "a part stands once"
    return found


def test_every_pin_of_the_lock_is_there_with_every_hash(listed: dict[str, Any]) -> None:
    """Counted by another reading of the file than the list's own: line by line."""
    found, pins, hashes = by_url(listed), 0, 0
    part: dict[str, Any] = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if pin := re.match(r"([a-zA-Z0-9._-]+)==(\S+)", line):
            part = found[f"pkg:pypi/{pin[1]}@{pin[2]}"]
            pins += 1
        elif digest := re.search(r"--hash=sha256:(\w+)", line):
            assert {"alg": "SHA-256", "content": digest[1]} in part["hashes"]
            hashes += 1
    python = [part for url, part in found.items() if url.startswith("pkg:pypi/")]
    assert (len(python), sum(len(part["hashes"]) for part in python)) == (pins, hashes)
    assert pins > 100


def test_every_package_of_the_console_is_there_with_its_hash(listed: dict[str, Any]) -> None:
    """npm's own integrity, in hexadecimal."""
    found, seen = by_url(listed), set()
    for path, entry in json.loads((ROOT / "gateway/web/package-lock.json").read_text())["packages"].items():
        if path:
            name = path.rpartition("node_modules/")[2].replace("@", "%40")
            part = found[f"pkg:npm/{name}@{entry['version']}"]
            assert base64.b64decode(entry["integrity"].removeprefix("sha512-")).hex() == part["hashes"][0]["content"]
            seen.add(part["purl"])
    assert seen == {url for url in found if url.startswith("pkg:npm/")}
    assert len(seen) > 100


def test_every_part_is_whole(listed: dict[str, Any]) -> None:
    """Hashes of the right length, a scope, and a licence wherever the package is installed here."""
    for part in listed["components"]:
        assert all(re.fullmatch(rf"[0-9a-f]{{{HEX[one['alg']]}}}", one["content"]) for one in part["hashes"])
        assert part["scope"] in {"required", "optional", "excluded"}
    without = {part["name"] for part in listed["components"] if not part.get("licenses")}
    assert without <= {"colorama", "pywin32", "winloop"}, "parts for other systems are not installed here"


def test_what_runs_is_told_from_what_builds_and_tests(listed: dict[str, Any]) -> None:
    """By the image's own lock, by the extras, and by npm."""
    scopes = {part["name"]: part["scope"] for part in listed["components"]}
    told = {name: scopes[name] for name in ("cryptography", "fastapi", "react", "textual", "python-pkcs11", "vite")}
    assert told == {
        "cryptography": "required",
        "fastapi": "required",
        "react": "required",
        "textual": "optional",
        "python-pkcs11": "optional",
        "vite": "excluded",
    }
    assert scopes["asn1crypto"] == "optional", "what comes with an extra is of it"
    assert scopes["pytest"] == "excluded"


def test_a_part_without_a_hash_is_refused(tmp_path: Path) -> None:
    """Such a list would say less than it seems to."""
    lock = tmp_path / "requirements.lock"
    lock.write_text("safe==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\nloose==2.0\n    # via safe\n")
    with pytest.raises(ValueError, match="loose has no hash"):
        list(parts.read_lock(lock))


def test_the_same_locks_make_the_same_list(listed: dict[str, Any]) -> None:
    """No time, no random number: a release can be compared with the one before."""
    assert json.dumps(parts.document()) == json.dumps(listed)
    assert listed["bomFormat"] == "CycloneDX"
    assert (listed["metadata"]["component"]["name"], listed["specVersion"]) == ("ledgernode", "1.6")
