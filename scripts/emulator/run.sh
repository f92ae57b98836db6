#!/usr/bin/env bash
# Runs an x86-64 Linux program on an emulated processor with AVX512-VNNI and AVX-VNNI: run.sh PROGRAM [ARGUMENTS].
# See README.md.
set -euo pipefail

here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
home=$here/../../target/emulator

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 125
}

# The folder `debian` of the mirror that this system uses.
mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/$'
}

# Fetches the emulator's source and the kernel into the current folder; leaves this system's package lists alone.
fetch() {
    local debian key=/usr/share/keyrings/debian-archive-keyring.gpg image
    debian=${EMULATOR_DEBIAN:-$(mirror)} || fail "this system has no Debian mirror: set EMULATOR_DEBIAN to the URL of one"
    [ -f "$key" ] || fail "$key is missing: install debian-archive-keyring"
    mkdir -p apt/lists/partial apt/cache/archives/partial
    : >apt/status
    printf '%s\n' "deb-src [signed-by=$key] $debian trixie main" "deb [signed-by=$key] $debian bookworm main" >apt/sources
    cat >apt/conf <<END
Dir::State "$PWD/apt";
Dir::State::lists "$PWD/apt/lists";
Dir::State::status "$PWD/apt/status";
Dir::Cache "$PWD/apt/cache";
Dir::Etc::sourcelist "$PWD/apt/sources";
Dir::Etc::sourceparts "/dev/null";
APT::Sandbox::User "root";
Acquire::Languages "none";
END
    export APT_CONFIG=$PWD/apt/conf
    apt-get -qq update
    # A mirror may lack the package's description; the source archive, which apt-get checks, is all that is needed.
    apt-get -qq source --download-only bochs 2>>"$home/build.log" || true
    image=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/ { print $2; exit }')
    apt-get -qq download "$image"
}

# Builds what is missing in $home. Several runs may start at once.
build() {
    mkdir -p "$home"
    exec 9>"$home/lock"
    flock 9
    if [ ! -x "$home/init" ]; then
        echo "Building the emulator in target/emulator (about 2 minutes)" >&2
        rm -rf "$home/build"
        mkdir -p "$home/build/bochs"
        (
            cd "$home/build"
            fetch >&2
            tar xf bochs_3*.orig.tar.* -C bochs --strip-components=1
            dpkg-deb -x linux-image-*.deb kernel
            gcc -O2 -o unlz4 "$here/unlz4.c"
            ./unlz4 kernel/boot/vmlinuz-* "$home/vmlinux"
            cd bochs
            # Time in which the kernel waits passes faster.
            sed -i 's|BX_TICKN(10); // when in HLT|BX_TICKN(200); // when in HLT|' cpu/event.cc
            flags="-fno-strict-aliasing -pipe"
            # Without --disable-show-ips a timer writes to the log, and hangs where it interrupts another line.
            ./configure CXXFLAGS="-O3 $flags" CFLAGS="-O2 $flags" --enable-cpu-level=6 --enable-x86-64 --enable-fpu \
                --enable-avx --enable-evex --enable-pci --enable-all-optimizations --disable-plugins \
                --disable-docbook --disable-debugger --disable-show-ips --with-nogui >>"$home/build.log" 2>&1
            make -j"$(nproc)" >>"$home/build.log" 2>&1
            cp bochs "$home/bochs"
        ) || fail "the emulator could not be built: see the messages above and target/emulator/build.log"
        gcc -O2 -static -o "$home/init.new" "$here/init.c"
        mv "$home/init.new" "$home/init"
        rm -rf "$home/build"
    fi
    home=$(cd "$home" && pwd)
    exec 9>&-
}

[ $# -ge 1 ] || fail "name a program to run: scripts/emulator/run.sh PROGRAM [ARGUMENTS]"
build
exec python3 "$here/boot.py" "$home" "$@"
