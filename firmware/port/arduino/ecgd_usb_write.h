/* Bytes out over a USB serial port that says less than it should.
 *
 * Arduino's write() for mbed boards reports everything as sent, whatever happened: a packet is lost when the host
 * closes the port or a transfer is under way (ArduinoCore-mbed issue 129: 405 bytes sent, 341 received), and a host
 * that holds the port open without reading blocks it for ever. So: the core's non-blocking call, which says how many
 * bytes it took; pieces below one packet, so that no transfer ends on a full packet and waits for a next one; and a
 * limit on waiting. What could not be sent is counted, and the link's CRC and retransmission make it good. */
#ifndef ECGD_USB_WRITE_H
#define ECGD_USB_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ECGD_USB_PIECE_BYTES 63u /* a full-speed packet is 64 */
#define ECGD_USB_STALL_MS 500u   /* without a byte taken for so long: the host does not read */

typedef struct {
    bool (*connected)(void);
    /* Takes at most `count` bytes and says how many it took; never waits. */
    size_t (*take)(const uint8_t *bytes, size_t count);
    uint32_t (*milliseconds)(void);
    /* Lets other threads run; returns after about a millisecond. */
    void (*pause)(void);
} ecgd_usb_t;

/* Returns how many of `count` bytes were sent. */
size_t ecgd_usb_write(const ecgd_usb_t *usb, const uint8_t *bytes, size_t count);

#ifdef __cplusplus
}
#endif
#endif
