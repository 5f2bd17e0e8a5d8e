/* The application; see ecgd_app.h. The rules of the session are those of docs/protocol.md. */
#include "ecgd_app.h"

#include <string.h>

#include "ecgd_engine.h"
#include "ecgd_link.h"
#include "ecgd_port.h"
#include "ecgd_stack.h"

#define RECEIVE_BYTES (ECGD_FRAME_BYTES + ECGD_DATA_BYTES + ECGD_FRAME_OVERHEAD)
#define READ_BYTES 256u
#define RESULT_BYTES (ECGD_RESULT_BYTES + ECGD_INLINE_OUTPUT_BYTES)
#define TENSORS_MAX 16u
#define WELCOME_BYTES (ECGD_WELCOME_BYTES + TENSORS_MAX * ECGD_TENSOR_BYTES)
#define ANSWER_BYTES (RESULT_BYTES > WELCOME_BYTES ? RESULT_BYTES : WELCOME_BYTES)
#define EMPTY_REGIONS 3u

/* A reply that a duplicate of its command gets again. */
typedef struct {
    uint16_t sequence;
    uint16_t bytes; /* 0: free */
    uint8_t type;
    uint8_t payload[RESULT_BYTES];
} reply_t;

typedef struct {
    bool open;
    uint32_t id;
    uint16_t expected;      /* sequence of the next command */
    bool refused;           /* a NAK is out for `expected` and ... */
    uint8_t refused_at;     /* ... this generation */
    uint8_t generation;     /* of the frame being answered */
} session_t;

typedef struct {
    bool active;
    uint32_t id, consumed, input_crc;
    uint64_t ticks;
    ecgd_engine_status_t status;
} inference_t;

typedef struct {
    uint32_t frames, bad_frames, duplicates, gaps, foreign, inferences;
} counters_t;

static uint8_t receive_buffer[RECEIVE_BYTES];
static uint8_t wire[ECGD_WIRE_BYTES(ANSWER_BYTES)];
static uint8_t keepalive_wire[ECGD_WIRE_BYTES(0u)];
static volatile size_t keepalive_bytes; /* 0: no session to keep alive */
static volatile uint64_t keepalive_ticks;
static ecgd_parser_t parser;
static session_t session;
static inference_t inference;
static counters_t counters;
static reply_t replies[ECGD_REPLIES];
static unsigned next_reply;
static ecgd_engine_status_t engine_status;
static uint32_t input_bytes, output_bytes;
static uint64_t empty_region;

/* Amount in the clock's unit since `start`. Rounded for each region by itself: where a tick is finer than the unit
 * (an emulated instruction is 3.2 ticks), that is exact wherever the region happens to begin. */
static uint64_t region(uint64_t start, uint64_t without)
{
    const ecgd_clock_t *clock = &ecgd_port_info()->clock;
    const uint64_t ticks = ecgd_port_ticks() - start - without;
    if (clock->denominator == 0 || ticks > UINT64_MAX / 2u) {
        return ticks;
    }
    return (ticks * clock->numerator + clock->denominator / 2u) / clock->denominator;
}

/* What begin-and-end of a measured region reads with nothing in between. */
static uint64_t measure_empty_region(void)
{
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < EMPTY_REGIONS; ++i) {
        uint64_t ticks = region(ecgd_port_ticks(), 0);
        least = ticks < least ? ticks : least;
    }
    return least;
}

static void send(uint8_t type, uint16_t sequence, const void *payload, size_t bytes)
{
    size_t count = ecgd_frame_encode(wire, type, session.generation, sequence, session.id, payload, bytes);
    ecgd_port_write(wire, count);
}

static uint16_t last_done(void)
{
    return (uint16_t)(session.expected - 1u);
}

static void send_nak(void)
{
    if (!session.open || (session.refused && session.refused_at == session.generation)) {
        return;
    }
    session.refused = true;
    session.refused_at = session.generation;
    send(ECGD_NAK, session.expected, NULL, 0);
}

/* Kept, because the outputs it carries may be overwritten before the host has them. */
static void send_kept(uint8_t type, const uint8_t *payload, size_t bytes)
{
    reply_t *reply = &replies[next_reply];
    next_reply = (next_reply + 1u) % ECGD_REPLIES;
    reply->sequence = last_done();
    reply->type = type;
    reply->bytes = (uint16_t)bytes;
    memcpy(reply->payload, payload, bytes);
    send(type, reply->sequence, reply->payload, bytes);
}

