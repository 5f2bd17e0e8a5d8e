"""Writes the C header and the protocol page from the declaration: ``python -m ecgdeploy.link.render [--check]``."""

from __future__ import annotations

import sys
from pathlib import Path

from ecgdeploy.link import protocol
from ecgdeploy.link.protocol import Code, Layout

HEADER_PATH = Path("firmware/link/ecgd_protocol.h")
PAGE_PATH = Path("docs/protocol.md")
COMMAND = "python -m ecgdeploy.link.render"

_TABLES = (
    ("error", "Error codes", protocol.ERRORS),
    ("flag", "Measurement flags", protocol.FLAGS),
    ("reset", "Reset causes", protocol.RESET_CAUSES),
    ("unit", "Tick units", protocol.TICK_UNITS),
)


def header() -> str:
    """Text of ``firmware/link/ecgd_protocol.h``."""
    lines = [
        f"/* Rendered from host/ecgdeploy/link/protocol.py by `{COMMAND}`: change it there.",
        " * ECGD_<LAYOUT>_<FIELD>_AT is a field's place in its payload, ECGD_<LAYOUT>_BYTES its fixed part's size. */",
        "#ifndef ECGD_PROTOCOL_H",
        "#define ECGD_PROTOCOL_H",
        "",
        f"#define ECGD_PROTOCOL_VERSION {protocol.VERSION}u",
        "#define ECGD_CRC_BYTES 4u",
        "",
        "/* message ids */",
        *(f"#define ECGD_{m.name.upper()} 0x{m.id:02x}u" for m in protocol.MESSAGES),
    ]
    for layout in (protocol.HEADER, protocol.TENSOR, *protocol.MESSAGES):
        if layout.fields:
            lines += ["", *_offsets(layout)]
    for prefix, title, codes in _TABLES:
        lines += ["", f"/* {title.lower()} */"]
        lines += [f"#define ECGD_{prefix.upper()}_{c.name.upper()} {c.value}u /* {c.text} */" for c in codes]
    return "\n".join([*lines, "", "#endif", ""])


def _offsets(layout: Layout) -> list[str]:
    name, at, lines = f"ECGD_{layout.name.upper()}", 0, []
    for field in layout.fields:
        lines.append(f"#define {name}_{field.name.upper()}_AT {at}u /* {field.type} */")
        if field.size:
            lines.append(f"#define {name}_{field.name.upper()}_BYTES {field.size}u")
        at += field.bytes
    return [*lines, f"#define {name}_BYTES {at}u"]


def page() -> str:
    """Text of ``docs/protocol.md``."""
    lines = [
        f"<!-- rendered from host/ecgdeploy/link/protocol.py by `{COMMAND}` -->",
        f"# The wire protocol, version {protocol.VERSION}",
        "",
        _PROSE.strip(),
        "",
        "## Layouts",
        "",
        "Little-endian, unaligned.",
        *_layout(protocol.HEADER, "header"),
        *_layout(protocol.TENSOR, "tensor"),
        "",
        "## Messages",
    ]
    for message in protocol.MESSAGES:
        way = "host → device" if message.to_device else "device → host"
        lines += _layout(message, f"{message.name.upper()} `0x{message.id:02x}`, {way}")
    for _, title, codes in (*_TABLES, ("", "Engine statuses", protocol.ENGINE_STATUSES)):
        lines += ["", f"## {title}", "", *_codes(codes)]
    return "\n".join(lines) + "\n"


def _layout(layout: Layout, title: str) -> list[str]:
    lines = ["", f"### {title}", "", layout.doc]
    if layout.fields:
        lines += ["", "| at | field | type | meaning |", "|---|---|---|---|"]
        at = 0
        for field in layout.fields:
            kind = f"{field.type}[{field.size}]" if field.size else field.type
            lines.append(f"| {at} | {field.name} | {kind} | {field.doc} |")
            at += field.bytes
        if layout.tail:
            lines.append(f"| {at} | - | bytes | {layout.tail} |")
    return lines


def _codes(codes: tuple[Code, ...]) -> list[str]:
    rows = [f"| {c.value} | {c.name} | {c.text} | {c.hint} |" for c in codes]
    return ["| value | name | meaning | what to do |", "|---|---|---|---|", *rows]


_PROSE = """
**Frame.** `COBS(header payload crc32) 00`. COBS keeps zero bytes out of a frame, so a zero byte always ends one and a
receiver is in step again after the next zero, whatever was lost. CRC-32 is zlib's, over header and payload,
little-endian. Empty frames (two zeros in a row) are ignored.

**Who speaks.** The host; the device only answers, and never speaks first: it may share its line with a boot loader or a
login. While it computes it sends KEEPALIVE.

**Session.** HELLO carries a random session number and the sequence 0; commands are then numbered 1, 2, … modulo 65536.
The device carries a command out when its number is the next one; an older number is a duplicate and is answered again
from the kept replies, without being carried out again; a number further on, or a damaged frame, is answered by NAK with
the number expected. An answer carries the number of its command and acknowledges everything up to it. After a restart
the device knows no session and says so; the host opens a new one and sends again what is unanswered.

**Credit.** A device reads its receive buffer at once, except while it carries out a command. So the host may send at
most `window_bytes` behind the end of a frame that is not yet answered, which is the size of the receive ring and not of
a frame: a frame may be far larger than the ring. At most `replies` inferences may be unanswered, because so many
RESULTs are kept for replay.

**Time.** `reply_ms` and `keepalive_ms` of WELCOME are the budgets; the host adds what its own transport needs.

**What proves a result.** The frame's CRC-32; the inference's id; `input_crc`, taken from the bytes as the engine is
fed, which the host compares with what it meant to send; `output_crc`, over the engine's own output memory.
"""


def render(root: Path, check: bool = False) -> list[Path]:
    """Write both files under `root`, or with `check` only name those that differ."""
    stale = []
    for path, text in ((HEADER_PATH, header()), (PAGE_PATH, page())):
        target = root / path
        if not target.exists() or target.read_text() != text:
            stale.append(path)
            if not check:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
    return stale


if __name__ == "__main__":
    stale = render(Path.cwd(), check="--check" in sys.argv)
    for path in stale:
        sys.stderr.write(f"{path}: {'differs' if '--check' in sys.argv else 'written'}\n")
    sys.exit(1 if stale and "--check" in sys.argv else 0)
