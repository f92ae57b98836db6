#!/usr/bin/env bash
# Installs what the tests, the ARM build and the checks need, and says what and why; a second run finds everything there.
#
#   scripts/setup.sh [python] [device] [qemu] [rig] [systemd] [deny]      with no argument: python, device and qemu
set -eu
. "$(dirname "$0")/env.sh"

parts=${*:-python device qemu}
wants() { [[ " $parts " == *" $1 "* ]]; }

debian_packages=()
foreign_arm=
# Notes Debian packages to install: what for, then their names.
needs() {
    local why=$1
    shift
    say "Sedge needs $* for $why."
    debian_packages+=("$@")
}

find_missing() {
    command -v cc >/dev/null || needs "the linker of every Rust program" gcc libc6-dev
    if wants python || wants device; then
        python3 -c 'import venv, ensurepip' 2>/dev/null ||
            needs "a Python environment of its own in .venv" python3 python3-venv
    fi
    if wants device; then
        command -v readelf >/dev/null || needs "reading which GLIBC the ARM program needs" binutils
        has_libclang || needs "the bindings to V4L2 cameras" libclang-dev linux-libc-dev
        arm_rustc >/dev/null || rustup_arm_std || {
            needs "Rust's standard library for ARM" rustc-web libstd-rust-web-dev:arm64
            foreign_arm=yes
        }
    fi
    if wants qemu; then
        arm_qemu >/dev/null || needs "running the ARM program on this machine" qemu-user
        # Debian's Rust library for ARM brings the C library along.
        arm_root >/dev/null || [ -n "$foreign_arm" ] ||
            needs "the C library of the ARM program under qemu" libc6-arm64-cross
    fi
    if wants rig; then
        command -v qemu-system-aarch64 >/dev/null || needs "the emulated board" qemu-system-arm
        command -v depmod >/dev/null || needs "the modules of the board's kernel" kmod
        command -v cpio >/dev/null || needs "packing the board's files" cpio
        command -v mkfs.ext4 >/dev/null || needs "the board's disks" e2fsprogs
        command -v xz >/dev/null || needs "the modules of newer kernels" xz-utils
        # The board's kernel is downloaded as a package for ARM, which apt must know.
        apt-cache show linux-image-arm64:arm64 >/dev/null 2>&1 || foreign_arm=yes
    fi
    if wants systemd; then
        command -v qemu-system-x86_64 >/dev/null || needs "the emulated PC" qemu-system-x86
        command -v debootstrap >/dev/null || needs "installing Debian on the PC's disk" debootstrap
        command -v mkfs.ext4 >/dev/null || needs "the PC's disk" e2fsprogs
    fi
}

# True when rustup could add the standard library for ARM; its servers may be out of reach, so it gets two minutes.
rustup_arm_std() {
    command -v rustup >/dev/null || return 1
    local answer
    say "Sedge needs Rust's standard library for ARM: asking rustup for it."
    answer=$(RUSTUP_MAX_RETRIES=1 timeout 120 rustup target add "$ARM_TARGET" 2>&1) && arm_rustc >/dev/null && return
    say "rustup could not add it ($(grep -m 1 '^error' <<<"$answer" || say "no answer in two minutes"))."
    return 1
}

# Installs the noted packages with apt-get as root or through sudo, or prints the line to run and ends with 1.
install_debian() {
    [ ${#debian_packages[@]} -gt 0 ] || [ -n "$foreign_arm" ] || return 0
    local as_root='' update='apt-get -q update' install
    [ -z "$foreign_arm" ] || update="dpkg --add-architecture arm64 && $update"
    install="DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 install -y --no-install-recommends ${debian_packages[*]}"
    command -v apt-get >/dev/null ||
        fail "there is no apt-get here: install what is named above with this system's own packages, then run this again"
    if [ "$(id -u)" -ne 0 ]; then
        # sudo may ask for a password, which needs a terminal.
        if command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
            as_root=sudo
        else
            fail "installing Debian packages needs root; run this line as root, then run this again:
    ${update} && apt-get install -y --no-install-recommends ${debian_packages[*]}"
        fi
    fi
    say "Installing with apt-get: ${debian_packages[*]}"
    retry $as_root sh -c "$update"
    retry $as_root sh -c "$install"
    hash -r
}

# Installs a list of pinned Python packages into .venv, unless exactly this list is there already.
install_python() {
    local list=$1 stamp
    stamp=.venv/installed-$(basename "$list")
    if ! .venv/bin/python -c '' 2>/dev/null; then
        say "Sedge needs a Python environment of its own: making .venv"
        rm -rf .venv
        python3 -m venv .venv
    fi
    cmp -s "$list" "$stamp" && return
    say "Installing into .venv: $(grep -v '^#' "$list" | tr '\n' ' ')"
    retry .venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: -r "$list" || return
    cp "$list" "$stamp"
}

install_deny() {
    [ "$(cargo deny --version 2>/dev/null)" = "cargo-deny $CARGO_DENY_VERSION" ] && return
    say "Sedge needs cargo-deny $CARGO_DENY_VERSION to check licences and sources: building it into target/tools"
    # It runs for a second, so the compiler need not work hard on it.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        retry cargo install --quiet --locked --root target/tools "cargo-deny@$CARGO_DENY_VERSION"
}

command -v cargo >/dev/null || fail "there is no cargo here: install Rust 1.91 or newer from https://rustup.rs"
find_missing
install_debian
if wants python; then install_python scripts/requirements.txt; fi
if wants device; then
    arm_rustc >/dev/null || fail "the standard library for $ARM_TARGET is still missing after the installation above"
    install_python scripts/requirements-device.txt || {
        say "zig could not be installed: the ARM program will be linked by Debian's cross compiler instead."
        debian_packages=()
        command -v aarch64-linux-gnu-gcc >/dev/null ||
            needs "linking the ARM program without zig" gcc-aarch64-linux-gnu libc6-dev-arm64-cross
        install_debian
    }
fi
if wants deny; then install_deny; fi
