"""Run a piece of C on the emulated Cortex-M4F and read what it prints: kernels are tested and counted there."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

KERNELS = Path(__file__).resolve().parents[3] / "firmware" / "kernels"
FLAGS = (
    "-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 -std=c11 -O2 -ffp-contract=off "
    "-Wall -Wextra -Werror -Wconversion -ffunction-sections -fdata-sections"
).split()

_START = r"""
#include <stddef.h>
#include <stdint.h>
int main(void);
extern uint32_t stack_top;
static int32_t semihost(uint32_t op, const void *arg) {
    register uint32_t r0 __asm__("r0") = op;
    register const void *r1 __asm__("r1") = arg;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}
void print_text(const char *text);
void print_number(int32_t x);
uint32_t instructions(void);
void print_text(const char *text) { semihost(4, text); }
void print_number(int32_t x) {
    char text[13];
    char *p = text + 12;
    uint32_t u = x < 0 ? 0u - (uint32_t)x : (uint32_t)x;
    *p = 0;
    do { *--p = (char)('0' + u % 10); u /= 10; } while (u);
    if (x < 0) *--p = '-';
    print_text(p);
    print_text(" ");
}
/* One instruction is 2^7 ns of virtual time, one tick of the timer 40 ns. */
uint32_t instructions(void) {
    const uint32_t ticks = 0xffffffffu - *(volatile uint32_t *)0x40000004u;
    return (uint32_t)(((uint64_t)ticks * 40u + 64u) >> 7);
}
static void stop(uint32_t code) {
    const uint32_t block[2] = {0x20026u, code};
    semihost(0x20, block);
    for (;;) { }
}
static void fault(void) { print_text("FAULT\n"); stop(99); }
extern uint32_t data_start, data_end, data_load, bss_start, bss_end;
static void reset(void) {
    *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20;
    uint32_t *from = &data_load;
    for (uint32_t *p = &data_start; p < &data_end;) *p++ = *from++;
    for (uint32_t *p = &bss_start; p < &bss_end;) *p++ = 0;
    *(volatile uint32_t *)0x40000000u = 0;
    *(volatile uint32_t *)0x40000008u = 0xffffffffu;
    *(volatile uint32_t *)0x40000004u = 0xffffffffu;
    *(volatile uint32_t *)0x40000000u = 1;
    stop((uint32_t)main());
}
__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)&stack_top, (uintptr_t)reset, (uintptr_t)fault, (uintptr_t)fault, (uintptr_t)fault, (uintptr_t)fault,
    (uintptr_t)fault};
"""

_LINK = """
MEMORY { code : ORIGIN = 0, LENGTH = 4M
         ram : ORIGIN = 0x20000000, LENGTH = 4M }
SECTIONS {
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) . = ALIGN(4); } > code
  data_load = LOADADDR(.data);
  .data : { data_start = .; *(.data*) . = ALIGN(4); data_end = .; } > ram AT > code
  .bss : { bss_start = .; *(.bss*) *(COMMON) . = ALIGN(4); bss_end = .; } > ram
  stack_top = 0x20000000 + 4M;
}
"""


def build(folder: Path, main: str, kernels: Sequence[str], flags: Sequence[str] = ()) -> Path:
    """Compile `main` (C source text; may call print_text, print_number, instructions) with kernel sources by name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.c").write_text(main)
    (folder / "start.c").write_text(_START)
    (folder / "link.ld").write_text(_LINK)
    image = folder / "image.elf"
    subprocess.run(
        ["arm-none-eabi-gcc", *FLAGS, *flags, f"-I{KERNELS}",
         "-nostartfiles", "--specs=nano.specs", "--specs=nosys.specs",
         f"-T{folder / 'link.ld'}", "-Wl,--gc-sections,--no-warn-rwx-segments", f"-Wl,-Map={folder / 'image.map'}",
         str(folder / "start.c"), str(folder / "main.c"), *(str(KERNELS / k) for k in kernels), "-o", str(image)],
        check=True,
    )  # fmt: skip
    return image


def run(image: Path, seconds: int = 600) -> str:
    """Run an image; returns what it printed. Raises where it exits with anything but 0."""
    result = subprocess.run(
        ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "null",
         "-semihosting-config", "enable=on,target=native", "-icount", "shift=7", "-kernel", str(image)],
        capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    printed = result.stdout + result.stderr
    assert result.returncode == 0, f"exit {result.returncode}: {printed[-2000:]}"
    return printed
