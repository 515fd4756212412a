"""Builds the console's pages (gateway/web) and puts them into the wheel.

    python hatch_build.py          the same in a checkout: what `make console` does

Everything comes from the lock file. Where there is no Node the wheel is built without pages, and says so; with
LEDGERNODE_CONSOLE=require it is refused instead, with LEDGERNODE_CONSOLE=skip nothing is tried.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILT: Final = "gateway/web/dist"
SETTING: Final = "LEDGERNODE_CONSOLE"
NODE_MAJOR: Final = 20
_TIMEOUT_S: Final = 900
_WORTH_BYTES: Final = 512
_SQUEEZE: Final = """
const fs = require('node:fs'), path = require('node:path'), zlib = require('node:zlib');
for (const at of fs.readdirSync(process.argv[1], { recursive: true })) {
  const file = path.join(process.argv[1], at);
  if (!/\\.(js|css|html|svg|json|webmanifest)$/.test(at) || fs.statSync(file).size < Number(process.argv[2])) continue;
  fs.writeFileSync(`${file}.br`, zlib.brotliCompressSync(fs.readFileSync(file)));
}
"""
"""Node has brotli; Python's own library has not."""


class CustomBuildHook(BuildHookInterface[Any]):
    """For the wheel; an editable install serves what `make console` has built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        setting = os.environ.get(SETTING, "")
        if version == "editable" or setting == "skip":
            return
        lacking = what_lacks(Path(self.root))
        if lacking and setting == "require":
            raise RuntimeError(f"the console cannot be built: {lacking}")
        if lacking:
            self.app.display_warning(f"the wheel has no console: {lacking}")
            return
        built = build(Path(self.root))
        build_data["force_include"][str(built)] = BUILT


def what_lacks(root: Path) -> str:
    """Why it cannot be built; '' if it can."""
    if not (root / "gateway" / "web" / "vite.config.ts").is_file():
        return "its sources are not here"
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return f"Node {NODE_MAJOR} is not installed"
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    major = re.match(r"v(\d+)", said)
    if major is None or int(major[1]) < NODE_MAJOR:
        return f"Node {NODE_MAJOR} is needed, this is {said.strip()}"
    return ""


def build(root: Path) -> Path:
    """From the lock file into `dist`; where that is."""
    web = root / "gateway" / "web"
    _run(web, "npm", "ci", "--silent", "--no-audit", "--no-fund")
    _run(web, "npm", "run", "--silent", "build")
    _run(web, "node", "-e", _SQUEEZE, str(root / BUILT), str(_WORTH_BYTES))
    return root / BUILT


def _run(directory: Path, program: str, *arguments: str) -> None:
    found = shutil.which(program)
    assert found is not None, "it was looked for"
    subprocess.run([found, *arguments], cwd=directory, check=True, timeout=_TIMEOUT_S, stdout=sys.stderr)  # noqa: S603


def main() -> int:
    """Build in this checkout; say what lacks and end with 3 where it cannot be."""
    root = Path(__file__).resolve().parent
    if lacking := what_lacks(root):
        sys.stderr.write(f"the console is not built: {lacking}\n")
        return 3
    sys.stderr.write("the console is built (gateway/web)\n")
    build(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
