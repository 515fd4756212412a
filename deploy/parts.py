"""The list of a release's parts: CycloneDX 1.6 as JSON, from the two lock files and nothing else.

    python -m deploy.parts [-o FILE]       `make parts`

Each part has its name, version, package URL and the hashes of every file that the lock allows; licences are what the
installed packages, and npm's lock, say of themselves. `scope` is what a part is for: `required` runs in a node or
gateway or is in the console, `optional` belongs to an extra, `excluded` only builds and tests.

It is written here because no tool has all of it: those that read `requirements.lock` know no licences, those that read
an environment know no hashes. The same locks make the same bytes, but for the licences of what is not installed.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

ROOT: Final = Path(__file__).parent.parent
LOCK: Final = ROOT / "requirements.lock"
RUN_LOCK: Final = ROOT / "deploy" / "requirements.lock"
NPM_LOCK: Final = ROOT / "gateway" / "web" / "package-lock.json"
OPTIONAL: Final = ("community", "hsm")
"""Extras that the image does not have."""

_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_VIA: Final = re.compile(r"^    # (?:via |  )\s*(\S+)")
_ALGORITHMS: Final = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
_SPDX: Final = re.compile(r"(?!SEE )[A-Za-z0-9.+() -]+")
_LONGEST_NAME: Final = 100


def document() -> dict[str, Any]:
    """Sorted by package URL, so that two lists can be compared line by line."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": f"pkg:pypi/{project['name']}@{project['version']}",
                "name": project["name"],
                "version": project["version"],
                "purl": f"pkg:pypi/{project['name']}@{project['version']}",
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": sorted([*python_parts(), *console_parts()], key=lambda part: str(part["purl"])),
    }


# ---------------------------------------------------------------- Python


def python_parts() -> Iterator[dict[str, Any]]:
    pins = dict(read_lock(LOCK))
    needed = dict(read_lock(RUN_LOCK))
    optional = _reached(_roots_of(OPTIONAL))
    for (name, version), hashes in pins.items():
        scope = "required" if (name, version) in needed else "optional" if name in optional else "excluded"
        files = [{"alg": "SHA-256", "content": one} for one in hashes]
        purl = f"pkg:pypi/{name}@{quote(version)}"
        yield _part(purl, name=name, version=version, scope=scope, licenses=_licence(name), hashes=files)


def read_lock(path: Path) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """Name and version with the hashes of every file that may be installed; refuses a pin without."""
    for block in re.split(r"\n(?=[A-Za-z0-9])", path.read_text()):
        pin = _PIN.match(block)
        if pin is None:
            continue
        hashes = _HASH.findall(block)
        if not hashes:
            raise ValueError(f"{path}: {pin[1]} has no hash")
        yield (pin[1].lower(), pin[2]), hashes


def _roots_of(extras: tuple[str, ...]) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = (entry for extra in extras for entry in project["optional-dependencies"][extra])
    return {re.split(r"[^A-Za-z0-9._-]", entry)[0].lower() for entry in asked}


def _reached(roots: set[str]) -> set[str]:
    """They and whatever is in the lock because of them; the lock says of each part who wants it."""
    wanted_by = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", LOCK.read_text()):
        if pin := _PIN.match(block):
            wanted_by[pin[1].lower()] = {found[1] for line in block.splitlines() if (found := _VIA.match(line))}
    reached = set(roots)
    while more := {name for name, by in wanted_by.items() if by & reached} - reached:
        reached |= more
    return reached


def _licence(name: str) -> list[dict[str, Any]]:
    """As the installed package says; none where it is not installed on this machine or says nothing."""
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return []
    if expression := said.get("License-Expression"):
        return [{"expression": expression}]
    classified = [
        classifier.rpartition(" :: ")[2]
        for classifier in said.get_all("Classifier") or ()
        if classifier.startswith("License :: ")
    ]
    named = (said.get("License") or "").strip()
    brief = bool(named) and len(named) <= _LONGEST_NAME and "\n" not in named
    return [{"license": {"name": one}} for one in ([named] if brief else classified)]


# ---------------------------------------------------------------- the console


def console_parts() -> Iterator[dict[str, Any]]:
    lock = json.loads(NPM_LOCK.read_text())
    seen: dict[str, dict[str, Any]] = {}
    for path, entry in lock["packages"].items():
        if not path or entry.get("link"):
            continue
        name = entry.get("name") or path.rpartition("node_modules/")[2]
        scope = "excluded" if entry.get("dev") else "optional" if entry.get("optional") else "required"
        # npm's package URLs write a scope's @ as %40
        purl = f"pkg:npm/{quote(name, safe='/')}@{quote(entry['version'])}"
        part = _part(
            purl,
            name=name,
            version=entry["version"],
            scope=scope,
            licenses=_expression(entry.get("license", "")),
            hashes=list(_integrity(path, entry)),
        )
        before = seen.setdefault(purl, part)
        if before["scope"] == "excluded" and scope != "excluded":
            seen[purl] = part  # the same package twice in the tree: what it is needed for counts
    yield from seen.values()


def _integrity(path: str, entry: dict[str, Any]) -> Iterator[dict[str, str]]:
    if "integrity" not in entry:
        raise ValueError(f"{NPM_LOCK}: {path} has no hash")
    for one in entry["integrity"].split():
        algorithm, _, content = one.partition("-")
        yield {"alg": _ALGORITHMS[algorithm], "content": base64.b64decode(content).hex()}


def _expression(licence: str) -> list[dict[str, Any]]:
    """What npm has is an expression of SPDX names, or a sentence about a file."""
    if not licence:
        return []
    return [{"expression": licence}] if _SPDX.fullmatch(licence) else [{"license": {"name": licence}}]


# ---------------------------------------------------------------- both


def _part(purl: str, *, licenses: list[dict[str, Any]], **facts: Any) -> dict[str, Any]:
    part = {"type": "library", "bom-ref": purl, "purl": purl, **facts}
    return {**part, "licenses": licenses} if licenses else part


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("-o", "--output", type=Path, help="file to write (default: print)")
    output = arguments.parse_args().output
    text = json.dumps(document(), indent=2, ensure_ascii=False) + "\n"
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
