/* The model file as it was exported, aligned as TFLM wants it; defined in the generated ecgd_model_data.c. */
#ifndef ECGD_MODEL_DATA_H
#define ECGD_MODEL_DATA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

extern const uint8_t ecgd_model_data[];
extern const size_t ecgd_model_bytes;
extern const uint8_t ecgd_model_sha256[32];

#ifdef __cplusplus
}
#endif
#endif