static void send_error_to(uint16_t sequence, uint16_t code, uint32_t detail)
{
    uint8_t payload[ECGD_ERROR_BYTES];
    ecgd_put_u16(payload + ECGD_ERROR_CODE_AT, code);
    ecgd_put_u32(payload + ECGD_ERROR_DETAIL_AT, detail);
    send(ECGD_ERROR, sequence, payload, sizeof payload);
}

static void send_error(uint16_t code, uint32_t detail)
{
    uint8_t payload[ECGD_ERROR_BYTES];
    ecgd_put_u16(payload + ECGD_ERROR_CODE_AT, code);
    ecgd_put_u32(payload + ECGD_ERROR_DETAIL_AT, detail);
    send_kept(ECGD_ERROR, payload, sizeof payload);
}

static void put_text(uint8_t *at, const char *text, size_t room)
{
    size_t bytes = strlen(text);
    memcpy(at, text, bytes < room ? bytes : room);
}

static uint8_t *put_tensor(uint8_t *at, const ecgd_tensor_info_t *tensor)
{
    uint32_t scale;
    memcpy(&scale, &tensor->scale, sizeof scale);
    at[ECGD_TENSOR_DTYPE_AT] = (uint8_t)tensor->dtype;
    ecgd_put_u32(at + ECGD_TENSOR_BYTES_AT, tensor->bytes);
    ecgd_put_u32(at + ECGD_TENSOR_SCALE_AT, scale);
    ecgd_put_u32(at + ECGD_TENSOR_ZERO_POINT_AT, (uint32_t)tensor->zero_point);
    return at + ECGD_TENSOR_BYTES;
}

static uint16_t session_flags(void)
{
    const ecgd_port_info_t *port = ecgd_port_info();
    unsigned flags = 0;
    if (!port->clock.running) {
        flags |= ECGD_FLAG_COUNTER_DISABLED;
    }
    if (port->reset_cause == ECGD_RESET_WATCHDOG || port->reset_cause == ECGD_RESET_FAULT) {
        flags |= ECGD_FLAG_WATCHDOG_RESET;
    }
    return (uint16_t)flags;
}

static void send_welcome(void)
{
    const ecgd_engine_info_t *engine = ecgd_engine_info();
    const ecgd_port_info_t *port = ecgd_port_info();
    uint8_t payload[WELCOME_BYTES];
    memset(payload, 0, sizeof payload);
    ecgd_put_u16(payload + ECGD_WELCOME_VERSION_AT, ECGD_PROTOCOL_VERSION);
    ecgd_put_u16(payload + ECGD_WELCOME_FLAGS_AT, session_flags());
    put_text(payload + ECGD_WELCOME_BUILD_ID_AT, ECGD_BUILD_ID, ECGD_WELCOME_BUILD_ID_BYTES);
    memcpy(payload + ECGD_WELCOME_MODEL_SHA256_AT, engine->model_sha256, ECGD_WELCOME_MODEL_SHA256_BYTES);
    put_text(payload + ECGD_WELCOME_ENGINE_AT, engine->name, ECGD_WELCOME_ENGINE_BYTES);
    put_text(payload + ECGD_WELCOME_BOARD_AT, port->board, ECGD_WELCOME_BOARD_BYTES);
    payload[ECGD_WELCOME_ENGINE_STATUS_AT] = (uint8_t)engine_status;
    payload[ECGD_WELCOME_RESET_CAUSE_AT] = port->reset_cause;
    ecgd_put_u32(payload + ECGD_WELCOME_FRAME_BYTES_AT, ECGD_FRAME_BYTES);
    ecgd_put_u32(payload + ECGD_WELCOME_WINDOW_BYTES_AT, port->window_bytes);
    payload[ECGD_WELCOME_REPLIES_AT] = ECGD_REPLIES;
    ecgd_put_u16(payload + ECGD_WELCOME_INLINE_OUTPUT_BYTES_AT, ECGD_INLINE_OUTPUT_BYTES);
    ecgd_put_u32(payload + ECGD_WELCOME_REPLY_MS_AT, port->reply_ms);
    ecgd_put_u32(payload + ECGD_WELCOME_KEEPALIVE_MS_AT, port->keepalive_ms);
    payload[ECGD_WELCOME_TICK_UNIT_AT] = port->clock.unit;
    ecgd_put_u32(payload + ECGD_WELCOME_TICK_NUMERATOR_AT, port->clock.numerator);
    ecgd_put_u32(payload + ECGD_WELCOME_TICK_DENOMINATOR_AT, port->clock.denominator);
    ecgd_put_u32(payload + ECGD_WELCOME_STATIC_RAM_AT, port->static_ram);
    ecgd_put_u32(payload + ECGD_WELCOME_ARENA_BYTES_AT, engine->arena_bytes);
    ecgd_put_u32(payload + ECGD_WELCOME_STACK_BYTES_AT, ecgd_stack_bytes());
    payload[ECGD_WELCOME_INPUTS_AT] = engine->inputs;
    payload[ECGD_WELCOME_OUTPUTS_AT] = engine->outputs;
    uint8_t *at = payload + ECGD_WELCOME_BYTES;
    const uint8_t *end = payload + WELCOME_BYTES;
    for (unsigned i = 0; i < engine->inputs && at < end; ++i) {
        at = put_tensor(at, ecgd_engine_input_info(i));
    }
    for (unsigned i = 0; i < engine->outputs && at < end; ++i) {
        at = put_tensor(at, ecgd_engine_output_info(i));
    }
    send(ECGD_WELCOME, 0, payload, (size_t)(at - payload));
}

