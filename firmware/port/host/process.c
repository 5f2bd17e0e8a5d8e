/* Port for a computer: the firmware as a process, over standard input and output, a TCP port or a pseudo-terminal.
 *
 *     firmware                 standard input and output; ends at the end of its input
 *     firmware --listen PORT   one client after the other; prints the port it took on stderr (0: any)
 *     firmware --pty           prints the terminal's name on stderr
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "ecgd_app.h"
#include "ecgd_port.h"
#include "ecgd_protocol.h"

#ifndef ECGD_BOARD
#define ECGD_BOARD "host"
#endif
#ifndef ECGD_WINDOW_BYTES
#define ECGD_WINDOW_BYTES 4096u
#endif
#define REPLY_MS 20u
#define KEEPALIVE_MS 100u
#define NS_PER_S 1000000000u

static int input = STDIN_FILENO, output = STDOUT_FILENO, listener = -1;
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

static void accept_next(void)
{
    const int one = 1;
    const int client = accept(listener, NULL, NULL);
    if (client < 0) {
        exit(1);
    }
    (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    input = output = client;
}

size_t ecgd_port_read(uint8_t *into, size_t room)
{
    const ssize_t count = read(input, into, room);
    if (count > 0) {
        return (size_t)count;
    }
    if (count < 0 && (errno == EINTR || errno == EIO)) { /* EIO: nobody holds the terminal's other end yet */
        if (errno == EIO) {
            (void)usleep(1000);
        }
        return 0;
    }
    if (listener < 0) {
        exit(0);
    }
    (void)close(input);
    accept_next();
    return 0;
}

/* What cannot be sent is lost; the link recovers it. */
void ecgd_port_write(const uint8_t *bytes, size_t count)
{
    for (size_t at = 0; at < count;) {
        const ssize_t sent = write(output, bytes + at, count - at);
        if (sent < 0 && errno != EINTR) {
            return;
        }
        at += sent > 0 ? (size_t)sent : 0;
    }
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
    exit(1);
}

static void open_listener(const char *text)
{
    const int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(text))};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1) != 0) {
        perror("listen");
        exit(1);
    }
    (void)getsockname(listener, (struct sockaddr *)&address, &size);
    fprintf(stderr, "%u\n", (unsigned)ntohs(address.sin_port));
    accept_next();
}

static void open_terminal(void)
{
    struct termios settings;
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) {
        perror("pty");
        exit(1);
    }
    /* raw, and held open, so that the line neither echoes nor hangs up between two hosts */
    const int other = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    if (tcgetattr(other, &settings) == 0) {
        cfmakeraw(&settings);
        (void)tcsetattr(other, TCSANOW, &settings);
    }
    input = output = terminal;
    fprintf(stderr, "%s\n", ptsname(terminal));
}

int main(int count, char **values)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    arguments = values;
    (void)sigaction(SIGALRM, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (count == 3 && strcmp(values[1], "--listen") == 0) {
        open_listener(values[2]);
    } else if (count == 2 && strcmp(values[1], "--pty") == 0) {
        open_terminal();
    } else if (count != 1) {
        fprintf(stderr, "usage: %s [--listen PORT | --pty]\n", values[0]);
        return 2;
    }
    ecgd_app_init();
    for (;;) {
        ecgd_app_poll();
    }
}
