/* Stand-in for the library's header. */
#ifndef STUB_TINYUSB_H
#define STUB_TINYUSB_H
#include <stddef.h>
#include <stdint.h>
class Adafruit_USBD_CDC {
public:
    void begin(uint32_t baud);
    int available();
    int read();
    void flush();
    size_t write(const uint8_t *buffer, size_t size);
    int availableForWrite();
    operator bool();
};
extern Adafruit_USBD_CDC Serial;
#endif
