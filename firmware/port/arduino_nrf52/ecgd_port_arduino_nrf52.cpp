/* ecgd_port.h for the Adafruit nRF52 core (nRF52840-DK): the chip's own USB through TinyUSB, FreeRTOS's loop task, DWT
 * cycle counter. Thin: what can be wrong without a board is in ecgd_cycles.c and ecgd_usb_write.c. C++11, as the core
 * is compiled; no header of an inference library is included here. */
#include <Adafruit_TinyUSB.h>
#include <Arduino.h>

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

constexpr uint32_t kWindowBytes = 256;         /* TinyUSB's receive buffer; USB itself holds the host back */
constexpr uint32_t kReplyMs = 200;
constexpr uint32_t kKeepaliveMs = 2000;
constexpr uint16_t kKeepaliveStackWords = 256;
constexpr uint32_t kLoopStackWords = 1024;     /* LOOP_STACK_SZ of the core's main.cpp */
constexpr uint32_t kStackGuardBytes = 32;      /* FreeRTOS looks for its own pattern at the stack's lowest words */
constexpr uint32_t kResetWatchdog = 1u << 1;   /* bits of the reset reason, nRF52840 product specification */
constexpr uint32_t kResetSoftware = 1u << 2;
constexpr uint32_t kResetLockup = 1u << 3;

ecgd_cycles_t cycles;
ecgd_port_info_t info;
uint32_t lost_bytes;

/* the application's keep-alive while it computes: a task above the loop's, since USB cannot be used from an interrupt */
SemaphoreHandle_t busy_lock;
volatile bool busy;

void keepalive_task(void *)
{
    for (;;) {
        vTaskDelay(pdMS_TO_TICKS(kKeepaliveMs));
        xSemaphoreTake(busy_lock, portMAX_DELAY);
        if (busy) {
            ecgd_app_keepalive();
        }
        xSemaphoreGive(busy_lock);
    }
}

/* Of the RTOS's tick, which the 32 kHz clock makes: the core's micros() is read off the cycle counter as soon as that runs,
 * and would only agree with itself. */
uint32_t read_microseconds()
{
    return static_cast<uint32_t>(tick2us(xTaskGetTickCount()));
}

uint32_t read_milliseconds()
{
    return millis();
}

bool usb_connected()
{
    return static_cast<bool>(Serial);
}

/* The core's write() waits until there is room: it is given no more than there is room for. */
size_t usb_take(const uint8_t *bytes, size_t count)
{
    const int room = Serial.availableForWrite();
    if (room <= 0) {
        return 0;
    }
    const size_t taken = Serial.write(bytes, count < static_cast<size_t>(room) ? count : static_cast<size_t>(room));
    Serial.flush();
    return taken;
}

void usb_pause()
{
    delay(1);
}

const ecgd_usb_t usb = {usb_connected, usb_take, read_milliseconds, usb_pause};

uint8_t reset_cause()
{
    const uint32_t reason = readResetReason();
    if ((reason & kResetLockup) != 0u) {
        return ECGD_RESET_FAULT;
    }
    if ((reason & kResetWatchdog) != 0u) {
        return ECGD_RESET_WATCHDOG;
    }
    return (reason & kResetSoftware) != 0u ? ECGD_RESET_SOFTWARE : ECGD_RESET_POWER_ON;
}

}  // namespace

extern "C" {

/* the linker script's symbols under names of our own: the core's headers declare them with other types */
extern uint8_t ecgd_data_start[] __asm__("__data_start__") __attribute__((weak));
extern uint8_t ecgd_data_end[] __asm__("__data_end__") __attribute__((weak));
extern uint8_t ecgd_bss_start[] __asm__("__bss_start__") __attribute__((weak));
extern uint8_t ecgd_bss_end[] __asm__("__bss_end__") __attribute__((weak));

void ecgd_port_arduino_begin(void)
{
    Serial.begin(115200); /* the rate says nothing on USB */
    info.board = ECGD_BOARD;
    info.window_bytes = kWindowBytes;
    info.reply_ms = kReplyMs;
    info.keepalive_ms = kKeepaliveMs;
    info.static_ram = static_cast<uint32_t>((ecgd_data_end - ecgd_data_start) + (ecgd_bss_end - ecgd_bss_start));
    info.reset_cause = reset_cause();
    ecgd_dwt_start();
    info.clock.unit = ECGD_UNIT_CYCLES;
    info.clock.numerator = 1;
    info.clock.denominator = 1;
    info.clock.running = ecgd_cycles_agree(ecgd_dwt_read, read_microseconds, SystemCoreClock);
    busy_lock = xSemaphoreCreateMutex();
    xTaskCreate(keepalive_task, "ecgd", kKeepaliveStackWords, nullptr, TASK_PRIO_NORMAL, nullptr);
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
    if (count == 0) {
        delay(1); /* lets other tasks run, and the chip sleep */
    }
    return count;
}

void ecgd_port_write(const uint8_t *bytes, size_t count)
{
    lost_bytes += static_cast<uint32_t>(count - ecgd_usb_write(&usb, bytes, count));
}

uint64_t ecgd_port_ticks(void)
{
    taskENTER_CRITICAL();
    const uint64_t ticks = ecgd_cycles_extend(&cycles, ecgd_dwt_read());
    taskEXIT_CRITICAL();
    return ticks;
}

/* Of the task that calls first: the core's loop task, in which setup() and loop() run. */
void ecgd_port_stack(uint8_t **lowest, uint8_t **top)
{
    TaskStatus_t task;
    vTaskGetInfo(nullptr, &task, pdFALSE, eRunning);
    uint8_t *memory = reinterpret_cast<uint8_t *>(task.pxStackBase);
    *lowest = memory + kStackGuardBytes;
    *top = memory + kLoopStackWords * sizeof(uint32_t);
}

/* The lock makes a call with false wait for a keep-alive that is under way. */
void ecgd_port_busy(bool now_busy)
{
    xSemaphoreTake(busy_lock, portMAX_DELAY);
    busy = now_busy;
    xSemaphoreGive(busy_lock);
}

void ecgd_port_reset(void)
{
    delay(10); /* the acknowledgement goes out first */
    NVIC_SystemReset();
}

}  // extern "C"
