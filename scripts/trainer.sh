#!/usr/bin/env bash
# Builds the trainer, target/release/sedge-train: installs libtorch (torch from PyPI, 4.7 GB) into trainer/.venv
# first where it is missing. Arguments go to cargo in place of `build`, for example `scripts/trainer.sh test`. It shares the
# root's target folder: the inference library, minutes of building, is the same there.
set -eu
. "$(dirname "$0")/env.sh"

command -v c++ >/dev/null || fail "there is no C++ compiler here, which the bindings to libtorch need: apt-get install g++"
python3 -c 'import venv, ensurepip' 2>/dev/null || fail "python3 has no venv module: apt-get install python3-venv"
if ! cmp -s trainer/requirements.txt trainer/.venv/installed; then
    say "Sedge's trainer needs libtorch: installing $(grep '^torch' trainer/requirements.txt) into trainer/.venv (4.7 GB)"
    [ -x trainer/.venv/bin/python ] || python3 -m venv trainer/.venv
    retry trainer/.venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
        -r trainer/requirements.txt
    cp trainer/requirements.txt trainer/.venv/installed
fi
PATH=$PWD/trainer/.venv/bin:$PATH
export PATH LIBTORCH_USE_PYTORCH=1 CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
SEDGE_PYTHON=$PWD/trainer/.venv/bin/python
export SEDGE_PYTHON
cd trainer
[ $# -gt 0 ] || set -- build
command=$1
shift
exec cargo "$command" --release --locked "$@"
