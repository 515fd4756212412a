"""The committed vectors: the product makes them, and a checker written from the page alone derives them again."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

VECTORS = Path(__file__).parent.parent / "vectors"
CHECKER = VECTORS / "check.py"
KINDS = sorted(path.stem for path in VECTORS.glob("*.json"))
# what says something of a vector without being derived or checked
REMARKS = {"case"}


@lru_cache
def checker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vector_checker", CHECKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def vectors(kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((VECTORS / f"{kind}.json").read_text(encoding="utf-8"))
    return found


def run_checker(directory: Path) -> subprocess.CompletedProcess[str]:
    """Isolated: no path, no environment and no site of this project."""
    command = [sys.executable, "-I", str(CHECKER), str(directory)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def leaves_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [found for key in value if key not in REMARKS for found in leaves_of(value[key], (*path, key))]
    if isinstance(value, list):
        return [found for at, inner in enumerate(value) for found in leaves_of(inner, (*path, at))]
    return [path] if value not in (None, "") else []


def with_flip(vector: dict[str, Any], path: tuple[Any, ...], at: int) -> dict[str, Any]:
    copy = json.loads(json.dumps(vector))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = flipped(inner[path[-1]], at)
    return copy


def flipped(value: Any, at: int) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value ^ 1
    where = int(at * (len(value) - 1) / 100)
    other = "1" if value[where] != "1" else "2"
    return value[:where] + other + value[where + 1 :]


def test_the_product_makes_the_committed_vectors(tmp_path: Path) -> None:
    """Every byte of every file: `tests/vectors/generate.py` changes nothing."""
    subprocess.run([sys.executable, str(VECTORS / "generate.py"), str(tmp_path)], check=True)
    assert sorted(path.stem for path in tmp_path.glob("*.json")) == KINDS
    for kind in KINDS:
        assert (tmp_path / f"{kind}.json").read_text() == (VECTORS / f"{kind}.json").read_text(), kind


def test_the_independent_checker_derives_them_too() -> None:
    """Every kind, from the formats page alone."""
    done = run_checker(VECTORS)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(checker().KINDS) == set(KINDS)


def test_the_checker_is_independent_and_short() -> None:
    """Some 200 lines; the standard library and `ecdsa`, nothing of this project."""
    text = CHECKER.read_text()
    assert len(text.splitlines()) < 210
    imported = {line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imported - {"ecdsa"} <= set(sys.stdlib_module_names)
    assert "__import__" not in text
    assert "importlib" not in text


@pytest.mark.parametrize("kind", KINDS)
def test_the_checker_refuses_a_file_with_one_byte_altered(kind: str, tmp_path: Path) -> None:
    """Run as a person would run it, on a copy with the last field's middle altered."""
    for path in VECTORS.glob("*.json"):
        shutil.copy(path, tmp_path)
    found = vectors(kind)
    found[-1] = with_flip(found[-1], leaves_of(found[-1])[-1], 50)
    (tmp_path / f"{kind}.json").write_text(json.dumps(found), encoding="utf-8")
    done = run_checker(tmp_path)
    assert done.returncode == 1
    assert f"{kind}.json, vector {len(found) - 1}" in done.stderr


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", [0, *(pytest.param(at, marks=pytest.mark.slow) for at in (63, 100))])
def test_the_checker_refuses_every_altered_field(kind: str, at: int) -> None:
    """At its beginning, somewhere inside and at its end: no field of any vector is idle."""
    for vector in vectors(kind):
        checker().check(kind, vector)
        # a signature that does not hold may be altered into another that does not
        for path in leaves_of(vector) if vector.get("holds", True) else [("holds",)]:
            with pytest.raises(Exception):  # noqa: B017, PT011 - however it fails, it fails
                checker().check(kind, with_flip(vector, path, at))


def test_the_examples_of_the_page_are_in_the_vectors() -> None:
    """Every value of a worked example in docs/formats.md, and every kind, is pinned by a vector."""
    page = (VECTORS.parent.parent / "docs" / "formats.md").read_text(encoding="utf-8")
    pinned = "".join(path.read_text(encoding="utf-8") for path in VECTORS.glob("*.json"))
    examples = [line for line in page.splitlines() if line.startswith("    ")]
    values = [value for line in examples for value in re.findall(r"[0-9a-f]{8,}", line)]
    assert len(values) > 40
    for value in values:
        # numbers of the explanations are written in decimal
        assert value in pinned or value.isdecimal(), value
    for kind in KINDS:
        assert f"`{kind}.json`" in page, kind
