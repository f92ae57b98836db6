"""The memory of the emulated PC as it is when the kernel starts, and its firmware."""

import os
import re
import struct
import subprocess
from pathlib import Path

# Where the kernel's start information lies (rom.S knows the first): the boot protocol PVH, version 1.
START_INFO, MODULES, MEMORY_MAP, COMMAND_LINE = 0x7000, 0x7100, 0x7200, 0x8000
START_MAGIC = 0x336EC578
PT_LOAD, PT_NOTE, NOTE_PVH_ENTRY = 1, 4, 18


def archive(entries):
    """The entries (path, mode, bytes) as a cpio archive, which the kernel unpacks as its file system."""
    out = bytearray()

    def pad():
        out.extend(bytes(-len(out) % 4))

    for inode, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        name = name.encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        pad()
        out += data
        pad()
    return bytes(out)


def libraries(program):
    """The shared libraries of a program and its loader."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True)
    return re.findall(r"(/\S+) \(0x", listed.stdout) if listed.returncode == 0 else []


def file_system(home, program, command, more):
    """An archive of the program (/program/run), its libraries, its command, and `more` files and folders."""
    files = {
        "/init": (0o100755, (home / "init").read_bytes()),
        "/program/run": (0o100755, Path(program).read_bytes()),
        "/program/command": (0o100644, b"".join(part.encode() + b"\0" for part in command)),
    }
    paths = libraries(program)
    for path in map(os.path.abspath, more):
        found = [path] if os.path.isfile(path) else [str(p) for p in Path(path).rglob("*") if p.is_file()]
        paths += found
        for path in found:
            paths += libraries(path) if os.access(path, os.X_OK) else []
    for path in paths:
        files[path] = (0o100000 | os.stat(path).st_mode & 0o777, Path(path).read_bytes())
    folders = {parent for path in [*files, command[0] + "/"] for parent in map(str, Path(path).parents)}
    folders |= {command[0], "/dev"}
    folders.discard("/")
    entries = [(folder[1:], 0o40755, b"") for folder in sorted(folders)]
    return archive(entries + [(path[1:], mode, data) for path, (mode, data) in files.items()])


def kernel(elf):
    """The kernel's segments (address, offset in the file, bytes in the file, bytes in memory) and its PVH entry."""
    segments, entry = [], None
    (headers,), (count,) = struct.unpack_from("<Q", elf, 32), struct.unpack_from("<H", elf, 56)
    for index in range(count):
        kind, _, offset, _, address, size, room, _ = struct.unpack_from("<IIQQQQQQ", elf, headers + 56 * index)
        if kind == PT_LOAD:
            segments.append((address, offset, size, room))
        at = offset
        while kind == PT_NOTE and at < offset + size:
            name_size, data_size, note = struct.unpack_from("<III", elf, at)
            data = at + 12 + (name_size + 3 & ~3)
            if elf[at + 12 : at + 12 + name_size] == b"Xen\0" and note == NOTE_PVH_ENTRY:
                entry = int.from_bytes(elf[data : data + data_size], "little")
            at = data + (data_size + 3 & ~3)
    if entry is None:
        raise SystemExit("error: the kernel has no PVH entry")
    return segments, entry


def write(path, home, options, mib, program, command, more):
    """Writes the memory's contents from address 0 on; returns the kernel's entry."""
    elf = (home / "vmlinux").read_bytes()
    segments, entry = kernel(elf)
    files = file_system(home, program, command, more)
    start = max(address + room for address, _, _, room in segments) + 0x1FFFFF & ~0x1FFFFF
    if start + len(files) + (64 << 20) > mib << 20:
        raise SystemExit(f"error: {mib} MiB are too few for the program and its files: raise EMULATOR_MEMORY")
    info = struct.pack("<IIIIQQQQII", START_MAGIC, 1, 0, 1, MODULES, COMMAND_LINE, 0, MEMORY_MAP, 2, 0)
    low = struct.pack("<QQII", 0, 0x9F000, 1, 0)
    high = struct.pack("<QQII", 1 << 20, (mib - 1) << 20, 1, 0)
    parts = [
        (START_INFO, info),
        (MODULES, struct.pack("<QQQQ", start, len(files), 0, 0)),
        (MEMORY_MAP, low + high),
        (COMMAND_LINE, options.encode() + b"\0"),
        *((address, elf[offset : offset + size]) for address, offset, size, _ in segments),
        (start, files),
    ]
    with open(path, "wb") as out:
        for address, data in parts:
            out.seek(address)
            out.write(data)
    return entry


def write_rom(folder, source, entry, mib):
    """Assembles the firmware to rom.bin."""
    symbols = ["--defsym", f"ENTRY={entry}", "--defsym", f"MEMORY={mib << 20}"]
    subprocess.run(["as", "--32", *symbols, "-o", folder / "rom.o", source], check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", folder / "rom.o", folder / "rom.bin"], check=True)