static void on_hello(const ecgd_frame_t *frame)
{
    if (!session.open || session.id != frame->session) {
        memset(&session, 0, sizeof session);
        memset(replies, 0, sizeof replies);
        inference.active = false;
        session.open = true;
        session.id = frame->session;
        session.generation = frame->generation;
        session.expected = 1;
        keepalive_bytes = ecgd_frame_encode(keepalive_wire, ECGD_KEEPALIVE, 0, 0, session.id, NULL, 0);
    }
    if (frame->bytes < ECGD_HELLO_BYTES || ecgd_get_u16(frame->payload) != ECGD_PROTOCOL_VERSION) {
        send_error_to(0, ECGD_ERROR_VERSION, ECGD_PROTOCOL_VERSION);
        session.open = false;
        return;
    }
    send_welcome();
}

/* Outputs laid end to end: bytes [offset, offset + room) into `to`; returns how many. */
static size_t copy_outputs(uint8_t *to, uint32_t offset, size_t room)
{
    const unsigned outputs = ecgd_engine_info()->outputs;
    size_t copied = 0;
    uint32_t start = 0;
    for (unsigned i = 0; i < outputs; ++i) {
        const uint32_t bytes = ecgd_engine_output_info(i)->bytes;
        if (offset < start + bytes && copied < room) {
            const uint32_t from = offset - start;
            const size_t count = bytes - from < room - copied ? bytes - from : room - copied;
            memcpy(to + copied, (const uint8_t *)ecgd_engine_output(i) + from, count);
            copied += count;
            offset += (uint32_t)count;
        }
        start += bytes;
    }
    return copied;
}

static uint32_t outputs_crc(void)
{
    uint32_t crc = 0;
    for (unsigned i = 0; i < ecgd_engine_info()->outputs; ++i) {
        crc = ecgd_crc32(crc, ecgd_engine_output(i), ecgd_engine_output_info(i)->bytes);
    }
    return crc;
}

static void send_result(void)
{
    uint8_t payload[RESULT_BYTES];
    const bool done = inference.status == ECGD_ENGINE_OK;
    const bool fits = done && output_bytes <= ECGD_INLINE_OUTPUT_BYTES;
    const uint32_t used = ecgd_stack_used();
    unsigned flags = session_flags();
    if (inference.ticks == 0) {
        flags |= ECGD_FLAG_CLOCK_FROZEN;
    }
    if (inference.ticks > UINT64_MAX / 2u) { /* the clock went back */
        flags |= ECGD_FLAG_CLOCK_WRAPPED;
    }
    if (used + ECGD_STACK_MARGIN_BYTES > ecgd_stack_bytes() && ecgd_stack_bytes() > 0) {
        flags |= ECGD_FLAG_STACK_MARGIN;
    }
    ecgd_put_u32(payload + ECGD_RESULT_ID_AT, inference.id);
    payload[ECGD_RESULT_STATUS_AT] = (uint8_t)inference.status;
    payload[ECGD_RESULT_OUTPUTS_INLINE_AT] = fits ? 1 : 0;
    ecgd_put_u16(payload + ECGD_RESULT_FLAGS_AT, (uint16_t)flags);
    ecgd_put_u32(payload + ECGD_RESULT_INPUT_CRC_AT, inference.input_crc);
    ecgd_put_u32(payload + ECGD_RESULT_OUTPUT_CRC_AT, done ? outputs_crc() : 0);
    ecgd_put_u64(payload + ECGD_RESULT_TICKS_AT, inference.ticks);
    ecgd_put_u32(payload + ECGD_RESULT_STACK_USED_AT, used);
    ecgd_put_u32(payload + ECGD_RESULT_OUTPUT_BYTES_AT, done ? output_bytes : 0);
    size_t bytes = ECGD_RESULT_BYTES;
    if (fits) {
        bytes += copy_outputs(payload + bytes, 0, output_bytes);
    }
    counters.inferences++;
    send_kept(ECGD_RESULT, payload, bytes);
}

