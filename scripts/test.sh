#!/usr/bin/env bash
# Runs every test on this machine and on the ARM program under qemu; arguments go to cargo test.
set -eu
. "$(dirname "$0")/env.sh"

scripts/setup.sh python device qemu
scripts/device.sh
if grep -q '^ID=debian' /etc/os-release; then
    scripts/rig.sh
    export SEDGE_RIG=$PWD/target/rig
else
    say "SKIPPED the tests on the emulated board: its kernel comes from Debian's packages, and this is no Debian"
fi

SEDGE_QEMU=$(arm_qemu)
SEDGE_QEMU_LIB=$(arm_root)
export SEDGE_QEMU SEDGE_QEMU_LIB
export SEDGE_PYTHON=$PWD/.venv/bin/python
export SEDGE_DEVICE=$PWD/$ARM_PROGRAM

# With arguments only the tests that they name run, on this machine.
[ $# -gt 0 ] || scripts/kernels.sh
exec cargo test --release --no-fail-fast "$@"
