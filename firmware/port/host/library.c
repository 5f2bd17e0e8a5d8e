/* Port for a test program: the firmware as a library of this process. Bytes go in and come out by calls, time is what
 * the caller says, nothing waits: fault injection and fuzzing run at full speed and repeat exactly. */
#include <string.h>

#include "ecgd_app.h"
#include "ecgd_port.h"
#include "ecgd_protocol.h"

#ifndef ECGD_WINDOW_BYTES
#define ECGD_WINDOW_BYTES 256u
#endif
#define SENT_BYTES 65536u
#define REPLY_MS 20u
#define KEEPALIVE_MS 40u

size_t ecgd_library_run(const uint8_t *bytes, size_t count, uint8_t *answer, size_t room);
void ecgd_library_restart(uint8_t cause);
void ecgd_library_keepalives(unsigned count);

static const uint8_t *pending;
static size_t pending_bytes, sent_bytes;
static uint8_t sent[SENT_BYTES];
static uint64_t ticks, readings;
static unsigned keepalives;
static bool restart_wanted;

static ecgd_port_info_t info = {
    .board = "host",
    .window_bytes = ECGD_WINDOW_BYTES,
    .reply_ms = REPLY_MS,
    .keepalive_ms = KEEPALIVE_MS,
    .clock = {.unit = ECGD_UNIT_NANOSECONDS, .numerator = 1, .denominator = 1, .running = true},
};

const ecgd_port_info_t *ecgd_port_info(void)
{
    return &info;
}

size_t ecgd_port_read(uint8_t *into, size_t room)
{
    const size_t count = pending_bytes < room ? pending_bytes : room;
    if (count > 0) {
        memcpy(into, pending, count);
        pending += count;
        pending_bytes -= count;
    }
    return count;
}

void ecgd_port_write(const uint8_t *bytes, size_t count)
{
    if (count <= SENT_BYTES - sent_bytes) {
        memcpy(sent + sent_bytes, bytes, count);
        sent_bytes += count;
    }
}

uint64_t ecgd_port_ticks(void)
{
    /* every reading later than the one before, by more each time: an empty region is then the shortest one */
    ticks += ++readings;
    return ticks;
}

void ecgd_port_stack(uint8_t **lowest, uint8_t **top)
{
    *lowest = NULL;
    *top = NULL;
}

void ecgd_port_busy(bool busy)
{
    for (unsigned i = 0; busy && i < keepalives; ++i) {
        ecgd_app_keepalive();
    }
}

void ecgd_port_reset(void)
{
    restart_wanted = true;
}

void ecgd_library_restart(uint8_t cause)
{
    info.reset_cause = cause;
    restart_wanted = false;
    pending_bytes = 0;
    ecgd_app_init();
}

/* How many keep-alives every computation sends. */
void ecgd_library_keepalives(unsigned count)
{
    keepalives = count;
}

/* Feeds `count` bytes and takes what the device answers, at most `room` bytes; what does not fit is lost. */
size_t ecgd_library_run(const uint8_t *bytes, size_t count, uint8_t *answer, size_t room)
{
    pending = bytes;
    pending_bytes = count;
    sent_bytes = 0;
    while (pending_bytes > 0 && !restart_wanted) {
        ecgd_app_poll();
    }
    if (restart_wanted) {
        ecgd_library_restart(ECGD_RESET_SOFTWARE);
    }
    const size_t answered = sent_bytes < room ? sent_bytes : room;
    memcpy(answer, sent, answered);
    return answered;
}
