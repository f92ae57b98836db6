#!/usr/bin/env bash
# Runs the experiments of trainer/results/experiments, one after the other, and keeps what each says of itself under
# trainer/results/runs. What has a result is not run again; what was interrupted goes on from its last checkpoint.
#
#   SEDGE_DATA=DIR SEDGE_PRETRAINED=DIR scripts/results.sh [NAME-PATTERN]...      patterns as in a shell; without any, all
set -eu
. "$(dirname "$0")/env.sh"

: "${SEDGE_DATA:?name the folder that holds the data sets (feral_cat, ccp6, mnist, cifar10)}"
: "${SEDGE_PRETRAINED:?name the folder that holds the float models to start from}"
program=${SEDGE_TRAIN:-target/release/sedge-train}
[ -x "$program" ] || scripts/trainer.sh
[ -x target/release/sedge ] || cargo build --release --quiet
work=target/results
mkdir -p "$work"
# Links with fixed names, so that a run's record is the same wherever the folders lie.
ln -sfn "$(realpath "$SEDGE_DATA")" target/data
ln -sfn "$(realpath "$SEDGE_PRETRAINED")" target/pretrained

wanted() {
    local pattern
    [ $# -gt 1 ] || return 0
    for pattern in "${@:2}"; do
        # shellcheck disable=SC2254
        case $1 in $pattern) return 0 ;; esac
    done
    return 1
}

# Runs one experiment into the folder $1 and keeps what it says: `convert` is sedge's, everything else the trainer's.
trained() {
    local run=$1 command=$2 resume=
    case $command in
        ' convert '*)
            mkdir -p "$run"
            # shellcheck disable=SC2086
            target/release/sedge ${command%%&&*} -o "$run/model.onnx" </dev/null || return 1
            # shellcheck disable=SC2086
            "$program" ${command#*&&} --model "$run/model.onnx" --json </dev/null >"$run/result.json" || return 1
            printf '{"command": "%s", "bytes": %d}\n' "${command# }" "$(stat -c %s "$run/model.onnx")" >"$run/run.json"
            ;;
        ' sweep '*)
            # shellcheck disable=SC2086
            "$program" sweep --out "$run" ${command# sweep} </dev/null || return 1
            mkdir -p "$kept"
            cp "$run"/sweep.json "$run"/results.csv "$run"/heatmap.svg "$kept"/
            return
            ;;
        *)
            [ ! -e "$run/run.json" ] || resume=--resume
            # shellcheck disable=SC2086
            "$program" $command --out "$run" $resume </dev/null || return 1
            ;;
    esac
    mkdir -p "$kept"
    cp "$run"/run.json "$run"/result.json "$kept"/
}

# The runs that a command begins with must be complete.
ready() {
    local needed
    for needed in $(grep -o '\$RUNS/[^/ ]*/model.onnx' <<<"$1" | cut -d/ -f2); do
        [ -e "trainer/results/runs/$needed/result.json" ] || { say "== $name: waits for $needed"; return 1; }
    done
}

failed=0
while IFS='|' read -r name command; do
    name=${name//[[:space:]]/}
    case $name in '' | '#'*) continue ;; esac
    wanted "$name" "$@" || continue
    kept=trainer/results/runs/$name
    if [ -e "$kept/result.json" ] || [ -e "$kept/results.csv" ]; then
        say "== $name: done before"
        continue
    fi
    ready "$command" || { failed=1; continue; }
    run=$work/$name start=$SECONDS
    # The experiments' own variables: data, pretrained models, other runs.
    command=${command//'$DATA'/target/data}
    command=${command//'$PRETRAINED'/target/pretrained}
    command=${command//'$RUNS'/$work}
    say "== $name: $command"
    if trained "$run" "$command"; then
        say "== $name: done in $((SECONDS - start)) s"
    else
        say "== $name: FAILED; its folder is $run"
        failed=1
    fi
done <trainer/results/experiments
python3 scripts/results_table.py
exit $failed
