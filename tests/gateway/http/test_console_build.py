"""The build that the wheel and `make console` make, on a console of one page."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from gateway.http.pages import Pages

pytestmark = pytest.mark.slow  # Node 20 builds the console: without it these fail
_BUILD = """
import fs from 'node:fs';
fs.mkdirSync('dist/assets', { recursive: true });
fs.writeFileSync('dist/index.html', '<!doctype html>');
fs.writeFileSync('dist/assets/main-1a2b.js', 'energy '.repeat(1000));
"""


@pytest.fixture
def hook() -> ModuleType:
    path = Path(__file__).parents[3] / "hatch_build.py"
    spec = importlib.util.spec_from_file_location("hatch_build", path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_a_console_is_built_from_its_lock_and_squeezed(hook: ModuleType, tmp_path: Path) -> None:
    web = tmp_path / "gateway" / "web"
    web.mkdir(parents=True)
    assert hook.what_lacks(tmp_path) == "its sources are not here"
    (web / "vite.config.ts").touch()
    (web / "make.mjs").write_text(_BUILD)
    named = {"name": "one-page", "version": "1.0.0"}
    (web / "package.json").write_text(json.dumps({**named, "scripts": {"build": "node make.mjs"}}))
    (web / "package-lock.json").write_text(json.dumps({**named, "lockfileVersion": 3, "packages": {"": named}}))
    assert hook.what_lacks(tmp_path) == ""
    pages = Pages(hook.build(tmp_path))
    assert pages.is_built
    assert list(pages.files["assets/main-1a2b.js"].bodies) == ["br", "gzip", "identity"]


def test_where_there_is_no_node_it_says_so(hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web = tmp_path / "gateway" / "web"
    web.mkdir(parents=True)
    (web / "vite.config.ts").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hook.what_lacks(tmp_path) == "Node 20 is not installed"
