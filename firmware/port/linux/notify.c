/* systemd's notification protocol (sd_notify(3)): datagrams to the socket that $NOTIFY_SOCKET names. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ecgd_linux.h"

#define STATUS_BYTES 256u
#define US_PER_MS 1000u

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static void notify(const char *text)
{
    const char *const path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t length = path != NULL ? strlen(path) : 0u;
    if (length == 0 || length >= sizeof address.sun_path) {
        return;
    }
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') {
        address.sun_path[0] = '\0'; /* the abstract name space */
    }
    const int to = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (to >= 0) {
        const size_t size = offsetof(struct sockaddr_un, sun_path) + length;
        (void)sendto(to, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address, (socklen_t)size);
        (void)close(to);
    }
}

void ecgd_notify_ready(const char *status)
{
    char text[STATUS_BYTES];
    (void)snprintf(text, sizeof text, "READY=1\nSTATUS=%s\n", status);
    notify(text);
}

int ecgd_notify_alive(void)
{
    static uint64_t period_ms, due_ms;
    static bool asked;
    if (!asked) {
        const char *const us = getenv("WATCHDOG_USEC");
        const char *const pid = getenv("WATCHDOG_PID");
        asked = true;
        if (us != NULL && (pid == NULL || strtol(pid, NULL, 10) == (long)getpid())) {
            period_ms = strtoull(us, NULL, 10) / US_PER_MS / 2u;
        }
    }
    if (period_ms == 0) {
        return -1;
    }
    const uint64_t now = now_ms();
    if (now >= due_ms) {
        notify("WATCHDOG=1\n");
        due_ms = now + period_ms;
    }
    return (int)(due_ms - now);
}
