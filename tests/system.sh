#!/usr/bin/env bash
# Debian packages that the tests use beside Python's: installs what is missing. Needs root only when something is.
#   tests/system.sh            those of `make test`
#   tests/system.sh browser    those of `make test-web` too
set -euo pipefail

needed=(mosquitto:mosquitto mosquitto_passwd:mosquitto mosquitto_pub:mosquitto-clients ip:iproute2 curl:curl postgres:postgresql
    influxd:influxdb promtool:prometheus softhsm2-util:softhsm2 nats-server:nats-server)
[ "${1:-}" = browser ] && needed+=(chromium:chromium)
export PATH="$PATH:/usr/sbin:/sbin:$(echo /usr/lib/postgresql/*/bin | tr ' ' :)"

missing=()
for pair in "${needed[@]}"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "installing Debian packages: ${missing[*]}"
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "the tests need ${missing[*]}: install them (sudo apt-get install ${missing[*]}) and try again" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# none of them is to run by itself: tests start what they need
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null; }
