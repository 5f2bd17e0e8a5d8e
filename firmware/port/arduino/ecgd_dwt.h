/* The cycle counter of Cortex-M3 and above, for every Arduino port; ECGD_HAS_DWT is 0 on cores without one. The three
 * registers lie at the same addresses in every such core, so that no core's own header is needed. */
#ifndef ECGD_DWT_H
#define ECGD_DWT_H

#include <stdint.h>

#if defined(__ARM_ARCH_7M__) || defined(__ARM_ARCH_7EM__) || defined(__ARM_ARCH_8M_MAIN__)
#define ECGD_HAS_DWT 1

#define ECGD_DWT_CYCCNT (*(volatile uint32_t *)0xE0001004u)

static inline uint32_t ecgd_dwt_read(void)
{
    return ECGD_DWT_CYCCNT;
}

static inline void ecgd_dwt_start(void)
{
    volatile uint32_t *const demcr = (volatile uint32_t *)0xE000EDFCu;
    volatile uint32_t *const control = (volatile uint32_t *)0xE0001000u;
    volatile uint32_t *const lock = (volatile uint32_t *)0xE0001FB0u;
    *demcr = *demcr | 1u << 24; /* trace on */
    *lock = 0xC5ACCE55u;        /* Cortex-M7 locks the unit */
    ECGD_DWT_CYCCNT = 0;
    *control = *control | 1u; /* count */
}
#else
#define ECGD_HAS_DWT 0
#endif

#endif
