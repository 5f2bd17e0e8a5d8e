"""Reading GNU ld's map: wrapped names, padding, discarded and debug sections, data that lies in two memories."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgdeploy.projects.mps2 import part_of
from ecgdeploy.toolchains.linkmap import Piece, measure, measure_process, parse_map, section_of

MAP = """\
Archive member included to satisfy reference by file (symbol)

/usr/lib/libc_nano.a(memcpy.o)
                              CMakeFiles/firmware.dir/firmware/app/a.c.obj (memcpy)

Discarded input sections

 .text          0x00000000        0x0 CMakeFiles/firmware.dir/firmware/app/a.c.obj
 .text.unused   0x00000000      0x400 CMakeFiles/firmware.dir/firmware/app/a.c.obj

Memory Configuration

Name             Origin             Length             Attributes
FLASH            0x00000000         0x000f0000         xr

Linker script and memory map

LOAD CMakeFiles/firmware.dir/firmware/app/a.c.obj

.text           0x00000000      0x130
 *(.vectors)
 .vectors       0x00000000       0x40 CMakeFiles/firmware.dir/firmware/port/mps2/startup.c.obj
 *(.text .text.*)
 .text.run      0x00000040       0x2e CMakeFiles/firmware.dir/firmware/app/a.c.obj
                0x00000040                run
 *fill*         0x0000006e        0x2 \n\
 .text.a_function_with_a_long_name
                0x00000070       0x20 CMakeFiles/firmware.dir/generated/ecgd_model.c.obj
                0x00000070                a_function_with_a_long_name
 .text          0x00000090       0x10 /usr/lib/libc_nano.a(memcpy.o)
 .rodata.weights
                0x000000a0       0x80 CMakeFiles/firmware.dir/generated/ecgd_model.c.obj
 .rodata.run.str1.4
                0x00000120       0x10 CMakeFiles/firmware.dir/firmware/app/a.c.obj
                                 0x14 (size before relaxing)

.ARM.exidx      0x00000130        0x8
 .ARM.exidx     0x00000130        0x8 /usr/lib/libgcc.a(_udivmoddi4.o)

.data           0x20000000       0x10 load address 0x00000138
 .data.state    0x20000000       0x10 CMakeFiles/firmware.dir/firmware/app/a.c.obj

.bss            0x20000010       0x64 load address 0x00000148
 .bss.arena     0x20000010       0x60 CMakeFiles/firmware.dir/generated/ecgd_model.c.obj
 COMMON         0x20000070        0x4 CMakeFiles/firmware.dir/firmware/link/ecgd_link.c.obj

.stack          0x20000078      0x400 load address 0x00000148
                0x20000478                . = (. + ECGD_STACK_BYTES)

.debug_info     0x00000000     0x9999
 .debug_info    0x00000000     0x9999 CMakeFiles/firmware.dir/firmware/app/a.c.obj

.a_section_with_a_long_name
                0x20000480        0x0
OUTPUT(firmware.elf elf32-littlearm)
"""
FLASH, RAM = range(0, 0xF0000), range(0x20000000, 0x20040000)


def test_flash_holds_code_constants_and_the_initial_values_of_data():
    sizes = measure(parse_map(MAP), FLASH, RAM, part_of)
    assert sizes.flash == 0x130 + 0x8 + 0x10
    assert sizes.flash_by_part == {
        "model": 0x80, "port": 0x40, "app": 0x2E + 0x10 + 0x10, "engine": 0x20, "libc": 0x18, "padding": 2,
    }  # fmt: skip
    assert sizes.flash_by_section == {
        ".rodata": 0x90, ".text": 0x5E, ".vectors": 0x40, ".data": 0x10, ".ARM.exidx": 8, "padding": 2,
    }  # fmt: skip


def test_ram_holds_data_and_zeroed_memory_and_the_stack_apart():
    sizes = measure(parse_map(MAP), FLASH, RAM, part_of)
    assert sizes.ram == 0x10 + 0x64
    assert sizes.ram_by_part == {"engine": 0x60, "app": 0x10, "link": 4}
    assert sizes.ram_by_section == {".bss": 0x64, ".data": 0x10}
    assert sizes.stack == 0x400


def test_a_programs_file_holds_all_but_the_zeroed_memory():
    sizes = measure_process(parse_map(MAP.replace(".stack ", ".bss.x")), part_of)
    assert sizes.flash_by_section[".text"] == 0x5E
    assert sizes.ram == 0x10 + 0x64


def test_discarded_and_debug_sections_count_for_nothing():
    names = {piece.section for piece in parse_map(MAP).pieces}
    assert not {".text.unused", ".debug_info"} & names


@pytest.mark.parametrize(
    ("section", "origin", "part"),
    [
        (".rodata.w", "CMakeFiles/firmware.dir/generated/ecgd_model.c.obj", "model"),
        (".text.w", "CMakeFiles/firmware.dir/generated/ecgd_model.c.obj", "engine"),
        (".text.c", "CMakeFiles/firmware.dir/firmware/kernels/ecgd_conv.c.obj", "kernels"),
        (".text.c", "CMakeFiles/firmware.dir/firmware/port/mps2/uart.c.obj", "port"),
        (".text", "/usr/lib/gcc/arm-none-eabi/12.2.1/thumb/libgcc.a(_divdi3.o)", "libc"),
        ("*fill*", "", "padding"),
    ],
)
def test_the_part_of_a_piece_is_told_by_its_object(section, origin, part):
    assert part_of(Piece(".text", section, 0, 4, origin)) == part


@given(st.text(alphabet=" .x0123456789abcdef\n*()COMMON_", max_size=400))
def test_any_text_can_be_read_without_a_fault(text):
    for piece in parse_map("Linker script and memory map\n" + text).pieces:
        assert section_of(piece)
