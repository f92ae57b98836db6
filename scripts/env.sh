# What every script shares: where the tools live, which compiler builds for ARM, and how a step is announced.
# Sourced, never run. It leaves the caller in the project's root folder.
# shellcheck shell=bash disable=SC2034

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

ARM_TARGET=aarch64-unknown-linux-gnu
# Built against this GLIBC (Debian 10, 2018), the program starts on every board of the last years.
ARM_GLIBC=2.28
# Debian 11, Raspberry Pi OS 11 and JetPack 5 have this one; a program that needs a newer one is refused.
ARM_GLIBC_MAX=2.31
ARM_PROGRAM=target/device/sedge
CARGO_DENY_VERSION=0.20.2

PATH=$PWD/target/tools/bin:$PWD/.venv/bin:$PATH
export PATH

say() { printf '%s\n' "$*"; }

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Runs a command up to four times: package servers fail for a moment now and then.
retry() {
    local wait
    for wait in 3 10 30; do
        "$@" && return
        say "That failed; trying again in $wait s: $*"
        sleep "$wait"
    done
    "$@"
}

# Runs one named step, prints its time, and ends the script with the step's exit code when it fails.
stage() {
    local name=$1 start=$SECONDS status=0
    shift
    say "== $name: $*"
    "$@" || status=$?
    if [ "$status" -ne 0 ]; then
        printf '== %s: FAILED with exit code %s after %s s\n' "$name" "$status" $((SECONDS - start)) >&2
        exit "$status"
    fi
    say "== $name: done in $((SECONDS - start)) s"
}

# Whether bindgen, which makes the bindings to V4L2, finds its library.
has_libclang() {
    local library
    for library in "${LIBCLANG_PATH:-/nowhere}"/libclang* /usr/lib/llvm-*/lib/libclang*.so* /usr/lib*/libclang*.so* /usr/lib/*/libclang*.so*; do
        [ -e "$library" ] && return
    done
    return 1
}

arm_qemu() { command -v "${SEDGE_QEMU:-qemu-aarch64}" || command -v qemu-aarch64-static; }

# Prints the folder that qemu takes the ARM C library from (-L), or fails when there is none. This system's own ARM
# library, where Debian's multiarch put one, goes first: qemu would take its libc.so.6 together with the loader of the
# cross package, and a program that starts a thread then hangs.
arm_root() {
    local root
    for root in ${SEDGE_QEMU_LIB:-/ /usr/aarch64-linux-gnu}; do
        if [ -e "$root/lib/ld-linux-aarch64.so.1" ]; then
            say "$root"
            return
        fi
    done
    return 1
}

has_arm_std() {
    local folder
    folder=$("$1" --print target-libdir --target "$ARM_TARGET" 2>/dev/null) || return 1
    compgen -G "$folder/libstd-*.rlib" >/dev/null
}

# Prints the Rust compiler that has a standard library for ARM: the user's own, else Debian's; fails if neither has.
arm_rustc() {
    local compiler
    for compiler in "${RUSTC:-rustc}" /usr/bin/rustc; do
        if command -v "$compiler" >/dev/null && has_arm_std "$compiler"; then
            say "$compiler"
            return
        fi
    done
    return 1
}

has_zigbuild() {
    [ -x .venv/bin/cargo-zigbuild ] && .venv/bin/python -c 'import ziglang' 2>/dev/null
}

# Prints what bindgen needs to read the interface of V4L2 from the headers of C library and kernel that zig brings along.
# Takes zig's name for the processor: x86 or aarch64.
zig_headers() {
    local headers folder
    headers=$(.venv/bin/python -c 'import os, ziglang; print(os.path.dirname(ziglang.__file__))')/lib/libc/include
    for folder in "$1-linux-gnu" generic-glibc "$1-linux-any" any-linux-any; do
        [ -d "$headers/$folder" ] || fail "zig brings no headers called $folder"
        printf ' -isystem %s' "$headers/$folder"
    done
}
