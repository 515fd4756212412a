#!/usr/bin/env bash
# Build the wheel, install it with the locked dependencies into an environment of its own, and use it there:
# a user has no checkout.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"
.venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$work/dist" .
# what a release consists of, beside the wheel
.venv/bin/python -m deploy.parts -o "$work/dist/ledgernode.cdx.json"
test "$(grep -c '"bom-ref"' "$work/dist/ledgernode.cdx.json")" -gt 100
python3.11 -m venv "$work/venv" 2>/dev/null || .venv/bin/python -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$work"/dist/*.whl
cd "$work"
"$work/venv/bin/ledgernode" --version
"$work/venv/bin/python" - <<'PY'
import importlib.util
for stray in ("tests", "proto", "deploy"):
    assert importlib.util.find_spec(stray) is None, f"the wheel exposes {stray}"
PY
if command -v npm >/dev/null; then
  "$work/venv/bin/python" -c 'from gateway.http.pages import Pages; assert Pages().is_built, "the wheel has no console"'
fi
"$work/venv/bin/ledgernode" community check ten-houses
timeout 120 "$work/venv/bin/ledgernode" demo "$work/demo" --seconds 5
echo "the wheel works by itself"
