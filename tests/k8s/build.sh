#!/usr/bin/env bash
# The programs of a real cluster, built once and kept outside of the repository: Debian's packages, and the control
# plane and kubelet from Debian's source package `kubernetes` (about 6 minutes on two idle cores).
#   tests/k8s/build.sh [DIRECTORY]        default: ~/.cache/ledgernode/k8s
# Needs root and Debian 12. What is there already is not made again.
set -euo pipefail
cache=${1:-$HOME/.cache/ledgernode/k8s}
programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl)

packages=(etcd-server:etcd containerd:containerd containerd:ctr runc:runc iptables:iptables mmdebstrap:mmdebstrap
    buildah:buildah ip:ip)
declare -A package=([ip]=iproute2 [buildah]=buildah)
missing=()
for pair in "${packages[@]}"; do
    command -v "${pair##*:}" >/dev/null || missing+=("${package[${pair%%:*}]:-${pair%%:*}}")
done
[ -x /usr/lib/cni/bridge ] || missing+=(containernetworking-plugins)
if [ ${#missing[@]} -gt 0 ]; then
    [ "$(id -u)" -eq 0 ] || { echo "a cluster needs ${missing[*]}: install them and try again" >&2; exit 1; }
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null; }
fi

built=true
for program in "${programs[@]}"; do [ -x "$cache/bin/$program" ] || built=false; done
if ! $built; then
    mkdir -p "$cache/source" "$cache/bin"
    [ -x /usr/lib/go-1.19/bin/go ] || apt-get install -qq -y --no-install-recommends golang-1.19-go dpkg-dev >/dev/null
    command -v dpkg-source >/dev/null || apt-get install -qq -y --no-install-recommends dpkg-dev >/dev/null
    # the source package by a list of its own: the machine's stays as it is
    list=$cache/source/sources.list
    echo "deb-src http://deb.debian.org/debian bookworm main" >"$list"
    apt=(-o Dir::Etc::sourcelist="$list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$cache/source/lists")
    mkdir -p "$cache/source/lists/partial"
    cd "$cache/source"
    tree=$cache/source/go/src/k8s.io/kubernetes # as Go looked for it before modules, which this vendored tree still is for
    if [ ! -d "$tree" ]; then
        apt-get "${apt[@]}" update -qq
        apt-get "${apt[@]}" source -qq --download-only kubernetes
        rm -rf unpacked && dpkg-source --extract kubernetes_*.dsc unpacked >/dev/null
        mkdir -p "${tree%/*}" && mv unpacked "$tree"
    fi
    cd "$tree"
    export PATH=/usr/lib/go-1.19/bin:$PATH CGO_ENABLED=0 GO111MODULE=off GOPATH=$cache/source/go GOCACHE=$cache/source/go-cache
    export GOMAXPROCS=${GOMAXPROCS:-2}
    # the one generated file that the sources come without: what the API looks like
    if [ ! -f pkg/generated/openapi/zz_generated.openapi.go ]; then
        echo "generating the API's description"
        go build -trimpath -o "$cache/source/openapi-gen" k8s.io/kubernetes/vendor/k8s.io/kube-openapi/cmd/openapi-gen
        described=$( (grep -rl --include='*.go' '+k8s:openapi-gen=' cmd pkg plugin; grep -Rl --include='*.go' '+k8s:openapi-gen=' vendor/k8s.io) |
            grep -vE '_test\.go|/testdata/|zz_generated|vendor/k8s.io/(code-generator|sample-apiserver|kube-openapi|gengo)/' |
            xargs -n1 dirname | sort -u | sed 's#^#k8s.io/kubernetes/#' | paste -sd,)
        "$cache/source/openapi-gen" -i "$described" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
            --go-header-file /dev/null -r "$cache/source/violations" >/dev/null
    fi
    version='-s -w -X k8s.io/component-base/version.gitVersion=v1.20.2 -X k8s.io/component-base/version.gitMajor=1'
    version+=' -X k8s.io/component-base/version.gitMinor=20'
    for program in "${programs[@]}"; do
        [ -x "$cache/bin/$program" ] && continue
        echo "building $program"
        go build -p 2 -trimpath -ldflags "$version" -o "$cache/bin/.$program" "k8s.io/kubernetes/cmd/$program"
        mv "$cache/bin/.$program" "$cache/bin/$program"
    done
    rm -rf "$cache/source/go-cache" # a gigabyte that nobody needs again
fi
echo "$cache/bin"
