/* Kernels for 16-bit activations (int16x8): convolutions and dense layers with 64-bit sums and TFLite's single rounding,
 * and the functions that int8 looks up in a table of 256. Data, structs and readable slack as in ecgd_kernels.h; an
 * int16 value has no zero point, so that its elements are the file's own.
 *
 * TFLite rounds such a sum once: (sum * m + 2^(t-1)) >> t, with a multiplier m of 15 bits. Where the weights prove that
 * |sum| < 2^31 (host/ecgdeploy/codegen/packing_wide.py), the sums are of 32 bits, and the shift is put into the
 * multiplier: the result is the rounded upper half of sum * M, one SMMULR. Other layers are of the "long" kind.
 */
#ifndef ECGD_WIDE_H
#define ECGD_WIDE_H

#include <stdint.h>

#include "ecgd_general.h"
#include "ecgd_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- convolution, dense layers, depthwise convolution -------------------------------------------------------------- */

/* Weights are of the form ECGD_WEIGHTS_BYTES. Results are sum * scale.multiplier / 2^(32 + right), rounded; `right` may
 * be NULL, which stands for zeros. Any shape, one position at a time. */
ecgd_conv_kernel_t ecgd_conv_wide;
ecgd_depthwise_kernel_t ecgd_depthwise_wide;

/* Sums of 64 bits, with biases of their own; results are sum * scale.multiplier / 2^right, rounded. */
typedef struct {
    ecgd_conv_t layer;
    const int64_t *bias; /* [channels] */
} ecgd_conv_long_t;

void ecgd_conv_long(const ecgd_conv_long_t *conv, const int16_t *window, uint32_t positions, int16_t *out);

/* Instances of the DSP kernels (ecgd_kernels_dsp.h) with another ending; `right` is NULL for them. finish 6: results in
 * 0..32767 (ReLU), 7: all of int16, 8: clamp to low..high. */
#if !defined(__ARM_FEATURE_DSP) || !defined(__thumb2__) || defined(ECGD_FORCE_PORTABLE)
#define ECGD_CONV_WIDE_KERNEL(name, stride, unroll, once, finish, aligned, segmented)                                  \
    static void name(const ecgd_conv_t *conv, const int16_t *window, uint32_t positions, void *out)                    \
    {                                                                                                                  \
        ecgd_conv_wide(conv, window, positions, out);                                                                  \
    }
#define ECGD_DEPTHWISE_WIDE_KERNEL(name, stride, step, taps, finish)                                                   \
    static void name(const ecgd_depthwise_t *conv, const void *window, uint32_t positions, int16_t *out)               \
    {                                                                                                                  \
        ecgd_depthwise_wide(conv, window, positions, out);                                                             \
    }
#else
#define ECGD_CONV_WIDE_KERNEL(name, stride, unroll, once, finish, aligned, segmented)                                  \
    ECGD_CONV_KERNEL(name, stride, unroll, once, finish, 1, aligned, segmented)
#define ECGD_DEPTHWISE_WIDE_KERNEL ECGD_DEPTHWISE_KERNEL
#endif

/* --- functions ----------------------------------------------------------------------------------------------------- */

/* Requantization with a multiplier for each sign: QUANTIZE, RELU, RELU6, LEAKY_RELU; [0]: x >= 0, [1]: x < 0. */
typedef struct {
    int32_t multiplier[2];
    int8_t right[2];
    int16_t low, high;
} ecgd_rescale_t;

void ecgd_rescale(const ecgd_rescale_t *op, const int16_t *in, uint32_t count, int16_t *out);

#define ECGD_SIGMOID_TABLE 256u /* sigmoid(i / 24) in Q0.16 */

/* Inputs are brought to 1 / (3 * 4096): x * multiplier / 2^shift. Results are Q0.15. */
typedef struct {
    const uint16_t *table; /* [ECGD_SIGMOID_TABLE] */
    int32_t multiplier;
    uint8_t shift;
} ecgd_sigmoid_t;

void ecgd_logistic_wide(const ecgd_sigmoid_t *op, const int16_t *in, uint32_t count, int16_t *out);
void ecgd_tanh_wide(const ecgd_sigmoid_t *op, const int16_t *in, uint32_t count, int16_t *out);

#define ECGD_WIDE_TABLE 513u /* values at every 128th argument, and one past the end */

typedef struct {
    const int16_t *exponential; /* exp on -10..0 */
    const int16_t *reciprocal;  /* 1 / (1 + x) on 0..1 */
    int32_t multiplier;
    int8_t right;
} ecgd_softmax_wide_t;

void ecgd_softmax_wide(const ecgd_softmax_wide_t *op, const int16_t *in, uint32_t rows, uint32_t depth, int16_t *out);

/* 1 / sqrt(x), and the largest value where x <= 0 (TFLM refuses negative ones). */
typedef struct {
    int32_t multiplier;
    int32_t right;
} ecgd_rsqrt_t;

void ecgd_rsqrt_wide(const ecgd_rsqrt_t *op, const int16_t *in, uint32_t count, int16_t *out);

/* --- product of two activations ------------------------------------------------------------------------------------ */

/* As ecgd_matmul, with sums of 64 bits: `multiplier` has 15 bits, and `right` is 8 at least. */
void ecgd_matmul_wide(const ecgd_matmul_t *op, const int16_t *a, const int16_t *b, int16_t *out);

/* --- borders ------------------------------------------------------------------------------------------------------- */

void ecgd_quantize_wide_f32(const float *in, uint32_t count, float scale, int16_t *out);

#ifdef __cplusplus
}
#endif
#endif
