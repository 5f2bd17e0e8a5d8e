/* See ecgd_usb_write.h. */
#include "ecgd_usb_write.h"

size_t ecgd_usb_write(const ecgd_usb_t *usb, const uint8_t *bytes, size_t count)
{
    size_t sent = 0;
    uint32_t since = usb->milliseconds();
    while (sent < count && usb->connected()) {
        const size_t left = count - sent;
        const size_t piece = left < ECGD_USB_PIECE_BYTES ? left : ECGD_USB_PIECE_BYTES;
        const size_t taken = usb->take(bytes + sent, piece);
        if (taken > 0) {
            sent += taken < piece ? taken : piece;
            since = usb->milliseconds();
        } else if (usb->milliseconds() - since > ECGD_USB_STALL_MS) {
            break;
        } else {
            usb->pause();
        }
    }
    return sent;
}
