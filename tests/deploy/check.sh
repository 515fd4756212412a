#!/usr/bin/env bash
# The manifests, rendered as `kubectl apply -k` would: strictly by the API's own schemas, and looked through for what is
# not safe. A finding is mended, or explained beside the workload in an annotation that the scanner reads.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
kubectl=$(bash "$here/tools.sh" kubectl)
bin=$(bash "$here/tools.sh" checkers)/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for at in overlays/dev overlays/consortium overlays/consortium/epsilon overlays/ha jobs/join jobs/restore; do
    "$kubectl" kustomize "$root/deploy/k8s/$at" >"$work/${at//\//-}.yaml"
done
cd "$work"
# kinds of the Prometheus operator have no schema here: tests/deploy looks at those
mkdir known
python3 - <<'PY'
import pathlib
for file in pathlib.Path().glob("*.yaml"):
    kept = [one for one in file.read_text().split("\n---\n") if "apiVersion: monitoring.coreos.com" not in one]
    pathlib.Path("known", file.name).write_text("\n---\n".join(kept))
PY
"$bin/kubernetes-validate" --strict --quiet known/*.yaml
"$bin/checkov" --framework kubernetes --skip-download --compact --quiet --directory "$work/known"
echo "$(ls known | wc -l) renderings hold by the schemas and to the scanner"
