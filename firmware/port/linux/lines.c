/* The lines of a Linux board. One at a time has the application's ear: what is written goes to the line that was last
 * read. A line never gets a byte that was not asked for. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "ecgd_linux.h"

#define RETRY_MS 500       /* how often a serial device that is not there is looked for */
#define WRITE_MS 2000      /* how long a line may refuse bytes; then they are lost, and the link recovers them */
#define RELAY_BYTES 4096u
#define TEXT_BYTES 128u
#define NO_LINE ECGD_LINES_MAX

typedef struct {
    const char *serial; /* path, without rate; NULL for a socket */
    speed_t rate;
    int listener; /* -1: none */
    int fd;       /* -1: nobody there */
} line_t;

static line_t lines[ECGD_LINES_MAX];
static char names[ECGD_LINES_MAX][TEXT_BYTES];
static unsigned count, active = NO_LINE;
static bool ended;       /* the other line's unfinished frame was ended */
static bool interactive; /* standard input and output: ends with its input */

static const struct {
    unsigned baud;
    speed_t rate;
} rates[] = {{9600, B9600},     {19200, B19200},   {38400, B38400},   {57600, B57600},   {115200, B115200},
             {230400, B230400}, {460800, B460800}, {921600, B921600}, {1000000, B1000000}};

void ecgd_lines_stdio(void)
{
    lines[0] = (line_t){.listener = -1, .fd = STDIN_FILENO};
    count = 1;
    interactive = true;
}

static void open_serial(line_t *line)
{
    struct termios settings;
    const int fd = open(line->serial, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if (tcgetattr(fd, &settings) == 0) { /* a device that is no terminal is raw already */
        cfmakeraw(&settings);
        settings.c_cflag |= CLOCAL | CREAD;
        settings.c_cflag &= (tcflag_t)~CRTSCTS;
        settings.c_cc[VMIN] = 1;
        settings.c_cc[VTIME] = 0;
        (void)cfsetspeed(&settings, line->rate);
        (void)tcsetattr(fd, TCSANOW, &settings);
        (void)tcflush(fd, TCIOFLUSH);
        (void)ioctl(fd, TIOCEXCL);
    }
    line->fd = fd;
}

static bool add_serial(line_t *line, char *text)
{
    char *const at = strchr(text, '@');
    line->rate = B115200;
    line->serial = text;
    if (at != NULL) {
        *at = '\0';
        const unsigned long baud = strtoul(at + 1, NULL, 10);
        size_t k = 0;
        while (k < sizeof rates / sizeof rates[0] && rates[k].baud != baud) {
            ++k;
        }
        if (k == sizeof rates / sizeof rates[0]) {
            return false;
        }
        line->rate = rates[k].rate;
    }
    open_serial(line);
    if (line->fd < 0) {
        (void)fprintf(stderr, "%s: %s; it is waited for\n", text, strerror(errno));
    }
    return true;
}

static bool add_tcp(line_t *line, char *text)
{
    const int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    char *const colon = strrchr(text, ':');
    if (colon != NULL) {
        *colon = '\0';
        if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
            return false;
        }
    }
    address.sin_port = htons((uint16_t)strtoul(colon != NULL ? colon + 1 : text, NULL, 10));
    line->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)setsockopt(line->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (line->listener < 0 || bind(line->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(line->listener, 1) != 0) {
        return false;
    }
    (void)getsockname(line->listener, (struct sockaddr *)&address, &size);
    (void)fprintf(stderr, "%u\n", (unsigned)ntohs(address.sin_port));
    return true;
}

static bool unix_address(struct sockaddr_un *address, const char *path)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    (void)strcpy(address->sun_path, path);
    return true;
}

