/* CMSDK UART0 as the emulator has it: one byte each way, and the other end waits while it is full. */
#include "mps2.h"

#define UART0 0x40004000u
#define DATA (*(volatile uint32_t *)(UART0 + 0x0u))
#define STATE (*(volatile uint32_t *)(UART0 + 0x4u))
#define CTRL (*(volatile uint32_t *)(UART0 + 0x8u))
#define BAUDDIV (*(volatile uint32_t *)(UART0 + 0x10u))
#define TX_FULL 1u
#define RX_FULL 2u
#define ENABLE_TX_RX 3u
#define SMALLEST_DIVIDER 16u
/* polls for the next byte before what is there is handed over */
#define PATIENCE 64u

void mps2_uart_open(void)
{
    BAUDDIV = SMALLEST_DIVIDER;
    CTRL = ENABLE_TX_RX;
}

size_t mps2_uart_read(uint8_t *into, size_t room)
{
    size_t count = 0;
    for (unsigned polls = 0; count < room && polls < PATIENCE; ++polls) {
        if (STATE & RX_FULL) {
            into[count++] = (uint8_t)DATA;
            polls = 0;
        }
    }
    return count;
}

void mps2_uart_write(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        while (STATE & TX_FULL) {
        }
        DATA = bytes[i];
    }
}
