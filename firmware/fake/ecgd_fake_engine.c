/* An engine without a model, for tests of everything around it: the output depends on every input byte and on their
 * order, so that a wrong byte anywhere is seen. The sizes may be set by the build. */
#include <string.h>

#include "ecgd_engine.h"

#ifndef ECGD_FAKE_INPUT_BYTES
#define ECGD_FAKE_INPUT_BYTES 256u
#endif
#ifndef ECGD_FAKE_OUTPUT_BYTES
#define ECGD_FAKE_OUTPUT_BYTES 3u
#endif
/* Turns of busy work a byte, to make an inference as long as a test needs. */
#ifndef ECGD_FAKE_WORK
#define ECGD_FAKE_WORK 0u
#endif
#define FNV_OFFSET 2166136261u
#define FNV_PRIME 16777619u

static uint32_t fed, hash;
static uint8_t output[ECGD_FAKE_OUTPUT_BYTES];

static const ecgd_engine_info_t info = {
    .name = "fake", .model_sha256 = {0xfa, 0x4e}, .inputs = 1, .outputs = 1, .arena_bytes = sizeof output};
static const ecgd_tensor_info_t input_info = {ECGD_INT8, ECGD_FAKE_INPUT_BYTES, 0.5f, -1};
static const ecgd_tensor_info_t output_info = {ECGD_INT8, ECGD_FAKE_OUTPUT_BYTES, 0.25f, 3};

const ecgd_engine_info_t *ecgd_engine_info(void)
{
    return &info;
}

const ecgd_tensor_info_t *ecgd_engine_input_info(unsigned index)
{
    return index == 0 ? &input_info : NULL;
}

const ecgd_tensor_info_t *ecgd_engine_output_info(unsigned index)
{
    return index == 0 ? &output_info : NULL;
}

ecgd_engine_status_t ecgd_engine_init(void)
{
    return ECGD_ENGINE_OK;
}

ecgd_engine_status_t ecgd_engine_begin(void)
{
    fed = 0;
    hash = FNV_OFFSET;
    return ECGD_ENGINE_OK;
}

ecgd_engine_status_t ecgd_engine_feed(const void *data, size_t bytes)
{
    const uint8_t *at = data;
    if (bytes > ECGD_FAKE_INPUT_BYTES - fed) {
        return ECGD_ENGINE_INPUT_OVERRUN;
    }
    for (size_t i = 0; i < bytes; ++i) {
        hash = (hash ^ at[i]) * FNV_PRIME;
        for (volatile unsigned turn = ECGD_FAKE_WORK; turn > 0; --turn) {
        }
    }
    fed += (uint32_t)bytes;
    return ECGD_ENGINE_OK;
}

ecgd_engine_status_t ecgd_engine_finish(void)
{
    if (fed != ECGD_FAKE_INPUT_BYTES) {
        return ECGD_ENGINE_INPUT_SHORT;
    }
    uint32_t state = hash;
    for (size_t i = 0; i < sizeof output; ++i) {
        output[i] = (uint8_t)(state >> 24);
        state = (state ^ (uint32_t)i) * FNV_PRIME;
    }
    return ECGD_ENGINE_OK;
}

const void *ecgd_engine_output(unsigned index)
{
    return index == 0 ? output : NULL;
}
