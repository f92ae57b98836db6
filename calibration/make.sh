#!/bin/sh
# Makes the pictures in calibration/ from a folder of data sets: calibration/make.sh DATA_FOLDER
#
# DATA_FOLDER holds feral_cat/, ccp6/, photos/ and clips/ (README.md names their origins). Needs ffmpeg. The pictures
# are chosen by fixed numbers and times, so the same sources and the same ffmpeg give the same bytes.
set -eu

if [ $# -ne 1 ] || [ ! -d "$1" ]; then
    echo "usage: $0 DATA_FOLDER" >&2
    exit 2
fi
data=$1

# into FOLDER: what follows goes there.
into() {
    out=$(dirname "$0")/$1
    mkdir -p "$out"
    rm -f "$out"/*.jpg
}

# picture NAME FILE [SECOND]: one picture, longest side 320 at most, JPEG quality of about 88.
picture() {
    ffmpeg -nostdin -loglevel error -y ${3:+-ss "$3"} -i "$2" -frames:v 1 \
        -vf "scale=320:320:force_original_aspect_ratio=decrease:flags=area+accurate_rnd" \
        -pix_fmt yuvj420p -c:v mjpeg -q:v 3 -huffman optimal \
        -flags:v +bitexact -fflags +bitexact -map_metadata -1 -threads 1 -update 1 "$out/$1.jpg"
}

# sample NAME FOLDER COUNT: COUNT pictures of a folder, evenly spaced over its files in the order of their names.
sample() {
    total=$(find "$2" -name '*.jpg' | wc -l)
    n=0
    while [ "$n" -lt "$3" ]; do
        line=$((n * total / $3 + 1))
        file=$(find "$2" -name '*.jpg' | LC_ALL=C sort | sed -n "${line}p")
        picture "$1-$(basename "$file" .jpg)" "$file"
        n=$((n + 1))
    done
}

into voc
sample cat "$data/feral_cat/train/images" 8
sample people "$data/ccp6/train/images" 8
for name in parrot owl cat grace_hopper dog_segmentation; do
    picture "photo-$name" "$data/photos/$name.png"
done
for second in 5 20 35 50 65; do
    picture "street-$second" "$data/clips/vtest.avi" "$second"
done
for second in 6 16 26; do
    picture "cars-$second" "$data/clips/car-detection.mp4" "$second"
done
# The clip inside the program is seconds 17 to 26 of this film.
for second in 56 76 126; do
    picture "room-$second" "$data/clips/one-by-one-person-detection.mp4" "$second"
done

into feral_cat
sample cat "$data/feral_cat/train/images" 32
