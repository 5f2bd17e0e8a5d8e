/* What the application asks of a Linux board, and what the program does at start:
 *
 *     firmware                    the link on standard input and output; ends at the end of its input
 *     firmware --serve LINE...    the link on these lines, for ever: /dev/NAME[@BAUD], tcp:[ADDRESS:]PORT, unix:PATH
 *     firmware --connect PATH     standard input and output of a process that serves unix:PATH
 *     firmware --self-test        golden vectors beside the program; exit status 0 when all are answered as they should
 *     firmware --bench SECONDS    latency of an inference, as JSON
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "ecgd_app.h"
#include "ecgd_engine.h"
#include "ecgd_linux.h"
#include "ecgd_port.h"
#include "ecgd_protocol.h"

#ifndef ECGD_BOARD
#define ECGD_BOARD "linux"
#endif
#ifndef ECGD_WINDOW_BYTES
#define ECGD_WINDOW_BYTES 4096u
#endif
#define REPLY_MS 20u
#define KEEPALIVE_MS 100u
#define NS_PER_S 1000000000u
#define STATUS_BYTES 128u

static char **arguments;

static const ecgd_port_info_t info = {
    .board = ECGD_BOARD,
    .window_bytes = ECGD_WINDOW_BYTES,
    .reply_ms = REPLY_MS,
    .keepalive_ms = KEEPALIVE_MS,
    .reset_cause = ECGD_RESET_POWER_ON,
    .clock = {.unit = ECGD_UNIT_NANOSECONDS, .numerator = 1, .denominator = 1, .running = true},
};

const ecgd_port_info_t *ecgd_port_info(void)
{
    return &info;
}

/* The watchdog is told here, and not while the engine computes: an inference that never ends is a hang. */
size_t ecgd_port_read(uint8_t *into, size_t room)
{
    return ecgd_lines_read(into, room, ecgd_notify_alive());
}

void ecgd_port_write(const uint8_t *bytes, size_t count)
{
    ecgd_lines_write(bytes, count);
}

uint64_t ecgd_port_ticks(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void ecgd_port_stack(uint8_t **lowest, uint8_t **top)
{
    *lowest = NULL;
    *top = NULL;
}

static void on_alarm(int number)
{
    (void)number;
    const int saved = errno;
    ecgd_app_keepalive();
    errno = saved;
}

void ecgd_port_busy(bool busy)
{
    const struct timeval period = {.tv_sec = 0, .tv_usec = busy ? KEEPALIVE_MS * 1000 : 0};
    const struct itimerval timer = {.it_interval = period, .it_value = period};
    (void)setitimer(ITIMER_REAL, &timer, NULL);
}

void ecgd_port_reset(void)
{
    (void)execv("/proc/self/exe", arguments);
    exit(ECGD_EXIT_ENGINE);
}

static int usage(void)
{
    (void)fprintf(stderr,
                  "usage: %s [--serve LINE... | --connect PATH | --self-test | --bench SECONDS]\n"
                  "LINE: /dev/NAME[@BAUD], tcp:[ADDRESS:]PORT, unix:PATH\n",
                  arguments[0]);
    return ECGD_EXIT_USAGE;
}

static void run(void)
{
    for (;;) {
        ecgd_app_poll();
    }
}

static int serve(int count, char **lines)
{
    char status[STATUS_BYTES];
    for (int k = 0; k < count; ++k) {
        if (!ecgd_lines_add(lines[k])) {
            return ECGD_EXIT_LINE;
        }
    }
    ecgd_app_init();
    if (!ecgd_app_ready()) {
        (void)fputs("the engine did not start\n", stderr);
        return ECGD_EXIT_ENGINE;
    }
    (void)snprintf(status, sizeof status, "release %s, engine %s", ECGD_BUILD_ID, ecgd_engine_info()->name);
    ecgd_notify_ready(status);
    run();
    return 0;
}

int main(int count, char **values)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    arguments = values;
    (void)sigaction(SIGALRM, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (count == 1) {
        ecgd_lines_stdio();
        ecgd_app_init();
        run();
    }
    if (count == 2 && strcmp(values[1], "--self-test") == 0) {
        return ecgd_self_test();
    }
    if (count == 3 && strcmp(values[1], "--bench") == 0) {
        return ecgd_bench(strtod(values[2], NULL));
    }
    if (count == 3 && strcmp(values[1], "--connect") == 0) {
        return ecgd_lines_relay(values[2]);
    }
    if (count >= 3 && strcmp(values[1], "--serve") == 0) {
        return serve(count - 2, values + 2);
    }
    return usage();
}
