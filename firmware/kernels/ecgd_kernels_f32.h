/* Float32 kernels of the static engine: TFLM's reference arithmetic in TFLM's order of summation, so the same bits.
 *
 * Compile with -ffp-contract=off: a fused multiply-add rounds once where the reference rounds twice. On Cortex-M4F and
 * M7 VMLA.F32 is used, which rounds twice. Layout [time][channel]; see ecgd_kernels.h. No kernel here reads beyond
 * what it is asked for.
 */
#ifndef ECGD_KERNELS_F32_H
#define ECGD_KERNELS_F32_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ECGD_F32_CHANNELS 8u /* output channels that run side by side */
#define ECGD_F32_BLOCK 2u    /* positions computed at once where there is an FPU: best block sizes are multiples */

/* Weights: for each block of 8 output channels (the last one filled with zeros), for each element of the window, the
 * 8 channels' weights. Bias is filled to a multiple of 8 likewise. Other members as in ecgd_conv_t. */
typedef struct {
    const float *weights;
    const float *bias;
    uint16_t channels, segments, length, step, stride;
    float low, high; /* fused activation; -FLT_MAX, FLT_MAX for none */
} ecgd_conv_f32_t;

void ecgd_conv_f32(const ecgd_conv_f32_t *conv, const float *window, uint32_t positions, float *out);

/* Weights [taps][channels], bias [channels]. */
typedef struct {
    const float *weights;
    const float *bias;
    uint16_t channels, taps, step, stride;
    float low, high;
} ecgd_depthwise_f32_t;

void ecgd_depthwise_f32(const ecgd_depthwise_f32_t *conv, const float *window, uint32_t positions, float *out);

typedef struct {
    uint16_t channels, taps, stride;
    float low, high;
} ecgd_pool_f32_t;

void ecgd_max_pool_f32(const ecgd_pool_f32_t *pool, const float *window, uint32_t positions, float *out);
void ecgd_average_pool_f32(const ecgd_pool_f32_t *pool, const float *window, uint32_t positions, float *out);

/* out = clamp(a op b); `step_b` is 1, or 0 where b is one element. In place allowed. */
typedef struct {
    float low, high;
} ecgd_elementwise_f32_t;

void ecgd_add_f32(const ecgd_elementwise_f32_t *op, const float *a, const float *b, uint32_t step_b, uint32_t count,
                  float *out);
void ecgd_sub_f32(const ecgd_elementwise_f32_t *op, const float *a, const float *b, uint32_t step_b, uint32_t count,
                  float *out);
void ecgd_mul_f32(const ecgd_elementwise_f32_t *op, const float *a, const float *b, uint32_t step_b, uint32_t count,
                  float *out);

/* RELU and its kin as an operator of their own. */
void ecgd_clamp_f32(const float *in, uint32_t count, float low, float high, float *out);
void ecgd_leaky_relu_f32(const float *in, uint32_t count, float alpha, float *out);

/* MEAN and SUM over time: a running sum from zeros, then for MEAN the division by the number of positions. */
void ecgd_accumulate_f32(float *sums, const float *in, uint32_t channels, uint32_t positions);
void ecgd_divide_f32(const float *sums, uint32_t count, float by, float *out);

/* exp as glibc's expf computes it (double arithmetic inside): the reference ran on that library. */
float ecgd_exp_f32(float x);
void ecgd_softmax_f32(float beta, const float *in, uint32_t rows, uint32_t depth, float *out);
void ecgd_logistic_f32(const float *in, uint32_t count, float *out);

#ifdef __cplusplus
}
#endif
#endif
