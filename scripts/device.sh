#!/usr/bin/env bash
# Builds the program for a 64-bit ARM board, target/device/sedge, and says how large it is and which GLIBC it needs.
set -eu
. "$(dirname "$0")/env.sh"

scripts/setup.sh device

export CARGO_PROFILE_RELEASE_STRIP=symbols
compiler=$(arm_rustc)
[ "$compiler" = rustc ] || export RUSTC="$compiler"
build=(--release --no-default-features --features device,v4l --bin sedge --target-dir target/device)
if has_zigbuild; then
    BINDGEN_EXTRA_CLANG_ARGS=$(zig_headers aarch64)
    export BINDGEN_EXTRA_CLANG_ARGS
    cargo zigbuild "${build[@]}" --target "$ARM_TARGET.$ARM_GLIBC"
else
    export BINDGEN_EXTRA_CLANG_ARGS="--sysroot=/usr/aarch64-linux-gnu -I/usr/aarch64-linux-gnu/include"
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        cargo build "${build[@]}" --target "$ARM_TARGET"
fi
cp "target/device/$ARM_TARGET/release/sedge" "$ARM_PROGRAM"

glibc=$(readelf --version-info --wide "$ARM_PROGRAM" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
glibc=${glibc#GLIBC_}
say "$ARM_PROGRAM: $(stat -c %s "$ARM_PROGRAM") bytes, needs GLIBC $glibc"
if [ "$(printf '%s\n' "$glibc" "$ARM_GLIBC_MAX" | sort -V | tail -n 1)" != "$ARM_GLIBC_MAX" ]; then
    has_zigbuild && fail "$ARM_PROGRAM needs GLIBC $glibc; boards with $ARM_GLIBC_MAX could not start it"
    say "warning: linked without zig, it starts only on boards with GLIBC $glibc or newer"
fi
