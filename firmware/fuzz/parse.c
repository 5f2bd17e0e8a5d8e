/* The C parser behind one call, for the differential test against the Python parser. */
#include <string.h>

#include "ecgd_link.h"

#define CAPACITY_MOST 65536u
#define LENGTH_BYTES 4u

size_t ecgd_parse_all(const uint8_t *bytes, size_t count, size_t capacity, uint8_t *out, size_t room, uint32_t *bad);

/* Writes [length u32][header payload] of each frame found; returns the bytes written and the damaged frames in `bad`.
 * A frame that does not fit into `room` is left out. */
size_t ecgd_parse_all(const uint8_t *bytes, size_t count, size_t capacity, uint8_t *out, size_t room, uint32_t *bad)
{
    static uint8_t buffer[CAPACITY_MOST];
    ecgd_parser_t parser;
    ecgd_frame_t frame;
    size_t at = 0;
    *bad = 0;
    ecgd_parser_init(&parser, buffer, capacity < sizeof buffer ? capacity : sizeof buffer);
    for (size_t i = 0; i < count; ++i) {
        const ecgd_parse_t verdict = ecgd_parser_push(&parser, bytes[i], &frame);
        if (verdict == ECGD_PARSE_BAD) {
            ++*bad;
        }
        const size_t size = ECGD_HEADER_BYTES + (verdict == ECGD_PARSE_FRAME ? frame.bytes : 0);
        if (verdict == ECGD_PARSE_FRAME && LENGTH_BYTES + size <= room - at) {
            ecgd_put_u32(out + at, (uint32_t)size);
            memcpy(out + at + LENGTH_BYTES, frame.payload - ECGD_HEADER_BYTES, size);
            at += LENGTH_BYTES + size;
        }
    }
    return at;
}
