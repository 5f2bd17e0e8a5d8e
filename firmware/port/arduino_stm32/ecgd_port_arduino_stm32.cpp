/* ecgd_port.h for the STM32 core (Nucleo-F446RE): the UART behind ST-LINK's virtual port, a hardware timer for the
 * keep-alive, DWT cycle counter, the main stack. Thin; C++14 is enough; no header of an inference library is included
 * here. */
#include <Arduino.h>
#include <HardwareTimer.h>

#include "ecgd_app.h"
#include "ecgd_cycles.h"
#include "ecgd_dwt.h"
#include "ecgd_port.h"
#include "ecgd_port_arduino.h"
#include "ecgd_protocol.h"

#ifndef ECGD_BOARD
#define ECGD_BOARD "arduino"
#endif
/* What of the stack is watched, from its top down: the core sets it no limit, so the board's file does. */
#ifndef ECGD_STACK_BYTES
#define ECGD_STACK_BYTES 16384u
#endif

namespace {

constexpr uint32_t kBaud = 115200; /* as the host opens the port */
constexpr uint32_t kReplyMs = 400; /* a RESULT of 300 bytes takes 26 ms at this rate */
constexpr uint32_t kKeepaliveMs = 2000;

ecgd_cycles_t cycles;
ecgd_port_info_t info;
HardwareTimer *keepalive_timer;

uint32_t read_microseconds()
{
    return micros();
}

uint8_t reset_cause()
{
    const uint32_t flags = RCC->CSR;
    RCC->CSR = flags | RCC_CSR_RMVF; /* they stay set over resets until they are cleared */
    if ((flags & (RCC_CSR_IWDGRSTF | RCC_CSR_WWDGRSTF)) != 0u) {
        return ECGD_RESET_WATCHDOG;
    }
    return (flags & RCC_CSR_SFTRSTF) != 0u ? ECGD_RESET_SOFTWARE : ECGD_RESET_POWER_ON;
}

}  // namespace

extern "C" {

extern uint8_t _estack[]; /* one past the end of RAM, where the stack begins */
extern uint8_t _sdata[];
extern uint8_t _ebss[];

void ecgd_port_arduino_begin(void)
{
    Serial.begin(kBaud);
    info.board = ECGD_BOARD;
    info.window_bytes = SERIAL_RX_BUFFER_SIZE - 1; /* the core keeps one byte of its ring free */
    info.reply_ms = kReplyMs;
    info.keepalive_ms = kKeepaliveMs;
    info.static_ram = static_cast<uint32_t>(_ebss - _sdata);
    info.reset_cause = reset_cause();
    ecgd_dwt_start();
    info.clock.unit = ECGD_UNIT_CYCLES;
    info.clock.numerator = 1;
    info.clock.denominator = 1;
    info.clock.running = ecgd_cycles_agree(ecgd_dwt_read, read_microseconds, SystemCoreClock);
    /* its interrupt lies below the UART's in priority, so that a write from it may wait for the UART */
    static HardwareTimer timer(TIM7);
    timer.setOverflow(kKeepaliveMs * 1000u, MICROSEC_FORMAT);
    timer.refresh(); /* the prescaler holds from the next update on */
    timer.attachInterrupt(ecgd_app_keepalive);
    keepalive_timer = &timer;
}

const ecgd_port_info_t *ecgd_port_info(void)
{
    return &info;
}

size_t ecgd_port_read(uint8_t *into, size_t room)
{
    size_t count = 0;
    while (count < room && Serial.available() > 0) {
        into[count++] = static_cast<uint8_t>(Serial.read());
    }
    return count;
}

/* A UART has nobody who could be gone: bytes leave at its rate, and the core waits for room. */
void ecgd_port_write(const uint8_t *bytes, size_t count)
{
    Serial.write(bytes, count);
}

uint64_t ecgd_port_ticks(void)
{
    const uint32_t masked = __get_PRIMASK();
    __disable_irq();
    const uint64_t ticks = ecgd_cycles_extend(&cycles, ecgd_dwt_read());
    __set_PRIMASK(masked);
    return ticks;
}

void ecgd_port_stack(uint8_t **lowest, uint8_t **top)
{
    *lowest = reinterpret_cast<uint8_t *>(reinterpret_cast<uintptr_t>(_estack) - ECGD_STACK_BYTES);
    *top = _estack;
}

/* Called from the main loop only, which an interrupt under way does not let go on: after false none is. */
void ecgd_port_busy(bool now_busy)
{
    keepalive_timer->pause();
    if (now_busy) {
        keepalive_timer->setCount(0);
        keepalive_timer->resume();
    }
}

void ecgd_port_reset(void)
{
    Serial.flush(); /* the acknowledgement goes out first */
    NVIC_SystemReset();
}

}  // extern "C"
