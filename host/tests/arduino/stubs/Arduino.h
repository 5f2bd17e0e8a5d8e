/* What firmware/port/arduino uses of Arduino's core, declared and nothing more: enough to compile it without a core. */
#ifndef STUB_ARDUINO_H
#define STUB_ARDUINO_H
#include <stddef.h>
#include <stdint.h>
extern "C" {
unsigned long millis(void);
unsigned long micros(void);
void delay(unsigned long milliseconds);
}
extern uint32_t SystemCoreClock;
void NVIC_SystemReset(void);
void setup();
void loop();
#endif
