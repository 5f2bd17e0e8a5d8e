/* ecgd_port.h for Arduino boards under ArduinoCore-mbed (nRF52840, STM32H747, RP2040): USB serial, or the UART behind a
 * debug probe's port where the chip has no USB (nRF52832); DWT cycle counter, RTX's main thread. Thin: what can be wrong without a board is in ecgd_cycles.c and ecgd_usb_write.c. C++14, since the
 * core's own sources do not compile as C++17; no header of an inference library is included here. */
#include <Arduino.h>
#ifdef SERIAL_CDC /* the core says so of boards with USB of their own; without, it has no _SerialUSB to link */
#include <USB/PluggableUSBSerial.h>
#endif
#include <mbed.h>
#include <rtos.h>

#include "ecgd_app.h"
#include "ecgd_cycles.h"
#include "ecgd_dwt.h"
#include "ecgd_port.h"
#include "ecgd_port_arduino.h"
#include "ecgd_protocol.h"
#include "ecgd_usb_write.h"

#ifndef ECGD_BOARD
#define ECGD_BOARD "arduino"
#endif

namespace {

constexpr uint32_t kWindowBytes = 256;     /* the core's receive ring */
#ifdef SERIAL_CDC
constexpr uint32_t kReplyMs = 200;
#else
constexpr uint32_t kBaud = 115200;         /* as the host opens the port */
constexpr uint32_t kReplyMs = 400;         /* a RESULT of 300 bytes takes 26 ms at this rate */
#endif
constexpr uint32_t kKeepaliveMs = 2000;
constexpr uint32_t kKeepaliveStack = 2048;
constexpr uint32_t kStackGuardBytes = 16;  /* RTX keeps its overrun mark at the stack's lowest word */

ecgd_cycles_t cycles;
ecgd_port_info_t info;
#ifdef SERIAL_CDC
uint32_t lost_bytes;
#endif

/* the application's keep-alive while it computes: a thread above the main one, since USB cannot be used from an
 * interrupt */
uint64_t keepalive_stack[kKeepaliveStack / sizeof(uint64_t)];
rtos::Thread keepalive_thread(osPriorityAboveNormal, sizeof keepalive_stack,
                              reinterpret_cast<unsigned char *>(keepalive_stack), "ecgd");
rtos::Mutex busy_lock;
volatile bool busy;

void keepalive_loop()
{
    for (;;) {
        rtos::ThisThread::sleep_for(std::chrono::milliseconds(kKeepaliveMs));
        busy_lock.lock();
        if (busy) {
            ecgd_app_keepalive();
        }
        busy_lock.unlock();
    }
}

uint32_t read_microseconds()
{
    return micros();
}

#ifdef SERIAL_CDC
uint32_t read_milliseconds()
{
    return millis();
}

bool usb_connected()
{
    return _SerialUSB.connected();
}

size_t usb_take(const uint8_t *bytes, size_t count)
{
    uint32_t taken = 0;
    _SerialUSB.send_nb(const_cast<uint8_t *>(bytes), count, &taken, true);
    return taken;
}

void usb_pause()
{
    delay(1);
}

const ecgd_usb_t usb = {usb_connected, usb_take, read_milliseconds, usb_pause};
arduino::USBSerial &port = _SerialUSB;
#else
arduino::UART &port = Serial;
#endif

uint8_t reset_cause()
{
#if DEVICE_RESET_REASON
    switch (hal_reset_reason_get()) {
    case RESET_REASON_SOFTWARE:
        return ECGD_RESET_SOFTWARE;
    case RESET_REASON_WATCHDOG:
        return ECGD_RESET_WATCHDOG;
    case RESET_REASON_LOCKUP:
        return ECGD_RESET_FAULT;
    default:
        break;
    }
#endif
    return ECGD_RESET_POWER_ON;
}

}  // namespace

extern "C" {

/* the linker script's symbols under names of our own: the core's headers declare them with other types */
extern uint8_t ecgd_data_start[] __asm__("__data_start__") __attribute__((weak));
extern uint8_t ecgd_data_end[] __asm__("__data_end__") __attribute__((weak));
extern uint8_t ecgd_bss_start[] __asm__("__bss_start__") __attribute__((weak));
extern uint8_t ecgd_bss_end[] __asm__("__bss_end__") __attribute__((weak));

/* The core's main() has already begun the USB serial port, but no other. */
void ecgd_port_arduino_begin(void)
{
#ifndef SERIAL_CDC
    port.begin(kBaud);
#endif
    info.board = ECGD_BOARD;
    info.window_bytes = kWindowBytes;
    info.reply_ms = kReplyMs;
    info.keepalive_ms = kKeepaliveMs;
    info.static_ram = static_cast<uint32_t>((ecgd_data_end - ecgd_data_start) + (ecgd_bss_end - ecgd_bss_start));
    info.reset_cause = reset_cause();
    info.clock.numerator = 1;
    info.clock.denominator = 1;
#if ECGD_HAS_DWT
    ecgd_dwt_start();
    info.clock.unit = ECGD_UNIT_CYCLES;
    info.clock.running = ecgd_cycles_agree(ecgd_dwt_read, read_microseconds, SystemCoreClock);
#else
    info.clock.unit = ECGD_UNIT_NANOSECONDS;
    info.clock.numerator = 1000;
    info.clock.running = true;
#endif
    keepalive_thread.start(keepalive_loop);
}

const ecgd_port_info_t *ecgd_port_info(void)
{
    return &info;
}

size_t ecgd_port_read(uint8_t *into, size_t room)
{
    size_t count = 0;
    while (count < room && port.available() > 0) {
        into[count++] = static_cast<uint8_t>(port.read());
    }
    if (count == 0) {
        delay(1); /* lets the other threads run */
    }
    return count;
}

void ecgd_port_write(const uint8_t *bytes, size_t count)
{
#ifdef SERIAL_CDC
    lost_bytes += static_cast<uint32_t>(count - ecgd_usb_write(&usb, bytes, count));
#else
    port.write(bytes, count); /* a UART has nobody who could be gone */
#endif
}

uint64_t ecgd_port_ticks(void)
{
    core_util_critical_section_enter();
#if ECGD_HAS_DWT
    const uint64_t ticks = ecgd_cycles_extend(&cycles, ecgd_dwt_read());
#else
    const uint64_t ticks = ecgd_cycles_extend(&cycles, read_microseconds());
#endif
    core_util_critical_section_exit();
    return ticks;
}

/* Of the thread that calls first: Arduino's main thread, in which setup() and loop() run. */
void ecgd_port_stack(uint8_t **lowest, uint8_t **top)
{
    const mbed_rtos_storage_thread_t *thread = reinterpret_cast<mbed_rtos_storage_thread_t *>(osThreadGetId());
    if (thread == nullptr || thread->stack_mem == nullptr) {
        *lowest = nullptr;
        *top = nullptr;
        return;
    }
    uint8_t *memory = static_cast<uint8_t *>(thread->stack_mem);
    *lowest = memory + kStackGuardBytes;
    *top = memory + thread->stack_size;
}

/* The lock makes a call with false wait for a keep-alive that is under way. */
void ecgd_port_busy(bool now_busy)
{
    busy_lock.lock();
    busy = now_busy;
    busy_lock.unlock();
}

void ecgd_port_reset(void)
{
    delay(10); /* the acknowledgement goes out first */
    NVIC_SystemReset();
}

}  // extern "C"
