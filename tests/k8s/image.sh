#!/usr/bin/env bash
# The product's image from its Containerfile, without Docker and without a registry: on a base by mmdebstrap. Beside it
# what stands in for images that are another registry's: a broker and a database of Debian's packages.
#   tests/k8s/image.sh [DIRECTORY]        default: ~/.cache/ledgernode/k8s; answers with the archive's path
# The archive is made again when a file that goes into the image is newer than it.
set -euo pipefail
cache=${1:-$HOME/.cache/ledgernode/k8s}
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$cache/images"
base=localhost/debian:bookworm
image=localhost/ledgernode:test
archive=$cache/images/ledgernode.tar
store=(--root "$cache/images/store" --runroot "$cache/images/run" --storage-driver overlay)

if [ ! -f "$cache/images/base.tar" ]; then
    mmdebstrap --quiet --variant=minbase --include=ca-certificates bookworm "$cache/images/.base.tar"
    mv "$cache/images/.base.tar" "$cache/images/base.tar"
fi
if ! buildah "${store[@]}" inspect --type image "$base" >/dev/null 2>&1; then
    container=$(buildah "${store[@]}" from scratch)
    buildah "${store[@]}" add --quiet "$container" "$cache/images/base.tar" / >/dev/null
    buildah "${store[@]}" commit --quiet --rm "$container" "$base" >/dev/null
fi

if [ ! -f "$cache/images/pause.tar" ]; then
    # what holds a pod's network while its containers come and go: anything that sleeps
    container=$(buildah "${store[@]}" from "$base")
    buildah "${store[@]}" config --entrypoint '["/bin/sleep", "infinity"]' --user 65535:65535 "$container"
    buildah "${store[@]}" commit --quiet --rm "$container" localhost/pause:test >/dev/null
    buildah "${store[@]}" push --quiet localhost/pause:test "docker-archive:$cache/images/pause.tar:localhost/pause:test"
fi

cd "$root"
for name in mosquitto postgres; do
    made=$cache/images/$name.tar
    if [ ! -f "$made" ] || [ -n "$(find tests/k8s/images -type f -newer "$made" -print -quit)" ]; then
        buildah "${store[@]}" build --quiet --isolation chroot --format docker --layers --build-arg BASE="$base" \
            --target "$name" --tag "localhost/$name:test" --file tests/k8s/images/Containerfile tests/k8s/images >/dev/null
        rm -f "$made"
        buildah "${store[@]}" push --quiet "localhost/$name:test" "docker-archive:$made:localhost/$name:test"
    fi
done

parts=(deploy/Containerfile deploy/requirements.lock pyproject.toml hatch_build.py src gateway devices)
newest=$(find "${parts[@]}" \( -name node_modules -o -name __pycache__ -o -name dist \) -prune -o -type f -newer "$archive" -print -quit 2>/dev/null ||
    echo none)
if [ ! -f "$archive" ] || { [ -n "$newest" ] && [ -z "${LEDGERNODE_K8S_KEEP_IMAGE:-}" ]; }; then
    authority=/etc/ssl/certs/ca-certificates.crt # of this machine: a proxy's own is among them
    buildah "${store[@]}" build --quiet --isolation chroot --format docker --layers --build-arg BASE="$base" \
        --build-arg PIP_CERT=$authority --build-arg NODE_EXTRA_CA_CERTS=$authority \
        --volume /etc/ssl/certs:/etc/ssl/certs:ro --volume /usr/local/share/ca-certificates:/usr/local/share/ca-certificates:ro \
        --tag "$image" --file deploy/Containerfile . >/dev/null
    rm -f "$archive"
    buildah "${store[@]}" push --quiet "$image" "docker-archive:$archive:$image"
fi
echo "$archive"
