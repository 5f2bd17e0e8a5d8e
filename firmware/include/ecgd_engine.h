/* The contract between an inference engine and everything above it (link, timing, memory watch, application loop).
 *
 * Implemented by the generated static engine, by the TFLM wrapper and by the LiteRT runner, so that engines are
 * compared on equal terms. Input is fed in order, in pieces of any size: a streaming engine computes while it
 * arrives, any other engine copies it into place. No function allocates. One inference is
 *     ecgd_engine_begin(); ecgd_engine_feed(...) until all input bytes are in; ecgd_engine_finish(); read outputs.
 */
#ifndef ECGD_ENGINE_H
#define ECGD_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    ECGD_ENGINE_OK = 0,
    ECGD_ENGINE_INIT_FAILED = 1,   /* e.g. tensor allocation failed; detail says where */
    ECGD_ENGINE_INVOKE_FAILED = 2, /* an operator failed; detail is its index */
    ECGD_ENGINE_INPUT_OVERRUN = 3, /* more bytes fed than the model takes */
    ECGD_ENGINE_INPUT_SHORT = 4    /* finish before all input bytes were fed */
} ecgd_engine_status_t;

typedef enum { ECGD_INT8 = 0, ECGD_INT16 = 1, ECGD_FLOAT32 = 2, ECGD_UINT8 = 3, ECGD_INT32 = 4 } ecgd_dtype_t;

typedef struct {
    ecgd_dtype_t dtype;
    uint32_t bytes;     /* size of the whole tensor */
    float scale;        /* 0 for float tensors */
    int32_t zero_point;
} ecgd_tensor_info_t;

typedef struct {
    const char *name;          /* "static", "tflm", "litert" */
    uint8_t model_sha256[32];  /* of the .tflite file the engine was made from */
    uint8_t inputs, outputs;
    uint32_t arena_bytes;      /* memory the engine keeps for itself */
} ecgd_engine_info_t;

const ecgd_engine_info_t *ecgd_engine_info(void);
const ecgd_tensor_info_t *ecgd_engine_input_info(unsigned index);  /* NULL when out of range */
const ecgd_tensor_info_t *ecgd_engine_output_info(unsigned index); /* NULL when out of range */

/* Once after start. Never hangs: a failure is a status, reported over the link. */
ecgd_engine_status_t ecgd_engine_init(void);
/* Start one inference: clears all state of the previous one. */
ecgd_engine_status_t ecgd_engine_begin(void);
/* Next `bytes` bytes of the model's inputs, concatenated in order of input index. */
ecgd_engine_status_t ecgd_engine_feed(const void *data, size_t bytes);
/* Complete the inference. */
ecgd_engine_status_t ecgd_engine_finish(void);
/* Output tensor; valid from finish until the next begin. */
const void *ecgd_engine_output(unsigned index);

#ifdef __cplusplus
}
#endif
#endif
