#!/usr/bin/env bash
# Prepares the rig, an emulated 64-bit ARM board with a camera, a screen and a disk, in target/rig.
#
#   scripts/rig.sh                          makes the board's kernel and initramfs, if they are not there
#   scripts/rig.sh run PROGRAM [ARG...]     boots the board, runs an ARM program there, and ends with its exit code
#   scripts/rig.sh shell                    boots the board and gives a shell on it; `poweroff -f` ends it
#
# The board has /dev/video0 (vivid, a virtual V4L2 camera), /dev/fb0, an empty ext4 on /disk, and the folder
# RIG_SHARE (target/rig/share) of this machine as /share, where PROGRAM runs and kernel.log appears. RIG_CPU
# (cortex-a72) is its processor, RIG_VIVID the parameters of the camera's kernel module.
set -eu
. "$(dirname "$0")/env.sh"
# Where Debian keeps mkfs and depmod.
PATH=$PATH:/usr/sbin:/sbin

rig=$PWD/target/rig
guest=tests/rig/guest
modules=(virtio_mmio virtio_console virtio_blk virtio_gpu 9pnet_virtio 9p ext4 vivid dm_mod dm_flakey)
# dmsetup makes disks that fail; the rest is the C library and what dmsetup links to.
packages=(busybox-static dmsetup libdevmapper1.02.1 libudev1 libselinux1 libpcre2-8-0 libcap2 libc6 libgcc-s1)

# Prints the package of the newest kernel: the one that Debian's meta package depends on.
kernel_package() {
    apt-cache depends linux-image-arm64:arm64 | sed -n 's/^ *Depends: \(linux-image-[^:]*\).*/\1/p' | head -n 1
}

# Downloads Debian packages for ARM and unpacks them into a folder; nothing is installed.
unpack() {
    local folder=$1 name
    shift
    mkdir -p "$rig/packages" "$folder"
    for name in "$@"; do
        compgen -G "$rig/packages/${name}_*.deb" >/dev/null ||
            (cd "$rig/packages" && retry apt-get -qq -o APT::Sandbox::User=root download "$name:arm64")
        dpkg-deb -x "$rig/packages/${name}_"*.deb "$folder"
    done
}

