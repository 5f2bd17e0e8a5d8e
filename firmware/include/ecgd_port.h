/* What a board gives the application: bytes, a clock, its stack, a way to restart. One implementation a board in
 * firmware/port/<board>/; no other file knows a board. The port also owns main():
 *     set up the board; ecgd_app_init(); for (;;) ecgd_app_poll();      (Arduino: setup() and loop())
 */
#ifndef ECGD_PORT_H
#define ECGD_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint8_t unit;                    /* ECGD_UNIT_* */
    uint32_t numerator, denominator; /* amount in `unit` = ticks * numerator / denominator */
    bool running;                    /* false: the counter could not be started or is not one */
} ecgd_clock_t;

typedef struct {
    const char *board;      /* name of the board's TOML file */
    uint32_t window_bytes;  /* bytes the receive side holds while the application computes */
    uint32_t reply_ms;      /* an answer without computing is out within this time */
    uint32_t keepalive_ms;  /* how often ecgd_app_keepalive() is called while busy */
    uint32_t static_ram;    /* .data + .bss; 0 where unknown */
    uint8_t reset_cause;    /* ECGD_RESET_* */
    ecgd_clock_t clock;
} ecgd_port_info_t;

const ecgd_port_info_t *ecgd_port_info(void);

/* Received bytes, at most `room`; 0 when there are none. May wait for the first one. */
size_t ecgd_port_read(uint8_t *into, size_t room);
/* Sends all bytes, or loses some: the link recovers what a port loses, but it must not hang for ever. */
void ecgd_port_write(const uint8_t *bytes, size_t count);

/* Never goes back, except that it wraps at 2^64 if at all; a port with a narrower counter extends it. */
uint64_t ecgd_port_ticks(void);

/* Bounds of the stack, lowest address first; both NULL where unknown. It grows down. */
void ecgd_port_stack(uint8_t **lowest, uint8_t **top);

/* true: call ecgd_app_keepalive() from an interrupt or thread every keepalive_ms; false: stop. When a call with
 * false returns, no keep-alive is under way. */
void ecgd_port_busy(bool busy);

/* Restart the board. */
void ecgd_port_reset(void);

#ifdef __cplusplus
}
#endif
#endif
