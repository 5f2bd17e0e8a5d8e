/* The parts of the mps2 port. Registers: ARM Cortex-M System Design Kit (timer, UART), ARMv7-M (SCB, NVIC). */
#ifndef ECGD_MPS2_H
#define ECGD_MPS2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Semihosting: the emulator does the I/O. */
bool mps2_console_open(void);
size_t mps2_console_read(uint8_t *into, size_t room);
void mps2_console_write(const uint8_t *bytes, size_t count);
/* True when QEMU's semihosting command line holds `word`. */
bool mps2_argument(const char *word);
_Noreturn void mps2_exit(uint32_t code);

void mps2_uart_open(void);
size_t mps2_uart_read(uint8_t *into, size_t room);
void mps2_uart_write(const uint8_t *bytes, size_t count);

int main(void);
void mps2_timer1_handler(void);

#endif
