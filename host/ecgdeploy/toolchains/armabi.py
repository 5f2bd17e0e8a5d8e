"""What an Arm archive was compiled for, and how large an image is: read from the ELF file, without any tool.

Source: Addenda to, and Errata in, the ABI for the Arm Architecture, section "Build attributes".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SECTION_TYPE = 0x70000003  # SHT_ARM_ATTRIBUTES
_TAG_CPU_RAW_NAME = 4
_TAG_CPU_NAME = 5
_TAG_FP_ARCH = 10
_TAG_VFP_ARGS = 28
_TEXT_TAGS = {_TAG_CPU_RAW_NAME, _TAG_CPU_NAME, 32, 65, 67}


@dataclass(frozen=True)
class ArmAbi:
    """Core and float calling convention of an object.

    Attributes
    ----------
    cpu : str
        Core as the compiler named it; empty where it named none.
    hard_float_arguments : bool
        Floats are passed in floating-point registers.
    fpu : bool
        Compiled to use a floating-point unit; false where floats are computed in software.
    """

    cpu: str
    hard_float_arguments: bool
    fpu: bool = False


def archive_abi(path: Path) -> ArmAbi | None:
    """ABI of the first Arm object in a static library; None where there is none."""
    return next((found for member in _members(path) if (found := object_abi(member)) is not None), None)


def archive_is_aarch64(path: Path) -> bool:
    """Whether the first ELF object in a static library is one for 64-bit Arm."""
    first = next((member for member in _members(path) if member.startswith(b"\x7fELF")), b"")
    return first[:6] == b"\x7fELF\x02\x01" and first[18:20] == b"\xb7\x00"


def _members(path: Path) -> Iterator[bytes]:
    """Files in a static library; nothing where it is none, the readable ones where it is damaged."""
    data = path.read_bytes()
    at = 8 if data.startswith(b"!<arch>\n") else len(data)
    while at + 60 <= len(data):
        try:
            size = int(data[at + 48 : at + 58])
        except ValueError:
            return
        yield data[at + 60 : at + 60 + size]
        at += 60 + size + (size & 1)


def object_abi(data: bytes) -> ArmAbi | None:
    """ABI of one ELF object; None where it is not a 32-bit little-endian Arm one with attributes."""
    if len(data) < 52 or data[:6] != b"\x7fELF\x01\x01" or data[18:20] != b"\x28\x00":
        return None
    (table,) = struct.unpack_from("<I", data, 32)
    entry, count = struct.unpack_from("<HH", data, 46)
    for index in range(count):
        place = table + index * entry
        if place + 40 > len(data):
            return None
        kind = struct.unpack_from("<I", data, place + 4)[0]
        offset, size = struct.unpack_from("<II", data, place + 16)
        if kind == _SECTION_TYPE:
            return _attributes(data[offset : offset + size])
    return None


_SECTION_ALLOCATED = 2  # SHF_ALLOC
_SECTION_NO_BITS = 8  # SHT_NOBITS


def image_sections(path: Path) -> list[tuple[str, int, bool]]:
    """Sections of a 32-bit ELF image that take memory: name, bytes, and whether flash holds their content."""
    data = path.read_bytes()
    if len(data) < 52 or data[:6] != b"\x7fELF\x01\x01":
        return []
    (table,) = struct.unpack_from("<I", data, 32)
    entry, count, names = struct.unpack_from("<HHH", data, 46)
    if table + count * entry > len(data):
        return []
    headers = [struct.unpack_from("<IIIIII", data, table + index * entry) for index in range(count)]
    found = []
    for name, kind, flags, _, _, size in headers:
        if flags & _SECTION_ALLOCATED and size:
            start = headers[names][4] + name
            text = data[start : data.find(b"\0", start)].decode("ascii", "replace")
            found.append((text, size, kind != _SECTION_NO_BITS))
    return found


def _attributes(section: bytes) -> ArmAbi | None:
    """The file-wide attributes of vendor ``aeabi``."""
    start = section.find(b"aeabi\0")
    if start < 0 or start + 11 > len(section) or section[start + 6] != 1:
        return None
    at, end = start + 11, start + 6 + struct.unpack_from("<I", section, start + 7)[0]
    cpu, hard, fpu = "", False, False
    while at < min(end, len(section)):
        tag, at = _uleb(section, at)
        if tag in _TEXT_TAGS:
            stop = section.find(b"\0", at)
            text, at = section[at:stop].decode("ascii", "replace"), stop + 1
            if stop < 0:
                break
            if tag == _TAG_CPU_NAME:
                cpu = text
        else:
            value, at = _uleb(section, at)
            if tag == _TAG_VFP_ARGS:
                hard = value == 1
            if tag == _TAG_FP_ARCH:
                fpu = value > 0
    return ArmAbi(cpu, hard, fpu)


def _uleb(data: bytes, at: int) -> tuple[int, int]:
    """One unsigned LEB128 number and the place after it."""
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    return value, at
