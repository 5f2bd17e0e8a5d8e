/* Port for QEMU's mps2-an386, the twin of the Cortex-M4F boards: its time is a count of instructions. */
#include "ecgd_port.h"

#include "ecgd_app.h"
#include "ecgd_protocol.h"
#include "mps2.h"

#ifndef ECGD_BOARD
#define ECGD_BOARD "mps2"
#endif

#define TIMER0 0x40000000u /* counts down at 25 MHz of virtual time */
#define TIMER1 0x40001000u /* keep-alive */
#define TIMER_CTRL(timer) (*(volatile uint32_t *)((timer) + 0x0u))
#define TIMER_VALUE(timer) (*(volatile uint32_t *)((timer) + 0x4u))
#define TIMER_RELOAD(timer) (*(volatile uint32_t *)((timer) + 0x8u))
#define TIMER_CLEAR(timer) (*(volatile uint32_t *)((timer) + 0xCu))
#define TIMER_ENABLE 1u
#define TIMER_INTERRUPT 8u
#define TIMER1_IRQ 9u
#define NVIC_ENABLE0 (*(volatile uint32_t *)0xE000E100u)
#define AIRCR (*(volatile uint32_t *)0xE000ED0Cu)
#define AIRCR_RESET 0x05FA0004u

/* Under -icount shift=S an instruction is 2^S ns, a tick 40 ns: instructions = ticks * 40 / 2^S. */
#define TICK_NS 40u
#define SHIFT_MAX 10u
#define CALIBRATION_TURNS 50000u
#define CALIBRATION_INSTRUCTIONS (2u * CALIBRATION_TURNS)
#define CALIBRATION_RUNS 3u

/* 64 M ticks are 20 M instructions at shift 7: half a second even where QEMU is slow */
#define KEEPALIVE_TICKS 64000000u
#define KEEPALIVE_MS 2000u
#define REPLY_MS 200u
#define CONSOLE_WINDOW 4096u
#define UART_WINDOW 256u /* what the Nano's ring holds */

extern uint8_t ecgd_data_start[], ecgd_bss_end[], ecgd_stack_lowest[], ecgd_stack_top[];

static ecgd_port_info_t info = {
    .board = ECGD_BOARD,
    .window_bytes = CONSOLE_WINDOW,
    .reply_ms = REPLY_MS,
    .keepalive_ms = KEEPALIVE_MS,
    .reset_cause = ECGD_RESET_POWER_ON,
    .clock = {.unit = ECGD_UNIT_INSTRUCTIONS, .numerator = 1, .denominator = 1, .running = false},
};
static bool uart;
static uint64_t total_ticks;
static uint32_t last_ticks;

const ecgd_port_info_t *ecgd_port_info(void)
{
    return &info;
}

size_t ecgd_port_read(uint8_t *into, size_t room)
{
    return uart ? mps2_uart_read(into, room) : mps2_console_read(into, room);
}

void ecgd_port_write(const uint8_t *bytes, size_t count)
{
    if (uart) {
        mps2_uart_write(bytes, count);
    } else {
        mps2_console_write(bytes, count);
    }
}

/* Extends the 32-bit counter; the keep-alive interrupt calls it too, so that no wrap is missed. */
uint64_t ecgd_port_ticks(void)
{
    uint32_t mask;
    __asm volatile("mrs %0, primask\n cpsid i" : "=r"(mask)::"memory");
    const uint32_t now = ~TIMER_VALUE(TIMER0);
    total_ticks += now - last_ticks;
    last_ticks = now;
    const uint64_t ticks = total_ticks;
    __asm volatile("msr primask, %0" ::"r"(mask) : "memory");
    return ticks;
}

void ecgd_port_stack(uint8_t **lowest, uint8_t **top)
{
    *lowest = ecgd_stack_lowest;
    *top = ecgd_stack_top;
}

void ecgd_port_busy(bool busy)
{
    TIMER_CTRL(TIMER1) = 0;
    TIMER_CLEAR(TIMER1) = 1;
    if (busy) {
        TIMER_VALUE(TIMER1) = KEEPALIVE_TICKS;
        TIMER_RELOAD(TIMER1) = KEEPALIVE_TICKS;
        TIMER_CTRL(TIMER1) = TIMER_ENABLE | TIMER_INTERRUPT;
    }
}

void mps2_timer1_handler(void)
{
    TIMER_CLEAR(TIMER1) = 1;
    ecgd_app_keepalive();
}

void ecgd_port_reset(void)
{
    __asm volatile("dsb");
    AIRCR = AIRCR_RESET;
    for (;;) {
    }
}

static uint32_t ticks_of_known_loop(void)
{
    const uint64_t start = ecgd_port_ticks();
    uint32_t turns = CALIBRATION_TURNS;
    __asm volatile("1: subs %0, %0, #1\n bne 1b" : "+r"(turns)::"cc");
    return (uint32_t)(ecgd_port_ticks() - start);
}

/* Finds the emulator's -icount shift from a loop of known length; without -icount the readings are noise, match no
 * shift three times running, and the counter is reported as not running. */
static void calibrate(void)
{
    for (uint32_t shift = 0; shift <= SHIFT_MAX; ++shift) {
        const uint32_t due = (CALIBRATION_INSTRUCTIONS << shift) / TICK_NS;
        unsigned hits = 0;
        for (unsigned run = 0; run < CALIBRATION_RUNS; ++run) {
            const uint32_t ticks = ticks_of_known_loop();
            hits += ticks >= due && ticks - due <= due / 500u + 2u ? 1u : 0u;
        }
        if (hits == CALIBRATION_RUNS) {
            info.clock.numerator = TICK_NS;
            info.clock.denominator = 1u << shift;
            info.clock.running = true;
            return;
        }
    }
}

int main(void)
{
    info.static_ram = (uint32_t)(ecgd_bss_end - ecgd_data_start);
    TIMER_CTRL(TIMER0) = 0;
    TIMER_RELOAD(TIMER0) = UINT32_MAX;
    TIMER_VALUE(TIMER0) = UINT32_MAX;
    TIMER_CTRL(TIMER0) = TIMER_ENABLE;
    NVIC_ENABLE0 = 1u << TIMER1_IRQ;
    uart = mps2_argument("uart");
    if (uart) {
        mps2_uart_open();
        info.window_bytes = UART_WINDOW;
    } else if (!mps2_console_open()) {
        return 1;
    }
    calibrate();
    ecgd_app_init();
    for (;;) {
        ecgd_app_poll();
    }
}
