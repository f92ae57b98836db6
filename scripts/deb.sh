#!/usr/bin/env bash
# Makes Debian packages, target/deb/sedge_VERSION_ARCHITECTURE.deb, of the program for 64-bit ARM and for PCs.
#
#   scripts/deb.sh [--no-build] [arm64] [amd64]      with no architecture: both; --no-build packs the programs of last time
set -eu
. "$(dirname "$0")/env.sh"

CARGO_DEB_VERSION=3.8.0
STAGE=target/deb/stage
# What the package's dependency on libc6 promises (Cargo.toml), and the shared libraries that libc6 brings.
GLIBC_PROMISED=2.28
LIBC6='^(libc|libm|libpthread|libdl|librt|ld-linux-x86-64|ld-linux-aarch64)\.so\.[0-9]+$'

build=yes
architectures=()
for argument in "$@"; do
    case $argument in
    --no-build) build='' ;;
    arm64 | amd64) architectures+=("$argument") ;;
    *) fail "scripts/deb.sh: no architecture is called $argument; give arm64 or amd64" ;;
    esac
done
[ ${#architectures[@]} -gt 0 ] || architectures=(arm64 amd64)

install_cargo_deb() {
    [ "$(cargo-deb --version 2>/dev/null)" = "cargo-deb $CARGO_DEB_VERSION" ] && return
    say "Sedge needs cargo-deb $CARGO_DEB_VERSION to make Debian packages: building it into target/tools"
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
        retry cargo install --quiet --locked --force --root target/tools "cargo-deb@$CARGO_DEB_VERSION"
}

triple() {
    case $1 in
    arm64) say "$ARM_TARGET" ;;
    amd64) say x86_64-unknown-linux-gnu ;;
    esac
}

program() {
    case $1 in
    arm64) say "$ARM_PROGRAM" ;;
    amd64) say target/device/x86_64-unknown-linux-gnu/release/sedge ;;
    esac
}

build_arm64() { scripts/device.sh; }

# With everything that a workstation needs, and linked by zig, which alone can link against an old GLIBC.
build_amd64() {
    scripts/setup.sh device
    has_zigbuild || fail "zig is missing, without which a program for PCs needs this system's own GLIBC: run scripts/setup.sh device again"
    local headers
    headers=$(zig_headers x86)
    BINDGEN_EXTRA_CLANG_ARGS=$headers CARGO_PROFILE_RELEASE_STRIP=symbols \
        cargo zigbuild --release --features v4l --bin sedge --target-dir target/device --target "$(triple amd64).$GLIBC_PROMISED"
}

# Fails unless libc6 of the promised version is all that a program needs.
check_libraries() {
    local glibc libraries
    glibc=$(readelf --version-info --wide "$1" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
    glibc=${glibc#GLIBC_}
    [ "$(printf '%s\n' "$glibc" "$GLIBC_PROMISED" | sort -V | tail -n 1)" = "$GLIBC_PROMISED" ] ||
        fail "$1 needs GLIBC $glibc, but the package promises to start with $GLIBC_PROMISED"
    libraries=$(readelf --dynamic --wide "$1" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p' | grep -vE "$LIBC6") || return 0
    fail "$1 needs $libraries, which the package does not depend on"
}

# Runs a program of an architecture here: as it is, or under qemu.
run_program() {
    local path
    path=$(program "$1")
    if [ "$1" = arm64 ] && [ "$(uname -m)" != aarch64 ]; then
        scripts/setup.sh qemu >/dev/null
        "$(arm_qemu)" -L "$(arm_root)" "$path" "${@:2}"
    else
        "$path" "${@:2}"
    fi
}

# Puts what is made for one architecture where Cargo.toml's list of files looks for it.
stage_files() {
    rm -rf "$STAGE"
    mkdir -p "$STAGE/man"
    cp "$(program "$1")" "$STAGE/sedge"
    local shell
    for shell in bash zsh fish; do
        run_program "$1" completions "$shell" >"$STAGE/completions.$shell"
    done
    run_program "$1" man "$STAGE/man"
    # Debian wants a changelog of its own form; ours is in the source.
    printf 'sedge (%s) stable; urgency=medium\n\n  * What changed is in CHANGELOG.md of the source.\n\n -- %s  %s\n' \
        "$version" "$maintainer" "$(date -Ru -d "@$(git log -1 --format=%ct 2>/dev/null || date +%s)")" | gzip -9n >"$STAGE/changelog.gz"
}

field() { sed -nE "/^\[$1\]/,/^\[[^]]*\]\$/s/^$2 = \"(.*)\"/\1/p" Cargo.toml | head -n 1; }
version=$(field package version)
maintainer=$(field package.metadata.deb maintainer)

install_cargo_deb
for architecture in "${architectures[@]}"; do
    [ -z "$build" ] || "build_$architecture"
    path=$(program "$architecture")
    [ -e "$path" ] || fail "$path is missing: run scripts/deb.sh $architecture without --no-build"
    check_libraries "$path"
    stage_files "$architecture"
    package=target/deb/sedge_${version}_$architecture.deb
    cargo deb --quiet --no-build --no-strip --target "$(triple "$architecture")" --output "$package" >/dev/null
    say "$package: $(stat -c %s "$package") bytes"
done
rm -rf "$STAGE"
