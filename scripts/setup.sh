#!/usr/bin/env bash
# Set-up for `make demo` and `make test` on a fresh Debian 12 machine; a second run finds its stamp and does nothing.
# usage: scripts/setup.sh demo|test
set -eu
cd "$(dirname "$0")/.."
case ${1-} in
demo) extras=golden packages="gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm ninja-build cmake python3-venv" ;;
test) extras=dev,train packages="gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib qemu-system-arm ninja-build cmake python3-venv gcc libc6-dev clang libclang-rt-14-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static" ;;
*) echo "usage: scripts/setup.sh demo|test" >&2; exit 2 ;;
esac

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 4
}

# the folder is part of the stamp: an environment that was moved is set up again
stamp=.venv/.setup-$1-$({ pwd; cat pyproject.toml scripts/setup.sh; } | sha256sum | cut -c1-12)
[ -e "$stamp" ] && [ -x .venv/bin/ecgdeploy ] && exit 0

if command -v dpkg-query >/dev/null; then
    missing=
    for package in $packages; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    if [ -n "$missing" ]; then
        [ "$(id -u)" = 0 ] || fail "run this once, then try again:" "  sudo apt-get install -y --no-install-recommends$missing"
        echo "setup: installing$missing" >&2
        apt-get update -qq >&2 || true # an old list may still do
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2 ||
            fail "these Debian packages could not be installed (is there a network?):$missing"
    fi
else
    echo "setup: this is no Debian; it needs what these packages hold: $packages" >&2
fi

python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "Python 3.10 or newer is needed as python3"
for anew in "" "" --clear; do # none yet, or its making was interrupted, or its Python is gone
    .venv/bin/python -m pip --version >/dev/null 2>&1 && break
    python3 -m venv $anew .venv || true
done
echo "setup: installing Python packages ($extras)" >&2
.venv/bin/python -m pip install -q --disable-pip-version-check -e ".[$extras]" >&2 ||
    fail "the Python packages could not be installed (is there a network?); run this again"
rm -f .venv/.setup-"$1"-*
touch "$stamp"
