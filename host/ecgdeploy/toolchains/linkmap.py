"""GNU ld's map file read into numbers: which object put how many bytes into which memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_OUTPUT = re.compile(r"^(\.[\w.\-]+)(?:\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)(?:\s+load address 0x([0-9a-f]+))?)?\s*$")
_INPUT = re.compile(r"^ (\*fill\*|COMMON|\.\S+)(?:\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)(?:\s+(\S.*))?)?\s*$")
_WRAPPED = re.compile(r"^\s{10,}0x([0-9a-f]+)\s+0x([0-9a-f]+)(?:\s+(load address 0x[0-9a-f]+|\S.*))?\s*$")


@dataclass(frozen=True)
class Piece:
    """One input section in the image.

    Attributes
    ----------
    output : str
        Output section (``.text``).
    section : str
        Input section (``.text.ecgd_conv``), ``*fill*`` for padding.
    address, size : int
        Where it runs, and its bytes.
    origin : str
        Object file, or ``archive.a(member.o)``; empty for padding.
    """

    output: str
    section: str
    address: int
    size: int
    origin: str


@dataclass(frozen=True)
class OutputSection:
    """One output section: where it runs, where it is loaded from, its bytes."""

    name: str
    address: int
    size: int
    load_address: int | None


@dataclass(frozen=True)
class LinkMap:
    """All allocated output sections, and the pieces they are made of."""

    sections: tuple[OutputSection, ...]
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Sizes:
    """Bytes of an image.

    Attributes
    ----------
    flash, ram : int
        Used of each memory; RAM is static data without the stack.
    stack : int
        Reserved for the stack, in bytes.
    flash_by_section, ram_by_section : dict of str to int
        By kind of input section (``.text`` code, ``.rodata`` constants, ``.data``, ``.bss``).
    flash_by_part, ram_by_part : dict of str to int
        By part of the firmware; they add up to `flash` and `ram`.
    """

    flash: int
    ram: int
    stack: int
    flash_by_section: dict[str, int]
    ram_by_section: dict[str, int]
    flash_by_part: dict[str, int]
    ram_by_part: dict[str, int]


def parse_map(text: str) -> LinkMap:
    """Read a map file's memory part; debug and other sections that are not loaded are left out."""
    start = text.find("Linker script and memory map")
    sections: list[OutputSection] = []
    pieces: list[Piece] = []
    output = ""
    pending: tuple[str, bool] | None = None  # a name too long for its column: its numbers are on the next line
    for line in text[max(start, 0) :].splitlines():
        if pending and (wrapped := _WRAPPED.match(line)):
            name, is_output = pending
            pending = None
            address, size, rest = int(wrapped[1], 16), int(wrapped[2], 16), wrapped[3] or ""
            if is_output:
                load = int(rest.split("0x")[1], 16) if rest.startswith("load address") else None
                sections.append(OutputSection(name, address, size, load))
            elif size:
                pieces.append(Piece(output, name, address, size, rest))
            continue
        pending = None
        if found := _OUTPUT.match(line):
            output = found[1]
            if found[2] is None:
                pending = (output, True)
            else:
                load = int(found[4], 16) if found[4] else None
                sections.append(OutputSection(output, int(found[2], 16), int(found[3], 16), load))
        elif found := _INPUT.match(line):
            if found[2] is None:
                pending = (found[1], False)
            elif int(found[3], 16) and output:
                origin = found[4] or ""
                # "*fill*  0x.. 0x2 00" ends in the fill pattern, not in a file
                pieces.append(
                    Piece(
                        output, found[1], int(found[2], 16), int(found[3], 16), "" if found[1] == "*fill*" else origin
                    )
                )
    kept = tuple(section for section in sections if section.size and not _unloaded(section.name))
    names = {section.name for section in kept}
    return LinkMap(kept, tuple(piece for piece in pieces if piece.output in names))


