#!/usr/bin/env bash
# Times the same networks in Sedge and in other runtimes, alternating within one run, and prints tables in Markdown.
#
#   benches/peers/run.sh [--threads 1,2] [--networks unet128,mnv2_224] [--json FILE] ...     --help lists all options
#
# Its own Python environment is target/peers-venv, its models are in target/peers/.
set -eu
. "$(dirname "$0")/../../scripts/env.sh"

environment=target/peers-venv
list=benches/peers/requirements.txt

if ! cmp -s "$list" "$environment/installed"; then
    say "The comparison needs other runtimes: making $environment from $list (about 600 MB)" >&2
    python3 -m venv "$environment"
    # Every package is named in the list: pnnx would otherwise bring PyTorch, which is not used.
    retry "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps \
        -r "$list" >&2
    cp "$list" "$environment/installed"
fi
export PYTHONDONTWRITEBYTECODE=1
exec "$environment/bin/python" benches/peers/compare.py "$@"
