"""Follow documents here and now, and keep what they left.

python -m tests.docs docs/gateway.md …
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.docs.playing import follow
from tests.docs.reading import ROOT

for name in sys.argv[1:]:
    folder = Path(tempfile.mkdtemp(prefix=f"{Path(name).stem}-"))
    began = time.monotonic()
    follow(ROOT / name, folder, limit_s=600)
    print(f"{name} holds ({time.monotonic() - began:.0f} s); {folder}")
