/* Semihosting console: the emulator moves many bytes in one call, where its UART has no FIFO and moves 11-21 kB/s.
 *
 * It carries the same protocol as the UART. Only an emulator has it: without `-semihosting-config enable=on` the
 * first call locks the processor up.
 */
#include "mps2.h"

#include <string.h>

#define SYS_OPEN 0x01u
#define SYS_WRITE 0x05u
#define SYS_READ 0x06u
#define SYS_GET_CMDLINE 0x15u
#define SYS_EXIT_EXTENDED 0x20u
#define APPLICATION_EXIT 0x20026u
#define MODE_READ 0u  /* "r": standard input */
#define MODE_WRITE 4u /* "w": standard output */
#define ARGUMENTS_BYTES 64u

static uint32_t input_handle, output_handle;

static uint32_t semihosting(uint32_t operation, const void *block)
{
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = block;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static uint32_t open_console(uint32_t mode)
{
    const uint32_t block[3] = {(uint32_t)(uintptr_t) ":tt", mode, 3};
    return semihosting(SYS_OPEN, block);
}

bool mps2_console_open(void)
{
    input_handle = open_console(MODE_READ);
    output_handle = open_console(MODE_WRITE);
    return input_handle != UINT32_MAX && output_handle != UINT32_MAX;
}

/* Waits for the first byte; while it waits the emulator sleeps. At the end of the input nobody is left to answer to,
 * so the emulator ends too and is never orphaned. */
size_t mps2_console_read(uint8_t *into, size_t room)
{
    const uint32_t block[3] = {input_handle, (uint32_t)(uintptr_t)into, room};
    const uint32_t left = semihosting(SYS_READ, block);
    if (left >= room) {
        mps2_exit(0);
    }
    return room - left;
}

void mps2_console_write(const uint8_t *bytes, size_t count)
{
    const uint32_t block[3] = {output_handle, (uint32_t)(uintptr_t)bytes, count};
    (void)semihosting(SYS_WRITE, block);
}

bool mps2_argument(const char *word)
{
    static char text[ARGUMENTS_BYTES];
    uint32_t block[2] = {(uint32_t)(uintptr_t)text, sizeof text};
    if (semihosting(SYS_GET_CMDLINE, block) != 0) {
        return false;
    }
    text[sizeof text - 1] = 0;
    return strstr(text, word) != NULL;
}

_Noreturn void mps2_exit(uint32_t code)
{
    const uint32_t block[2] = {APPLICATION_EXIT, code};
    for (;;) {
        (void)semihosting(SYS_EXIT_EXTENDED, block);
    }
}
