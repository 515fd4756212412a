"""Generate the Python stubs of `proto/` into `src/`; with --check, fail when the committed ones are stale."""

from __future__ import annotations

import filecmp
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
SOURCE = ROOT / "src"


def generate(target: Path) -> list[Path]:
    schemas = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
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
    return sorted(path.relative_to(target) for path in target.rglob("*_pb2*"))


def main() -> None:
    if "--check" not in sys.argv:
        generate(SOURCE)
        return
    with tempfile.TemporaryDirectory() as folder:
        made = generate(Path(folder))
        stale = [
            str(path)
            for path in made
            if not (SOURCE / path).exists() or not filecmp.cmp(Path(folder) / path, SOURCE / path, shallow=False)
        ]
    if stale:
        sys.exit(f"stale stubs, run `make stubs`: {', '.join(stale)}")


if __name__ == "__main__":
    main()
