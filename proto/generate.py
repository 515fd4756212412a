"""Generate the Python stubs of `proto/` beside their packages; with --check, fail when the committed ones are stale."""

from __future__ import annotations

import filecmp
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
HOMES = {"ledgernode": ROOT / "src", "gateway": ROOT}
"""Where the package lies that a folder of `proto/` belongs to."""


def generate(package: str, target: Path) -> list[Path]:
    schemas = sorted(str(path.relative_to(PROTO)) for path in (PROTO / package).rglob("*.proto"))
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={PROTO}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            f"--mypy_out={target}",
            f"--mypy_grpc_out={target}",
            *schemas,
        ]
    )
    if status != 0:
        sys.exit(status)
    return sorted(path.relative_to(target) for path in (target / package).rglob("*_pb2*"))


def main() -> None:
    if "--check" not in sys.argv:
        for package, home in HOMES.items():
            generate(package, home)
        return
    stale: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for package, home in HOMES.items():
            made = generate(package, Path(folder))
            stale += [str(path) for path in made if not _same(Path(folder) / path, home / path)]
    if stale:
        sys.exit(f"stale stubs, run `make stubs`: {', '.join(stale)}")


def _same(made: Path, committed: Path) -> bool:
    return committed.exists() and filecmp.cmp(made, committed, shallow=False)


if __name__ == "__main__":
    main()
