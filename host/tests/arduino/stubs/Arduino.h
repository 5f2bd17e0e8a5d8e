/* What firmware/port/arduino uses of Arduino's core, declared and nothing more: enough to compile it without a core. */
#ifndef STUB_ARDUINO_H
#define STUB_ARDUINO_H
#include <stddef.h>
#include <stdint.h>
#ifndef STUB_NO_USB /* a chip without USB of its own: the core then declares no USB port that could be linked */
#define SERIAL_CDC 1
#endif
extern "C" {
unsigned long millis(void);
unsigned long micros(void);
void delay(unsigned long milliseconds);
}
extern uint32_t SystemCoreClock;
void NVIC_SystemReset(void);
#ifndef SERIAL_CDC
namespace arduino {
class UART {
public:
    void begin(unsigned long baud);
    int available();
    int read();
    size_t write(const uint8_t *bytes, size_t count);
};
}  // namespace arduino
extern arduino::UART _UART1_;
#define Serial _UART1_
#endif
void setup();
void loop();
#endif
