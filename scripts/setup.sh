#!/usr/bin/env bash
# Set-up for `make demo` and `make test` on a fresh Debian 12 machine; a second run finds its stamp and does nothing.
# usage: scripts/setup.sh demo|test
set -eu
cd "$(dirname "$0")/.."
kind=$1
case $kind in
demo) extras=golden packages="gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm ninja-build cmake python3-venv" ;;
test) extras=dev,train packages="gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib qemu-system-arm ninja-build cmake python3-venv gcc libc6-dev clang libclang-rt-14-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static" ;;
*) echo "usage: scripts/setup.sh demo|test" >&2; exit 2 ;;
esac
stamp=.venv/.setup-$kind-$(cat pyproject.toml scripts/setup.sh | sha256sum | cut -c1-12)
[ -e "$stamp" ] && exit 0

missing=
for package in $packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ]; then
        echo "setup: installing$missing" >&2
        apt-get update -qq >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
    else
        echo "setup: run this once, then try again:" >&2
        echo "  sudo apt-get install -y --no-install-recommends$missing" >&2
        exit 4
    fi
fi
[ -x .venv/bin/python ] || python3 -m venv .venv
echo "setup: installing Python packages ($extras)" >&2
.venv/bin/pip install -q --disable-pip-version-check -e ".[$extras]" >&2
rm -f .venv/.setup-"$kind"-*
touch "$stamp"
