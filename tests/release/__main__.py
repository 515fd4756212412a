"""Make what this version leaves to those after it. Once it is released, it is never made again.

python -m tests.release            write tests/data/golden/VERSION, from the story of `tests.release.story`
python -m tests.release --again    the same, in place of what this version left (before it is released)
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from ledgernode import __version__
from tests.release.kept import GOLDEN, write_release
from tests.release.story import told


def main() -> None:
    release = GOLDEN / __version__
    if "--again" in sys.argv[1:]:
        shutil.rmtree(release, ignore_errors=True)
    if release.exists():
        sys.exit(f"{release} stands: a release is made once (before it is released: --again)")
    with TemporaryDirectory(prefix="ledgernode-release-") as work:
        facts = write_release(told(), release, Path(work))
    size = sum(file.stat().st_size for file in release.iterdir())
    print(f"{release}: {facts.height} blocks, {size:,} bytes")


if __name__ == "__main__":
    main()
