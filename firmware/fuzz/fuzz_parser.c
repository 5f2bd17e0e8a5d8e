/* libFuzzer on the frame parser: `make fuzz`. Any bytes, in order, must neither crash nor read or write outside the
 * buffers, and whatever comes out as a frame must be one that the encoder could have made. */
#include <stdlib.h>
#include <string.h>

#include "ecgd_link.h"

#define CAPACITY 272u /* more than a COBS run, which is 254 bytes */
#define PAYLOAD (CAPACITY - ECGD_FRAME_OVERHEAD)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const ecgd_frame_t *frame)
{
    uint8_t wire[ECGD_WIRE_BYTES(PAYLOAD)], again[CAPACITY];
    ecgd_parser_t parser;
    ecgd_frame_t copy = {0};
    ecgd_parse_t verdict = ECGD_PARSE_MORE;
    const size_t count = ecgd_frame_encode(wire, frame->type, frame->generation, frame->sequence, frame->session,
                                           frame->payload, frame->bytes);
    ecgd_parser_init(&parser, again, sizeof again);
    for (size_t i = 0; i < count; ++i) {
        verdict = ecgd_parser_push(&parser, wire[i], &copy);
    }
    if (frame->bytes > PAYLOAD || count > sizeof wire || verdict != ECGD_PARSE_FRAME || copy.bytes != frame->bytes ||
        copy.session != frame->session || memcmp(copy.payload, frame->payload, frame->bytes) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t buffer[CAPACITY];
    ecgd_parser_t parser;
    ecgd_frame_t frame;
    ecgd_parser_init(&parser, buffer, sizeof buffer);
    for (size_t i = 0; i < size; ++i) {
        if (ecgd_parser_push(&parser, data[i], &frame) == ECGD_PARSE_FRAME) {
            check(&frame);
        }
    }
    return 0;
}
