/* Start of the emulated board: vectors, FPU, memory, then main(). */
#include <stdint.h>

#include "mps2.h"

/* exit code by which the host knows a fault from a wish */
#define EXIT_FAULT 70u

extern uint8_t ecgd_data_start[], ecgd_data_end[], ecgd_bss_start[], ecgd_bss_end[], ecgd_stack_top[];
extern const uint8_t ecgd_data_load[];
extern void (*const __init_array_start[])(void);
extern void (*const __init_array_end[])(void);

void ecgd_reset_handler(void);
void ecgd_fault_handler(void);

__attribute__((used)) void ecgd_start(void)
{
    /* loops, not memcpy: nothing of libc may run before .data is there */
    const uint8_t *from = ecgd_data_load;
    for (volatile uint8_t *to = ecgd_data_start; to < ecgd_data_end; ++to) {
        *to = *from++;
    }
    for (volatile uint8_t *to = ecgd_bss_start; to < ecgd_bss_end; ++to) {
        *to = 0;
    }
    for (void (*const *constructor)(void) = __init_array_start; constructor < __init_array_end; ++constructor) {
        (*constructor)();
    }
    mps2_exit((uint32_t)main());
}

/* The FPU, where the core has one, is switched on before any compiled code that could use it, or that code faults. */
__attribute__((naked)) void ecgd_reset_handler(void)
{
    __asm volatile(
#ifdef __ARM_FP
        "ldr r0, =0xE000ED88\n"
        "ldr r1, [r0]\n"
        "orr r1, r1, #(0xF << 20)\n"
        "str r1, [r0]\n"
        "dsb\n"
        "isb\n"
#endif
        "ldr r0, =ecgd_start\n"
        "bx r0\n");
}

void ecgd_fault_handler(void)
{
    mps2_exit(EXIT_FAULT);
}

#define SYSTEM_VECTORS 16
#define TIMER1_IRQ 9
#define FAULT ecgd_fault_handler

typedef void (*handler_t)(void);

__attribute__((section(".vectors"), used)) static const handler_t vectors[SYSTEM_VECTORS + TIMER1_IRQ + 1] = {
    [0] = (handler_t)(uintptr_t)ecgd_stack_top,
    [1] = ecgd_reset_handler,
    [2] = FAULT, /* NMI */
    [3] = FAULT, /* HardFault */
    [4] = FAULT, /* MemManage */
    [5] = FAULT, /* BusFault */
    [6] = FAULT, /* UsageFault */
    [11] = FAULT, /* SVCall */
    [12] = FAULT, /* DebugMonitor */
    [14] = FAULT, /* PendSV */
    [15] = FAULT, /* SysTick */
    [SYSTEM_VECTORS + TIMER1_IRQ] = mps2_timer1_handler,
};
