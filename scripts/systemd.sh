#!/usr/bin/env bash
# Installs the Debian package on an emulated PC that systemd runs, as a user would, and checks what the service promises.
#
#   scripts/systemd.sh [--no-build]         makes what is missing, runs the checks; exit code 1 if one fails. --no-build takes
#                                           the package of last time instead of making it anew
#   scripts/systemd.sh shell                boots the same PC with a shell on it; `poweroff` ends it
#
# The PC is Debian 12 with its own kernel, on qemu without acceleration: the same on every machine, and slow. It has
# /dev/video0 (vivid, a virtual V4L2 camera), /dev/fb0, a disk that is new in each run, an ext4 as /dev/vdb for a memory
# card, no network, and target/systemd/share of this machine as /share. The checks are in tests/systemd/checks; consoles
# and journal of the last run are console-1.log, console-2.log and share/journal.log in target/systemd.
set -eu
. "$(dirname "$0")/env.sh"
# Where Debian keeps debootstrap and mkfs.
PATH=$PATH:/usr/sbin:/sbin

folder=$PWD/target/systemd
suite=bookworm
# What a board has anyway (procps, adduser), what the PC boots with, and what network cameras need.
packages=systemd-sysv,udev,kmod,adduser,procps,initramfs-tools,zstd,linux-image-amd64,ffmpeg
# Of the card in /dev/vdb, as tests/systemd/checks knows it.
card_uuid=5ed9e000-0000-4000-8000-00000000ca2d
boot_seconds_max=1800

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

# Makes the PC's disk, once: nothing of Sedge is on it but what starts the checks.
prepare() {
    local stamp root=$folder/root
    stamp=$({ declare -f prepare && say "$suite $packages" && cat tests/systemd/checks.service; } | sha256sum)
    [ "$stamp" != "$(cat "$folder/stamp" 2>/dev/null)" ] || return 0
    scripts/setup.sh systemd
    say "Making the PC: Debian $suite with $packages, in target/systemd"
    mkdir -p "$folder"
    rm -f "$folder"/{stamp,image}
    if [ ! -e "$folder/root.complete" ]; then
        as_root rm -rf "$root"
        as_root debootstrap --variant=minbase --include="$packages" "$suite" "$root" >"$folder/debootstrap.log" ||
            fail "debootstrap failed: $(tail -n 1 "$folder/debootstrap.log")"
        touch "$folder/root.complete"
    fi
    as_root sh -eu -c '
        cd "$1"
        rm -rf var/cache/apt/archives/*.deb var/lib/apt/lists/*
        install -m 644 "$2" etc/systemd/system/checks.service
        mkdir -p etc/systemd/system/multi-user.target.wants share
        ln -sf /etc/systemd/system/checks.service etc/systemd/system/multi-user.target.wants/checks.service
        echo "/dev/vda / ext4 rw 0 0" >etc/fstab
        echo pc >etc/hostname
        echo vivid >etc/modules-load.d/camera.conf
        echo "options vivid n_devs=1 node_types=1 num_inputs=1 input_types=0 multiplanar=1" >etc/modprobe.d/camera.conf
        echo MODULES=list >etc/initramfs-tools/conf.d/modules
        printf "virtio_pci\nvirtio_blk\next4\n" >etc/initramfs-tools/modules
        chroot . passwd --quiet --delete root
        chroot . update-initramfs -u >/dev/null
        install -m 644 boot/vmlinuz-* "$3/vmlinuz"
        install -m 644 boot/initrd.img-* "$3/initrd"
        truncate -s 2G "$3/image.new"
        mkfs.ext4 -q -F -d . "$3/image.new"
        chown "$4" "$3/image.new"
    ' make-disk "$root" "$PWD/tests/systemd/checks.service" "$folder" "$(id -u)"
    as_root rm -rf "$root"
    rm -f "$folder/root.complete"
    mv "$folder/image.new" "$folder/image"
    say "$stamp" >"$folder/stamp"
}

# Makes what is new in each run.
new_disks() {
    cp --sparse=always "$folder/image" "$folder/disk"
    rm -f "$folder/card"
    truncate -s 64M "$folder/card"
    mkfs.ext4 -q -F -U "$card_uuid" "$folder/card"
}

# Boots the PC: the arguments are further ones for qemu, `append` is added to the kernel's, `limit` goes before it all.
# Told to start anew, the PC is switched off, since qemu's second start of a PC with two processors may hang.
boot() {
    "${limit[@]}" qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -nodefaults -display none -vga std \
        -nic none -no-reboot -kernel "$folder/vmlinuz" -initrd "$folder/initrd" \
        -append "root=/dev/vda console=ttyS0 quiet no_timer_check ${append:-}" \
        -drive "file=$folder/disk,format=raw,if=virtio,cache=unsafe" -drive "file=$folder/card,format=raw,if=virtio" \
        -virtfs "local,path=$folder/share,mount_tag=share,security_model=none" "$@"
}

package() {
    local version
    version=$(sed -nE 's/^version = "(.*)"/\1/p' Cargo.toml | head -n 1)
    say "target/deb/sedge_${version}_amd64.deb"
}

build=yes
shell=
limit=()
case ${1:-} in
'') ;;
--no-build) build= ;;
shell) build= shell=yes ;;
*) fail "no such command: $1; scripts/systemd.sh [--no-build | shell]" ;;
esac

prepare
[ -z "$build" ] || scripts/deb.sh amd64
rm -rf "$folder/share"
mkdir -p "$folder/share"
[ ! -e "$(package)" ] || cp "$(package)" "$folder/share/sedge.deb"
cp tests/systemd/checks clips/demo.avi "$folder/share"

new_disks
if [ -n "$shell" ]; then
    append=systemd.mask=checks.service boot -serial mon:stdio
    exit
fi
[ -e "$folder/share/sedge.deb" ] || fail "$(package) is missing: run scripts/deb.sh amd64"
say "Booting the PC with $(package); the checks take some minutes"
limit=(timeout "$boot_seconds_max")
for start in 1 2; do
    boot -serial "file:$folder/console-$start.log" -serial stdio </dev/null | sed -u 's/\r$//' | tee "$folder/checks-$start.log" || true
    grep -q '^== ' "$folder/checks-$start.log" ||
        fail "the PC did not finish its checks in $boot_seconds_max s: target/systemd/console-$start.log has its last words"
done
rm -f "$folder/disk"
! grep -q '^FAILED' "$folder"/checks-[12].log || exit 1