def _unloaded(name: str) -> bool:
    return name.startswith((".debug", ".comment", ".ARM.attributes", ".stab", ".note", ".line"))


_WEIGHTS = re.compile(r"^\.rodata\.(?:weights|codes|table)_(\d+)(?:_\d+)?$")


def weight_bytes(link_map: LinkMap) -> dict[int, int]:
    """Bytes of each stage's weights in an image with engine static, as they were linked."""
    found: dict[int, int] = {}
    for piece in link_map.pieces:
        if "ecgd_model" in piece.origin and (name := _WEIGHTS.match(piece.section)):
            found[int(name[1])] = found.get(int(name[1]), 0) + piece.size
    return found


def measure(
    link_map: LinkMap, flash: range, ram: range, part_of: Callable[[Piece], str], stack_section: str = ".stack"
) -> Sizes:
    """Add up a map by memory, section and part.

    Parameters
    ----------
    link_map : LinkMap
        Of the image.
    flash, ram : range
        Addresses of the two memories.
    part_of : callable
        Names the part of the firmware that a piece belongs to.
    stack_section : str
        Section that reserves the stack.
    """
    flash_sections: dict[str, int] = {}  # output sections first: they know load addresses
    ram_sections: dict[str, int] = {}
    stack = 0
    for section in link_map.sections:
        if section.name == stack_section:
            stack = section.size
            continue
        if section.address in ram:
            ram_sections[section.name] = section.size
        if section.address in flash or (section.load_address is not None and section.load_address in flash):
            if section.name in _NOT_STORED:
                continue
            flash_sections[section.name] = section.size
    return _sizes(link_map, flash_sections, ram_sections, stack, part_of)


def measure_process(link_map: LinkMap, part_of: Callable[[Piece], str]) -> Sizes:
    """Add up the map of a program for an operating system: what its file holds, and what of it is writable.

    The stack and the C library are the system's; `Sizes.flash` is what is loaded from the file.
    """
    stored = {section.name: section.size for section in link_map.sections if section.name not in _NOT_STORED}
    writable = {section.name: section.size for section in link_map.sections if section.name in _WRITABLE}
    return _sizes(link_map, stored, writable, 0, part_of)


def _sizes(
    link_map: LinkMap, flash: dict[str, int], ram: dict[str, int], stack: int, part_of: Callable[[Piece], str]
) -> Sizes:
    return Sizes(
        sum(flash.values()),
        sum(ram.values()),
        stack,
        _grouped(link_map.pieces, flash, section_of),
        _grouped(link_map.pieces, ram, section_of),
        _grouped(link_map.pieces, flash, part_of),
        _grouped(link_map.pieces, ram, part_of),
    )


_WRITABLE = frozenset({".data", ".bss", ".data.rel.ro", ".got", ".got.plt", ".dynamic", ".init_array", ".fini_array"})
_NOT_STORED = frozenset({".bss", ".noinit"})  # ld gives them a load address, but they are NOLOAD


def section_of(piece: Piece) -> str:
    """The kind of content: the input section's name without what ``-ffunction-sections`` appended."""
    if piece.section in {"*fill*", "COMMON"}:
        return "padding" if piece.section == "*fill*" else ".bss"
    words = piece.section.split(".")
    return "." + ".".join(words[1:3] if words[1] == "ARM" else words[1:2])


def _grouped(pieces: Iterable[Piece], sections: dict[str, int], group_of: Callable[[Piece], str]) -> dict[str, int]:
    """Bytes of each group in `sections`, largest first; what no object accounts for is padding."""
    groups: dict[str, int] = {}
    for piece in pieces:
        if piece.output in sections:
            group = group_of(piece)
            groups[group] = groups.get(group, 0) + piece.size
    rest = sum(sections.values()) - sum(groups.values())
    if rest:
        groups["padding"] = groups.get("padding", 0) + rest
    return dict(sorted(groups.items(), key=lambda item: (-item[1], item[0])))