# Copies the modules with all that they need, and the list by which the board's modprobe finds them.
copy_modules() {
    local from=$1 to=$2 version=$3 module file
    depmod -b "$from" "$version"
    for module in "${modules[@]}"; do
        modprobe -d "$from" -S "$version" --show-depends "$module" || fail "the kernel has no module $module"
    done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r file; do
        mkdir -p "$to/$(dirname "${file#"$from/"}")"
        cp "$file" "$to/${file#"$from/"}"
    done
    find "$to/lib/modules" -name '*.ko.xz' -exec xz -d {} +
    cp "$from/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$to/lib/modules/$version"
    depmod -b "$to" "$version"
}

# Copies the C library and dmsetup, from wherever in the packages this Debian keeps them.
copy_programs() {
    local from=$1 to=$2 library
    mkdir -p "$to"/{bin,sbin,dev,proc,sys,tmp,run,root,etc,lib/aarch64-linux-gnu}
    cp "$from"/{,usr/}bin/busybox "$to/bin" 2>/dev/null || true
    find "$from" -name dmsetup -type f -exec cp {} "$to/sbin" \;
    find "$from" -path '*/aarch64-linux-gnu/*' -name '*.so*' ! -path '*/gconv/*' ! -path '*/audit/*' |
        while read -r library; do cp -P "$library" "$to/lib/aarch64-linux-gnu"; done
    ln -sf aarch64-linux-gnu/ld-linux-aarch64.so.1 "$to/lib/ld-linux-aarch64.so.1"
    cp "$guest/init" "$to/init"
    cp "$guest/mdev.conf" "$to/etc/mdev.conf"
    cp "$guest/name-camera" "$to/bin/name-camera"
    chmod 755 "$to/init" "$to/bin/name-camera"
}

prepare() {
    local kernel version stamp
    stamp=$(cat scripts/rig.sh "$guest"/* | sha256sum)
    [ "$stamp" != "$(cat "$rig/stamp" 2>/dev/null)" ] || return 0
    scripts/setup.sh rig
    kernel=$(kernel_package)
    [ -n "$kernel" ] || fail "apt knows no linux-image-arm64:arm64: the rig needs Debian's kernel for ARM"
    say "Making the rig: $kernel and ${packages[*]}, unpacked into target/rig"
    rm -rf "$rig"/{kernel,programs,root,stamp}
    unpack "$rig/kernel" "$kernel"
    unpack "$rig/programs" "${packages[@]}"
    version=$(ls "$rig/kernel/lib/modules" 2>/dev/null || ls "$rig/kernel/usr/lib/modules")
    mkdir -p "$rig/root"
    copy_modules "$rig/kernel" "$rig/root" "$version"
    copy_programs "$rig/programs" "$rig/root"
    cp "$rig/kernel/boot/vmlinuz-$version" "$rig/vmlinuz"
    (cd "$rig/root" && find . | cpio --quiet -o -H newc -R 0:0) >"$rig/initramfs"
    rm -rf "$rig"/{kernel,programs,root}
    say "$stamp" >"$rig/stamp"
    say "target/rig: kernel $version, $(stat -c %s "$rig/initramfs") bytes of initramfs"
}

# Boots the board with its console on standard input and output, and this folder as its /share.
boot() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"; [ -z "$terminal" ] || stty "$terminal"' EXIT
    truncate -s 256M "$work/disk"
    mkfs.ext4 -q -F -b 4096 "$work/disk"
    qemu-system-aarch64 -M virt -cpu "${RIG_CPU:-cortex-a72}" -smp 2 -m 1024 -nodefaults -display none -no-reboot \
        -global virtio-mmio.force-legacy=false \
        -kernel "$rig/vmlinuz" -initrd "$rig/initramfs" -append "console=ttyAMA0 quiet panic=-1 vt.global_cursor_default=0" \
        -serial "file:$1/kernel.log" \
        -chardev stdio,id=console -device virtio-serial-device -device virtconsole,chardev=console \
        -device virtio-gpu-device,xres=640,yres=480 \
        -drive "file=$work/disk,format=raw,if=none,id=disk" -device virtio-blk-device,drive=disk \
        -fsdev "local,id=share,path=$1,security_model=none" -device virtio-9p-device,fsdev=share,mount_tag=share
}

# The board's devices, as `run` and `shell` want them.
devices="modprobe virtio_gpu; modprobe vivid ${RIG_VIVID:-n_devs=1 node_types=1 num_inputs=1 input_types=0 multiplanar=1}; mount /dev/vda /disk"

prepare
terminal=
share=$(realpath -m "${RIG_SHARE:-target/rig/share}")
mkdir -p "$share"
case ${1:-} in
'') ;;
shell)
    # A terminal of its own on the console, so that keys are echoed.
    printf '%s\nstty sane\nexec setsid sh -c "sh -i </dev/hvc0 >/dev/hvc0 2>&1"\n' "$devices" >"$share/start"
    terminal=$(stty -g)
    stty raw -echo
    boot "$share"
    ;;
run)
    [ $# -ge 2 ] || fail "run wants an ARM program"
    cp "$2" "$share/program"
    chmod 755 "$share/program"
    shift 2
    { printf '%s\n/share/program' "$devices"; [ $# -eq 0 ] || printf ' %q' "$@"; echo; } >"$share/start"
    rm -f "$share/status"
    boot "$share" </dev/null
    exit "$(cat "$share/status" 2>/dev/null || say 1)"
    ;;
*) fail "no such command: $1; scripts/rig.sh [run PROGRAM [ARG...] | shell]" ;;
esac
