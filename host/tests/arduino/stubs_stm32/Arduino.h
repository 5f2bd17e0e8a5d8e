/* What firmware/port/arduino_stm32 uses of the STM32 core, declared and nothing more. */
#ifndef STUB_ARDUINO_H
#define STUB_ARDUINO_H
#include <stddef.h>
#include <stdint.h>
#if !defined(SERIAL_RX_BUFFER_SIZE)
#define SERIAL_RX_BUFFER_SIZE 64
#endif
extern "C" {
uint32_t micros(void);
extern uint32_t SystemCoreClock;
void NVIC_SystemReset(void);
uint32_t __get_PRIMASK(void);
void __set_PRIMASK(uint32_t mask);
void __disable_irq(void);
void setup(void);
void loop(void);
}
typedef struct {
    volatile uint32_t CSR;
} RCC_TypeDef;
#define RCC (reinterpret_cast<RCC_TypeDef *>(0x40023800u))
#define RCC_CSR_RMVF (1u << 24)
#define RCC_CSR_SFTRSTF (1u << 28)
#define RCC_CSR_IWDGRSTF (1u << 29)
#define RCC_CSR_WWDGRSTF (1u << 30)
class HardwareSerial {
public:
    void begin(unsigned long baud);
    int available();
    int read();
    void flush();
    size_t write(const uint8_t *buffer, size_t size);
};
extern HardwareSerial Serial;
#endif
