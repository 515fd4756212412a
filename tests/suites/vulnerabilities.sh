#!/usr/bin/env bash
# Ask the advisory services about every pin of the two lock files. First about pins that are known to be vulnerable: a
# service that does not name those was not reached, or says nothing, and then nothing was audited (exit code 3).
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=${PYTHON:-python3.11}

"$python" -m venv "$work/venv" && "$work/venv/bin/pip" install --quiet --disable-pip-version-check pip-audit==2.10.1 ||
    { echo "pip-audit cannot be installed from here: nothing was audited" >&2; exit 3; }
audit() { "$work/venv/bin/pip-audit" --progress-spinner off --disable-pip "$@"; }

unheard() { echo "the advisory service for $1 did not name a planted vulnerable pin: nothing was audited" >&2; exit 3; }

echo "jinja2==2.4.1 --hash=sha256:$(printf 0%.0s {1..64})" >"$work/planted.txt"
audit --require-hashes -r "$work/planted.txt" 2>&1 | grep -qE '(CVE|GHSA|PYSEC)-' || unheard Python
mkdir "$work/planted"
echo '{"name": "planted", "version": "1.0.0", "dependencies": {"lodash": "4.17.4"}}' >"$work/planted/package.json"
echo '{"name": "planted", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": {"name": "planted", "version": "1.0.0",
    "dependencies": {"lodash": "4.17.4"}}, "node_modules/lodash": {"version": "4.17.4"}}}' >"$work/planted/package-lock.json"
(cd "$work/planted" && npm audit 2>&1) | grep -qE 'GHSA-' || unheard npm

found=0
audit --require-hashes -r "$root/requirements.lock" || found=1
(cd "$root/gateway/web" && npm audit) || found=1
exit "$found"
