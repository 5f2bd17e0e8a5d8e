/* Framing of the wire protocol: COBS, CRC-32, little-endian fields. No I/O, no state but the caller's.
 *
 * The parser takes bytes as they come and never looks back: damaged, foreign or endless input costs one frame and
 * leaves it in step at the next zero byte.
 */
#ifndef ECGD_LINK_H
#define ECGD_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ecgd_protocol.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Largest decoded frame with `payload` bytes, and its largest size on the wire. */
#define ECGD_FRAME_OVERHEAD (ECGD_HEADER_BYTES + ECGD_CRC_BYTES)
#define ECGD_WIRE_BYTES(payload) ((payload) + ECGD_FRAME_OVERHEAD + ((payload) + ECGD_FRAME_OVERHEAD) / 254u + 2u)

typedef struct {
    uint8_t type, generation;
    uint16_t sequence;
    uint32_t session;
    const uint8_t *payload; /* inside the parser's buffer, until the next push */
    size_t bytes;
} ecgd_frame_t;

typedef enum { ECGD_PARSE_MORE, ECGD_PARSE_FRAME, ECGD_PARSE_BAD } ecgd_parse_t;

/*   buffer: [ decoded bytes ............ | free ]
 *            0                  length     capacity
 * `left` data bytes of the current COBS run are still to come; `zero` says that the run ends in a zero byte, which
 * is written when the next run begins, because the last run of a frame has none. */
typedef struct {
    uint8_t *buffer;
    size_t capacity, length;
    uint8_t left;
    bool zero, started, broken;
} ecgd_parser_t;

void ecgd_parser_init(ecgd_parser_t *parser, uint8_t *buffer, size_t capacity);
/* One byte from the line; on ECGD_PARSE_FRAME `frame` is filled in. */
ecgd_parse_t ecgd_parser_push(ecgd_parser_t *parser, uint8_t byte, ecgd_frame_t *frame);

/* `crc` is 0 at the start; the same as zlib's crc32. */
uint32_t ecgd_crc32(uint32_t crc, const void *data, size_t bytes);

/* Frame into `wire`, which holds at least ECGD_WIRE_BYTES(bytes); returns the bytes written, delimiter included. */
size_t ecgd_frame_encode(uint8_t *wire, uint8_t type, uint8_t generation, uint16_t sequence, uint32_t session,
                         const void *payload, size_t bytes);

void ecgd_put_u16(uint8_t *at, uint16_t value);
void ecgd_put_u32(uint8_t *at, uint32_t value);
void ecgd_put_u64(uint8_t *at, uint64_t value);
uint16_t ecgd_get_u16(const uint8_t *at);
uint32_t ecgd_get_u32(const uint8_t *at);

#ifdef __cplusplus
}
#endif
#endif
