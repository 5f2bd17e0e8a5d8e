/* The smallest image that runs an engine on the emulated board: no link, inputs from memory, outputs to a file.
 *
 * QEMU's loader device puts a job at JOB: word 0 the number of inferences, word 1 the bytes of one inference's inputs,
 * word 2 the bytes fed at a time (0: all at once), then the inputs. The result, in the same order, goes to the file
 * RESULT in the emulator's folder: a header of HEADER_WORDS words, then for each inference its ticks and its output
 * bytes, then the ticks of every stage of the first inference (profiled builds). Nothing of this takes .data or .bss,
 * so that what is left is the engine's.
 */
#include <stdint.h>

#include "ecgd_engine.h"

#define JOB ((const uint32_t *)0x21000000u)
#define JOB_WORDS 3u
#define RESULT_AT ((uint32_t *)0x21800000u)
#define RESULT "bench.out"
#define HEADER_WORDS 4u
#define MAX_STAGES 512u

#define TIMER_CTRL (*(volatile uint32_t *)0x40000000u)
#define TIMER_VALUE (*(volatile uint32_t *)0x40000004u)
#define TIMER_RELOAD (*(volatile uint32_t *)0x40000008u)

#define PAINT 0xA5A5A5A5u
#define STACK_MARGIN 32u /* words below the painter that it leaves alone */

extern uint8_t ecgd_data_start[], ecgd_data_end[], ecgd_bss_start[], ecgd_bss_end[], ecgd_stack_top[],
    ecgd_stack_lowest[];
extern const uint8_t ecgd_data_load[];

void ecgd_reset_handler(void);
void ecgd_bench_start(void);

static uint32_t semihosting(uint32_t operation, const void *block)
{
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = block;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static _Noreturn void leave(uint32_t code)
{
    const uint32_t block[2] = {0x20026u, code};
    for (;;) {
        (void)semihosting(0x20u, block);
    }
}

static uint32_t infer(const uint8_t *input, uint32_t bytes, uint32_t piece)
{
    const uint32_t start = TIMER_VALUE;
    ecgd_engine_begin();
    for (uint32_t at = 0; at < bytes; at += piece) {
        const uint32_t left = bytes - at;
        if (ecgd_engine_feed(input + at, left < piece ? left : piece) != ECGD_ENGINE_OK) {
            leave(2);
        }
    }
    if (ecgd_engine_finish() != ECGD_ENGINE_OK) {
        leave(3);
    }
    return start - TIMER_VALUE;
}

static uint32_t empty(void)
{
    const uint32_t start = TIMER_VALUE;
    return start - TIMER_VALUE;
}

#ifdef ECGD_PROFILE
/* called by the generated code around every stage */
uint32_t *const ecgd_profile_ticks = (uint32_t *)0x21c00000u;
uint32_t ecgd_profile_now(void);
uint32_t ecgd_profile_now(void)
{
    return TIMER_VALUE;
}
#endif

__attribute__((used)) void ecgd_bench_start(void)
{
    const uint8_t *from = ecgd_data_load;
    for (volatile uint8_t *to = ecgd_data_start; to < ecgd_data_end; ++to) {
        *to = *from++;
    }
    for (volatile uint8_t *to = ecgd_bss_start; to < ecgd_bss_end; ++to) {
        *to = 0;
    }
    volatile uint32_t *const lowest = (volatile uint32_t *)(void *)ecgd_stack_lowest;
    volatile uint32_t *const here = (volatile uint32_t *)__builtin_frame_address(0);
    for (volatile uint32_t *at = lowest; at < here - STACK_MARGIN; ++at) {
        *at = PAINT;
    }
    TIMER_CTRL = 0;
    TIMER_RELOAD = UINT32_MAX;
    TIMER_VALUE = UINT32_MAX;
    TIMER_CTRL = 1;
    if (ecgd_engine_init() != ECGD_ENGINE_OK) {
        leave(1);
    }
    const uint32_t count = JOB[0], bytes = JOB[1], piece = JOB[2] != 0 ? JOB[2] : bytes;
    const uint8_t *input = (const uint8_t *)(JOB + JOB_WORDS);
    uint32_t *header = RESULT_AT;
    uint8_t *out = (uint8_t *)(RESULT_AT + HEADER_WORDS);
    const unsigned outputs = ecgd_engine_info()->outputs;
    for (uint32_t i = 0; i < count; i++, input += bytes) {
        uint32_t ticks = infer(input, bytes, piece);
        for (unsigned b = 0; b < 4; b++, ticks >>= 8) {
            *out++ = (uint8_t)ticks;
        }
        for (unsigned o = 0; o < outputs; o++) {
            const uint8_t *value = ecgd_engine_output(o);
            for (uint32_t b = 0; b < ecgd_engine_output_info(o)->bytes; b++) {
                *out++ = value[b];
            }
        }
    }
    const volatile uint32_t *touched = lowest;
    while (touched < here && *touched == PAINT) {
        ++touched;
    }
    header[0] = count;
    header[1] = (uint32_t)((uintptr_t)ecgd_stack_top - (uintptr_t)touched);
    header[2] = empty();
    header[3] = ecgd_engine_info()->arena_bytes;
#ifdef ECGD_PROFILE
    for (uint32_t i = 0; i < MAX_STAGES * 4u; i++) {
        *out++ = ((const uint8_t *)ecgd_profile_ticks)[i];
    }
#endif
    const uint32_t open_block[3] = {(uint32_t)(uintptr_t)RESULT, 5u /* "wb" */, sizeof RESULT - 1u};
    const uint32_t file = semihosting(0x01u, open_block);
    const uint32_t write_block[3] = {file, (uint32_t)(uintptr_t)header, (uint32_t)(out - (uint8_t *)header)};
    leave(file == UINT32_MAX || semihosting(0x05u, write_block) != 0 ? 4 : 0);
}

/* The FPU is switched on before any compiled code that could use it. */
__attribute__((naked)) void ecgd_reset_handler(void)
{
    __asm volatile(
        "ldr r0, =0xE000ED88\n"
        "ldr r1, [r0]\n"
        "orr r1, r1, #(0xF << 20)\n"
        "str r1, [r0]\n"
        "dsb\n"
        "isb\n"
        "ldr r0, =ecgd_bench_start\n"
        "bx r0\n");
}

static void fault(void)
{
    leave(70);
}

typedef void (*handler_t)(void);
__attribute__((section(".vectors"), used)) static const handler_t vectors[16] = {
    [0] = (handler_t)(uintptr_t)ecgd_stack_top,
    [1] = ecgd_reset_handler,
    [2] = fault,
    [3] = fault,
    [4] = fault,
    [5] = fault,
    [6] = fault,
};