/* One measured region; the keep-alive's own time is taken out again. */
#define MEASURED(call)                                                                         \
    do {                                                                                       \
        keepalive_ticks = 0;                                                                   \
        const uint64_t start = ecgd_port_ticks();                                              \
        const ecgd_engine_status_t result = (call);                                            \
        const uint64_t ticks = region(start, keepalive_ticks);                                 \
        inference.ticks += ticks > empty_region ? ticks - empty_region : 0;                    \
        if (inference.status == ECGD_ENGINE_OK) {                                              \
            inference.status = result;                                                         \
        }                                                                                      \
    } while (0)

static void compute(const uint8_t *data, size_t bytes)
{
    ecgd_port_busy(true);
    if (inference.consumed == 0) {
        MEASURED(ecgd_engine_begin());
    }
    inference.input_crc = ecgd_crc32(inference.input_crc, data, bytes);
    inference.consumed += (uint32_t)bytes;
    MEASURED(ecgd_engine_feed(data, bytes));
    if (inference.consumed == input_bytes) {
        MEASURED(ecgd_engine_finish());
    }
    ecgd_port_busy(false);
}

static void on_data(const ecgd_frame_t *frame)
{
    if (frame->bytes <= ECGD_DATA_BYTES) {
        send_error(ECGD_ERROR_BAD_LENGTH, (uint32_t)frame->bytes);
        return;
    }
    const uint32_t id = ecgd_get_u32(frame->payload + ECGD_DATA_ID_AT);
    const uint32_t offset = ecgd_get_u32(frame->payload + ECGD_DATA_OFFSET_AT);
    const size_t bytes = frame->bytes - ECGD_DATA_BYTES;
    if (engine_status != ECGD_ENGINE_OK) {
        send_error(ECGD_ERROR_ENGINE_DEAD, (uint32_t)engine_status);
        return;
    }
    if (offset == 0) {
        memset(&inference, 0, sizeof inference);
        inference.active = true;
        inference.id = id;
    }
    if (!inference.active || inference.id != id || offset != inference.consumed ||
        bytes > input_bytes - inference.consumed) {
        send_error(ECGD_ERROR_BAD_OFFSET, inference.consumed);
        return;
    }
    compute(frame->payload + ECGD_DATA_BYTES, bytes);
    if (inference.consumed == input_bytes) {
        inference.active = false;
        send_result();
    } else {
        send(ECGD_ACK, last_done(), NULL, 0);
    }
}

static void on_read_output(const ecgd_frame_t *frame)
{
    uint8_t payload[ECGD_OUTPUT_BYTES + ECGD_INLINE_OUTPUT_BYTES];
    if (frame->bytes != ECGD_READ_OUTPUT_BYTES) {
        send_error(ECGD_ERROR_BAD_LENGTH, (uint32_t)frame->bytes);
        return;
    }
    const uint32_t offset = ecgd_get_u32(frame->payload + ECGD_READ_OUTPUT_OFFSET_AT);
    if (inference.active || inference.consumed != input_bytes || inference.status != ECGD_ENGINE_OK ||
        ecgd_get_u32(frame->payload + ECGD_READ_OUTPUT_ID_AT) != inference.id) {
        send_error(ECGD_ERROR_BAD_ID, inference.id);
        return;
    }
    ecgd_put_u32(payload + ECGD_OUTPUT_OFFSET_AT, offset);
    const size_t count = copy_outputs(payload + ECGD_OUTPUT_BYTES, offset, ECGD_INLINE_OUTPUT_BYTES);
    send_kept(ECGD_OUTPUT, payload, ECGD_OUTPUT_BYTES + count);
}

