/* The last steps from millivolts to a model's int8 input, the same on host and device to the bit.
 *
 * Host twin: ecgdeploy.ecg.preprocessing.device. Every operation is one IEEE 754 single-precision
 * operation in a fixed order and no product is added to anything, so no compiler may fuse two of them.
 */
#ifndef ECGD_PREPROCESS_H
#define ECGD_PREPROCESS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const float *mean;   /* mV, one a lead */
    const float *scale;  /* mV, one a lead, positive */
    size_t leads;
    int centre;          /* nonzero: subtract each lead's own mean over the window first */
    float input_scale;   /* quantization of the model's input tensor */
    int32_t zero_point;
} ecgd_preprocess_config;

/* Standardize and quantize `samples` x `leads` values, interleaved as [sample][lead]. A NaN (no value) becomes the
 * zero point. `output` has room for samples * leads bytes. */
void ecgd_preprocess(const ecgd_preprocess_config *config, const float *millivolts, size_t samples, int8_t *output);

#endif
