/* An Arduino core that does nothing: enough to link a project with real PlatformIO and no board. */
#include <Arduino.h>
#include <USB/PluggableUSBSerial.h>
#include <mbed.h>
#include <rtos.h>

extern "C" {
unsigned long millis(void) { return 0; }
unsigned long micros(void) { return 0; }
void delay(unsigned long) {}
reset_reason_t hal_reset_reason_get(void) { return RESET_REASON_POWER_ON; }
void core_util_critical_section_enter(void) {}
void core_util_critical_section_exit(void) {}
osThreadId_t osThreadGetId(void) { return nullptr; }
}
uint32_t SystemCoreClock = 64000000;
void NVIC_SystemReset(void) {}
arduino::USBSerial _SerialUSB;
namespace arduino {
bool USBSerial::connected() { return true; }
int USBSerial::available() { return 0; }
int USBSerial::read() { return -1; }
void USBSerial::send_nb(uint8_t *, uint32_t size, uint32_t *actual, bool) { *actual = size; }
}  // namespace arduino
namespace rtos {
void Mutex::lock() {}
void Mutex::unlock() {}
Thread::Thread(osPriority, uint32_t, unsigned char *, const char *) {}
int Thread::start(void (*)()) { return 0; }
namespace ThisThread {
void sleep_for(std::chrono::milliseconds) {}
}  // namespace ThisThread
}  // namespace rtos

int main()
{
    setup();
    for (;;) {
        loop();
    }
}
