#!/usr/bin/env bash
# What renders and checks the manifests, outside of the repository; what is there already is not fetched again.
#   tests/deploy/tools.sh kubectl     answers with a kubectl whose kustomize is 5: the machine's own, or Debian 13's
#   tests/deploy/tools.sh checkers    answers with an environment that has kubernetes-validate and checkov
set -euo pipefail
cache=${LEDGERNODE_DEPLOY_CACHE:-$HOME/.cache/ledgernode/deploy}
version=1.32.3+ds-2
digest=9825aaf4c14913027aae04af8688e580459f781c829bd5de00cc4dc2cc5a867f
checkers=(kubernetes-validate==1.37.0 checkov==3.3.30)
mkdir -p "$cache"

case ${1:-} in
kubectl)
    own=$(command -v kubectl || true)
    if [ -n "$own" ] && "$own" version --client 2>/dev/null | grep -q '^Kustomize Version: v5'; then
        echo "$own"
        exit
    fi
    if [ ! -x "$cache/kubectl" ]; then
        # from Debian 13 by a list of its own: the machine's packages stay as they are
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        mkdir -p "$work/lists/partial"
        echo "deb http://deb.debian.org/debian trixie main" >"$work/sources.list"
        apt=(-qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$work/lists"
            -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root)
        cd "$work"
        apt-get "${apt[@]}" update
        apt-get "${apt[@]}" download "kubectl=$version"
        echo "$digest  $(echo kubectl_*.deb)" | sha256sum --check --quiet -
        dpkg -x kubectl_*.deb unpacked
        mv unpacked/usr/bin/kubectl "$cache/kubectl"
    fi
    echo "$cache/kubectl"
    ;;
checkers)
    if [ "$(cat "$cache/checkers/.holds" 2>/dev/null)" != "${checkers[*]}" ]; then
        rm -rf "$cache/checkers"
        python3.11 -m venv "$cache/checkers" 2>/dev/null || python3 -m venv "$cache/checkers"
        "$cache/checkers/bin/pip" install --quiet --disable-pip-version-check "${checkers[@]}" >&2
        echo "${checkers[*]}" >"$cache/checkers/.holds"
    fi
    echo "$cache/checkers"
    ;;
*) echo "kubectl or checkers?" >&2; exit 2 ;;
esac