static void on_counters(void)
{
    uint8_t payload[ECGD_COUNTED_BYTES];
    ecgd_put_u32(payload + ECGD_COUNTED_FRAMES_AT, counters.frames);
    ecgd_put_u32(payload + ECGD_COUNTED_BAD_FRAMES_AT, counters.bad_frames);
    ecgd_put_u32(payload + ECGD_COUNTED_DUPLICATES_AT, counters.duplicates);
    ecgd_put_u32(payload + ECGD_COUNTED_GAPS_AT, counters.gaps);
    ecgd_put_u32(payload + ECGD_COUNTED_FOREIGN_AT, counters.foreign);
    ecgd_put_u32(payload + ECGD_COUNTED_INFERENCES_AT, counters.inferences);
    send_kept(ECGD_COUNTED, payload, sizeof payload);
}

static void execute(const ecgd_frame_t *frame)
{
    session.expected++;
    session.refused = false;
    switch (frame->type) {
    case ECGD_DATA:
        on_data(frame);
        break;
    case ECGD_READ_OUTPUT:
        on_read_output(frame);
        break;
    case ECGD_COUNTERS:
        on_counters();
        break;
    case ECGD_PING:
        send(ECGD_ACK, last_done(), NULL, 0);
        break;
    case ECGD_RESET:
        send(ECGD_ACK, last_done(), NULL, 0);
        ecgd_port_reset();
        break;
    default:
        send_error(ECGD_ERROR_UNKNOWN_MESSAGE, frame->type);
        break;
    }
}

/* A command already carried out: its kept reply, or the plain acknowledgement it had. */
static void answer_again(uint16_t sequence)
{
    for (unsigned i = 0; i < ECGD_REPLIES; ++i) {
        if (replies[i].bytes > 0 && replies[i].sequence == sequence) {
            send(replies[i].type, sequence, replies[i].payload, replies[i].bytes);
            return;
        }
    }
    send(ECGD_ACK, sequence, NULL, 0);
}

static void on_frame(const ecgd_frame_t *frame)
{
    counters.frames++;
    if (frame->type == ECGD_HELLO) {
        on_hello(frame);
        return;
    }
    if (!session.open || frame->session != session.id) {
        const session_t mine = session;
        counters.foreign++;
        session.id = frame->session; /* so that the one who sent it knows that it is meant */
        session.generation = frame->generation;
        send_error_to(frame->sequence, ECGD_ERROR_NO_SESSION, mine.id);
        session = mine;
        return;
    }
    session.generation = frame->generation;
    const uint16_t ahead = (uint16_t)(frame->sequence - session.expected);
    if (ahead == 0) {
        execute(frame);
    } else if (ahead < 0x8000u) {
        counters.gaps++;
        send_nak();
    } else {
        counters.duplicates++;
        answer_again(frame->sequence);
    }
}

void ecgd_app_init(void)
{
    /* everything again, also where a restart does not clear the memory */
    keepalive_bytes = 0;
    memset(&session, 0, sizeof session);
    memset(&inference, 0, sizeof inference);
    memset(&counters, 0, sizeof counters);
    memset(replies, 0, sizeof replies);
    ecgd_stack_paint();
    ecgd_parser_init(&parser, receive_buffer, sizeof receive_buffer);
    empty_region = measure_empty_region();
    engine_status = ecgd_engine_init();
    const ecgd_engine_info_t *engine = ecgd_engine_info();
    input_bytes = 0;
    output_bytes = 0;
    for (unsigned i = 0; i < engine->inputs; ++i) {
        input_bytes += ecgd_engine_input_info(i)->bytes;
    }
    for (unsigned i = 0; i < engine->outputs; ++i) {
        output_bytes += ecgd_engine_output_info(i)->bytes;
    }
}

bool ecgd_app_ready(void)
{
    return engine_status == ECGD_ENGINE_OK;
}

void ecgd_app_poll(void)
{
    uint8_t chunk[READ_BYTES];
    ecgd_frame_t frame;
    const size_t count = ecgd_port_read(chunk, sizeof chunk);
    for (size_t i = 0; i < count && i < sizeof chunk; ++i) {
        const ecgd_parse_t verdict = ecgd_parser_push(&parser, chunk[i], &frame);
        if (verdict == ECGD_PARSE_FRAME) {
            on_frame(&frame);
        } else if (verdict == ECGD_PARSE_BAD) {
            counters.bad_frames++;
            send_nak();
        }
    }
}

void ecgd_app_keepalive(void)
{
    const uint64_t start = ecgd_port_ticks();
    if (keepalive_bytes > 0) {
        ecgd_port_write(keepalive_wire, keepalive_bytes);
    }
    keepalive_ticks = keepalive_ticks + (ecgd_port_ticks() - start);
}
