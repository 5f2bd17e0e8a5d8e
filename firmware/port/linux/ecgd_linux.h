/* Port for a board with Linux: lines the link is spoken on, the service manager, the self-test, the benchmark. */
#ifndef ECGD_LINUX_H
#define ECGD_LINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ECGD_LINES_MAX 4u
/* exit statuses, also those of --self-test */
#define ECGD_EXIT_USAGE 64
#define ECGD_EXIT_GOLDEN 65   /* an answer is not the golden one */
#define ECGD_EXIT_NO_GOLDEN 66 /* golden.bin is missing or damaged */
#define ECGD_EXIT_ENGINE 70   /* the engine did not start */
#define ECGD_EXIT_LINE 74     /* a line cannot be opened at all */

/* Lines. ecgd_lines_add() takes /dev/NAME[@BAUD], tcp:[ADDRESS:]PORT or unix:PATH; a serial device may come and go. */
bool ecgd_lines_add(const char *text);
void ecgd_lines_stdio(void);
/* Bytes of whichever line has some, waiting at most `wait_ms`; what is written then goes to that line. */
size_t ecgd_lines_read(uint8_t *into, size_t room, int wait_ms);
void ecgd_lines_write(const uint8_t *bytes, size_t count);
/* Copies between standard input/output and the socket of a serving process; returns the exit status. */
int ecgd_lines_relay(const char *path);

/* The service manager (systemd), spoken to without its library. Does nothing where there is none. */
void ecgd_notify_ready(const char *status);
/* Says "alive" when half the watchdog's time is over; returns for how long it is content, in ms (-1: for ever). */
int ecgd_notify_alive(void);

/* Golden vectors beside the program through the engine; an exit status, and a line on stderr when not 0. */
int ecgd_self_test(void);
/* Latency on this board over at least `seconds` and 10 iterations; a line of JSON on stdout; an exit status. */
int ecgd_bench(double seconds);

/* golden.bin, beside the program */
typedef struct {
    uint32_t windows, input_bytes, output_bytes;
    float steps, tolerance; /* how far answers may be: in quantization steps, and for float outputs */
    const uint8_t *data;    /* windows x (inputs, outputs) */
} ecgd_golden_t;
bool ecgd_golden_open(ecgd_golden_t *golden);

#endif
