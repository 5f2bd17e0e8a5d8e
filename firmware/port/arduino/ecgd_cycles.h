/* A 32-bit cycle counter made into a 64-bit one, and the proof that it counts: it is compared with another clock
 * before anything is measured with it. Knows no registers, so that it is tested on a computer. */
#ifndef ECGD_CYCLES_H
#define ECGD_CYCLES_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint64_t total;
    uint32_t last;
} ecgd_cycles_t;

/* The 64-bit count after the counter reads `now`; call it at least once in 2^32 cycles. */
uint64_t ecgd_cycles_extend(ecgd_cycles_t *cycles, uint32_t now);

/* True when `cycles` counts at `hertz` within 5 %, measured with a clock of microseconds over 5 ms. A counter that
 * stands still, as in QEMU or while a debugger holds it, or that runs at another rate, is refused. Begins and ends on a
 * step of that clock, so that one of coarse steps (an RTOS's tick) will do. Ends in any case. */
bool ecgd_cycles_agree(uint32_t (*cycles)(void), uint32_t (*microseconds)(void), uint32_t hertz);

#ifdef __cplusplus
}
#endif
#endif
