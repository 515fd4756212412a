"""python -m tests.k8s.fitted NAME: an overlay or job as this cluster takes it, as JSON for `kubectl apply -f -`.

Five organisations on one small machine: each asks for a fifth of what it would, and one alone has gateways, a broker
and a database.
"""

from __future__ import annotations

import json
import sys

from tests.k8s.manifests import objects

_WHOLE = "overlays/consortium/alpha"
_BESIDE = ("gateway", "broker", "read-model")

if __name__ == "__main__":
    name = sys.argv[1]
    beside = _BESIDE if name.startswith("overlays/") and name != _WHOLE else ()
    items = objects(name, part=5, without=beside)
    sys.stdout.write(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