static bool add_unix(line_t *line, const char *path)
{
    struct sockaddr_un address;
    if (!unix_address(&address, path)) {
        return false;
    }
    (void)unlink(path);
    line->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return line->listener >= 0 && bind(line->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
           listen(line->listener, 1) == 0;
}

bool ecgd_lines_add(const char *text)
{
    bool added = false;
    errno = EINVAL;
    if (count < ECGD_LINES_MAX && strlen(text) < TEXT_BYTES) {
        line_t *const line = &lines[count];
        char *const copy = strcpy(names[count], text);
        *line = (line_t){.listener = -1, .fd = -1};
        if (copy[0] == '/') {
            added = add_serial(line, copy);
        } else if (strncmp(copy, "tcp:", 4) == 0) {
            added = add_tcp(line, copy + 4);
        } else if (strncmp(copy, "unix:", 5) == 0) {
            added = add_unix(line, copy + 5);
        }
    }
    if (!added) {
        (void)fprintf(stderr, "%s: cannot be served: %s\n", text, strerror(errno));
        return false;
    }
    ++count;
    return true;
}

static void lose(unsigned index)
{
    if (interactive) {
        exit(0);
    }
    (void)close(lines[index].fd);
    lines[index].fd = -1;
}

/* The newest client has the line: one that went away without a word does not keep others out. */
static void take_client(line_t *line)
{
    const int one = 1;
    const int client = accept4(line->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) {
        return;
    }
    (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* fails on unix:, which needs none */
    if (line->fd >= 0) {
        (void)close(line->fd);
    }
    line->fd = client;
}

size_t ecgd_lines_read(uint8_t *into, size_t room, int wait_ms)
{
    struct pollfd waited[2u * ECGD_LINES_MAX];
    for (unsigned k = 0; k < count; ++k) {
        if (lines[k].serial != NULL && lines[k].fd < 0) {
            open_serial(&lines[k]);
            if (lines[k].fd < 0 && (wait_ms < 0 || wait_ms > RETRY_MS)) {
                wait_ms = RETRY_MS;
            }
        }
        waited[2u * k] = (struct pollfd){.fd = lines[k].fd, .events = POLLIN};
        waited[2u * k + 1u] = (struct pollfd){.fd = lines[k].listener, .events = POLLIN};
    }
    if (poll(waited, 2u * count, wait_ms) <= 0) {
        return 0;
    }
    for (unsigned k = 0; k < count; ++k) {
        if (waited[2u * k + 1u].revents != 0) {
            take_client(&lines[k]);
            continue;
        }
        if (waited[2u * k].revents == 0) {
            continue;
        }
        if (active != k && active != NO_LINE && !ended) {
            ended = true;
            into[0] = 0; /* ends what the other line left unfinished; an answer to that is still the other line's */
            return 1;
        }
        ended = false;
        active = k;
        const ssize_t got = read(lines[k].fd, into, room);
        if (got > 0) {
            return (size_t)got;
        }
        if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
            const bool vanished = lines[k].serial != NULL;
            lose(k);
            if (vanished) {
                (void)poll(NULL, 0, RETRY_MS); /* a hung-up terminal can be opened, and hangs up again */
            }
        }
    }
    return 0;
}

void ecgd_lines_write(const uint8_t *bytes, size_t number)
{
    const int fd = interactive ? STDOUT_FILENO : active < count ? lines[active].fd : -1;
    for (size_t at = 0; fd >= 0 && at < number;) {
        const ssize_t sent = write(fd, bytes + at, number - at);
        if (sent > 0) {
            at += (size_t)sent;
        } else if (errno == EAGAIN) {
            struct pollfd waited = {.fd = fd, .events = POLLOUT};
            if (poll(&waited, 1, WRITE_MS) == 0) {
                return;
            }
        } else if (errno != EINTR) {
            return;
        }
    }
}

static bool copy_some(int from, int to)
{
    uint8_t buffer[RELAY_BYTES];
    const ssize_t got = read(from, buffer, sizeof buffer);
    for (ssize_t at = 0; at < got;) {
        const ssize_t sent = write(to, buffer + at, (size_t)(got - at));
        if (sent < 0) {
            return false;
        }
        at += sent;
    }
    return got > 0;
}

int ecgd_lines_relay(const char *path)
{
    struct sockaddr_un address;
    const int to = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!unix_address(&address, path) || to < 0 || connect(to, (struct sockaddr *)&address, sizeof address) != 0) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return ECGD_EXIT_LINE;
    }
    for (;;) {
        struct pollfd waited[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = to, .events = POLLIN}};
        if (poll(waited, 2, -1) < 0) {
            return ECGD_EXIT_LINE;
        }
        if (waited[0].revents != 0 && !copy_some(STDIN_FILENO, to)) {
            return 0;
        }
        if (waited[1].revents != 0 && !copy_some(to, STDOUT_FILENO)) {
            return 0;
        }
    }
}
