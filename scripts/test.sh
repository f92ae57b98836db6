#!/usr/bin/env bash
# Runs every test on this machine and on the ARM program under qemu; arguments go to cargo test.
set -eu
. "$(dirname "$0")/env.sh"

scripts/setup.sh python device qemu
scripts/device.sh

SEDGE_QEMU=$(arm_qemu)
SEDGE_QEMU_LIB=$(arm_root)
export SEDGE_QEMU SEDGE_QEMU_LIB
export SEDGE_PYTHON=$PWD/.venv/bin/python
export SEDGE_DEVICE=$PWD/$ARM_PROGRAM

# With arguments only the tests that they name run, on this machine.
[ $# -gt 0 ] || scripts/kernels.sh
exec cargo test --release --no-fail-fast "$@"
