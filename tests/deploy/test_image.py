"""The image holds what was tested, and nothing runs in it as root."""

from __future__ import annotations

import re
import tomllib

from tests.deploy.rendered import ROOT

PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)
NAME = re.compile(r"^[A-Za-z0-9._-]+")


def pins(path: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / path).read_text(encoding="utf-8")))


def test_the_image_has_the_versions_that_are_tested() -> None:
    """Its lock is part of ours, and has all that nodes and gateways need (`make lock` writes both)."""
    image, ours = pins("deploy/requirements.lock"), pins("requirements.lock")
    assert {name: version for name, version in image.items() if ours.get(name) != version} == {}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["gateway"]]
    named = {found[0].lower() for one in needed if (found := NAME.match(one))}
    assert named <= image.keys()
    assert "pytest" not in image


def test_the_image_runs_as_nobody_with_a_health_check() -> None:
    """The user of the manifests, the first process told to stop by the signal it listens to, and no moving base."""
    text = (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8")
    last = text.rpartition("\nFROM ")[2]
    assert last.startswith("scratch\n"), "nothing that installs or compiles, no tool but those that are listed"
    assert "\nUSER 10001:10001\n" in last
    assert "\nSTOPSIGNAL SIGTERM\n" in last
    assert "/health/live" in last
    assert ":latest" not in text
    assert "--require-hashes" in text
