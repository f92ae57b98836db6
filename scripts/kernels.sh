#!/usr/bin/env bash
# Tests the kernels, and the engine that uses them, on emulated ARM processors: Cortex-A72 (Raspberry Pi 4: no dot products),
# Cortex-A76 (Pi 5: dot products) and all that qemu knows (matrix products). Every kernel of the processor is held against the
# definition, whole programs against the interpreter. Arguments go to the tests.
set -eu
. "$(dirname "$0")/env.sh"

PROCESSORS=(cortex-a72 cortex-a76 max)
# Emulation is slow: fewer random cases than on this machine. The tables of edges run whole.
export PROPTEST_CASES=${PROPTEST_CASES:-16}

compiler=$(arm_rustc) || fail "no Rust library for ARM: \`scripts/setup.sh device\` installs it"
[ "$compiler" = rustc ] || export RUSTC="$compiler"
qemu=$(arm_qemu) || fail "no qemu-aarch64: \`scripts/setup.sh qemu\` installs it"
root=$(arm_root) || fail "no ARM C library: \`scripts/setup.sh qemu\` installs it"

if has_zigbuild; then
    build=(cargo zigbuild)
else
    build=(cargo build)
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
fi
build+=(--release --tests --locked --manifest-path tests/kernels/Cargo.toml --target-dir target/kernels)
build+=(--target "$ARM_TARGET")
"${build[@]}"
program=$("${build[@]}" --message-format json 2>/dev/null |
    python3 -c 'import json, sys; print(*filter(None, (json.loads(line).get("executable") for line in sys.stdin)))')

# All at once: each has one long test at its end.
declare -A running
for processor in "${PROCESSORS[@]}"; do
    "$qemu" -cpu "$processor" -L "$root" "$program" --quiet "$@" >"target/kernels/$processor.log" 2>&1 &
    running[$processor]=$!
done
for processor in "${PROCESSORS[@]}"; do
    wait "${running[$processor]}" || {
        cat "target/kernels/$processor.log" >&2
        fail "the kernels' tests failed on $processor"
    }
    say "kernels on $processor: $(grep '^test result' "target/kernels/$processor.log")"
done
