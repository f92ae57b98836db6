#!/usr/bin/env bash
# Prints a table of the time of an inference against the size of the input and the number of threads.
#
#   benches/growth.sh [NETWORK] [SECONDS]        a network of the zoo (unet-mnv2) and the time of each measurement (3)
#
# Weights are untrained: time does not depend on them. Models are kept in target/growth/.
set -eu
. "$(dirname "$0")/../scripts/env.sh"

network=${1:-unet-mnv2}
seconds=${2:-3}
folder=target/growth
sedge=target/release/sedge
mkdir -p "$folder/pictures"
# Two pictures are enough to give every tensor a scale.
for picture in $(find calibration/voc -name '*.jpg' | sort | sed -n 1,2p); do
    cp "$picture" "$folder/pictures/"
done

say "| $network | threads | least ms | ns a pixel |"
say "|---|---|---|---|"
for size in 128 256 512 1024; do
    model=$folder/$network-$size.onnx
    if [ ! -e "$model" ]; then
        $sedge new "$network" --classes 3 --size "${size}x$size" -o "$folder/float.onnx" >/dev/null
        $sedge convert "$folder/float.onnx" -o "$model.part" --calibration "$folder/pictures" --method minmax >/dev/null
        mv "$model.part" "$model"
    fi
    for threads in 1 2; do
        $sedge bench --model "$model" --threads "$threads" --seconds "$seconds" --mask-size network --json |
            python3 -c "
import json, sys
ms = json.load(sys.stdin)['stages']['infer']['min_ms']
print(f'| {$size} x {$size} | $threads | {ms:.2f} | {1e6 * ms / $size**2:.0f} |')"
    done
done
