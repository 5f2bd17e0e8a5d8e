/* Framing of the wire protocol; see ecgd_link.h. */
#include "ecgd_link.h"

#include <string.h>

/* CRC-32 (IEEE 802.3, reflected 0xEDB88320) of every nibble: 64 bytes of flash, two steps a byte. */
static const uint32_t crc_of_nibble[16] = {
    0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
    0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu, 0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu,
};

uint32_t ecgd_crc32(uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    crc = ~crc;
    for (size_t i = 0; i < bytes; ++i) {
        crc ^= at[i];
        crc = (crc >> 4) ^ crc_of_nibble[crc & 15u];
        crc = (crc >> 4) ^ crc_of_nibble[crc & 15u];
    }
    return ~crc;
}

void ecgd_put_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

void ecgd_put_u32(uint8_t *at, uint32_t value)
{
    ecgd_put_u16(at, (uint16_t)value);
    ecgd_put_u16(at + 2, (uint16_t)(value >> 16));
}

void ecgd_put_u64(uint8_t *at, uint64_t value)
{
    ecgd_put_u32(at, (uint32_t)value);
    ecgd_put_u32(at + 4, (uint32_t)(value >> 32));
}

uint16_t ecgd_get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | (at[1] << 8));
}

uint32_t ecgd_get_u32(const uint8_t *at)
{
    return (uint32_t)ecgd_get_u16(at) | ((uint32_t)ecgd_get_u16(at + 2) << 16);
}

static void restart(ecgd_parser_t *parser)
{
    parser->length = 0;
    parser->left = 0;
    parser->zero = false;
    parser->started = false;
    parser->broken = false;
}

void ecgd_parser_init(ecgd_parser_t *parser, uint8_t *buffer, size_t capacity)
{
    parser->buffer = buffer;
    parser->capacity = capacity;
    restart(parser);
}

static void append(ecgd_parser_t *parser, uint8_t byte)
{
    if (parser->length < parser->capacity) {
        parser->buffer[parser->length++] = byte;
    } else {
        parser->broken = true; /* too long: swallow the rest up to the delimiter */
    }
}

static ecgd_parse_t finish(const ecgd_parser_t *parser, ecgd_frame_t *frame)
{
    const uint8_t *at = parser->buffer;
    if (parser->broken || parser->left != 0 || parser->length < ECGD_FRAME_OVERHEAD) {
        return ECGD_PARSE_BAD;
    }
    size_t body = parser->length - ECGD_CRC_BYTES;
    if (ecgd_crc32(0, at, body) != ecgd_get_u32(at + body)) {
        return ECGD_PARSE_BAD;
    }
    frame->type = at[ECGD_HEADER_TYPE_AT];
    frame->generation = at[ECGD_HEADER_GENERATION_AT];
    frame->sequence = ecgd_get_u16(at + ECGD_HEADER_SEQUENCE_AT);
    frame->session = ecgd_get_u32(at + ECGD_HEADER_SESSION_AT);
    frame->payload = at + ECGD_HEADER_BYTES;
    frame->bytes = body - ECGD_HEADER_BYTES;
    return ECGD_PARSE_FRAME;
}

ecgd_parse_t ecgd_parser_push(ecgd_parser_t *parser, uint8_t byte, ecgd_frame_t *frame)
{
    if (byte == 0) {
        ecgd_parse_t verdict = parser->started ? finish(parser, frame) : ECGD_PARSE_MORE;
        restart(parser);
        return verdict;
    }
    if (parser->left > 0) {
        parser->left--;
        append(parser, byte);
        return ECGD_PARSE_MORE;
    }
    if (parser->zero) {
        append(parser, 0);
    }
    parser->started = true;
    parser->left = (uint8_t)(byte - 1u);
    parser->zero = byte != 0xffu;
    return ECGD_PARSE_MORE;
}

typedef struct {
    uint8_t *wire;
    size_t code_at, at;
} stuffer_t;

static void stuff(stuffer_t *to, const uint8_t *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; ++i) {
        if (from[i] != 0) {
            to->wire[to->at++] = from[i];
        }
        size_t run = to->at - to->code_at;
        if (from[i] == 0 || run == 255) {
            to->wire[to->code_at] = (uint8_t)run;
            to->code_at = to->at++;
        }
    }
}

size_t ecgd_frame_encode(uint8_t *wire, uint8_t type, uint8_t generation, uint16_t sequence, uint32_t session,
                         const void *payload, size_t bytes)
{
    uint8_t header[ECGD_HEADER_BYTES], trailer[ECGD_CRC_BYTES];
    header[ECGD_HEADER_TYPE_AT] = type;
    header[ECGD_HEADER_GENERATION_AT] = generation;
    ecgd_put_u16(header + ECGD_HEADER_SEQUENCE_AT, sequence);
    ecgd_put_u32(header + ECGD_HEADER_SESSION_AT, session);
    uint32_t crc = ecgd_crc32(0, header, sizeof header);
    ecgd_put_u32(trailer, ecgd_crc32(crc, payload, bytes));

    stuffer_t to = {.wire = wire, .code_at = 0, .at = 1};
    stuff(&to, header, sizeof header);
    stuff(&to, payload, bytes);
    stuff(&to, trailer, sizeof trailer);
    wire[to.code_at] = (uint8_t)(to.at - to.code_at);
    wire[to.at++] = 0;
    return to.at;
}
