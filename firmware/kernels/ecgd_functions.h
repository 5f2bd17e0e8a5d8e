/* Functions that seldom weigh: of one float, of two operands, choice and order of elements. Portable C; data as in
 * ecgd_kernels.h. */
#ifndef ECGD_FUNCTIONS_H
#define ECGD_FUNCTIONS_H

#include <stdint.h>

#include "ecgd_kernels.h"
#include "ecgd_kernels_f32.h"

#ifdef __cplusplus
extern "C" {
#endif

/* x where it is not negative, else x times the slope of its place; each side has its rescaling. `step` is 1, or 0 where
 * one slope serves all. */
typedef struct {
    int32_t multiplier[2]; /* of positive inputs, of negative inputs times their slope */
    int8_t right[2];
    int16_t low, high;
} ecgd_prelu_t;

void ecgd_prelu(const ecgd_prelu_t *op, const int16_t *in, const int16_t *slope, uint32_t step, uint32_t count,
                int16_t *out);
void ecgd_prelu_f32(const float *in, const float *slope, uint32_t step, uint32_t count, float *out);

/* Larger and smaller of two operands that share their quantization; `op` holds nothing that matters. */
void ecgd_maximum(const ecgd_elementwise_t *op, const int16_t *a, const int16_t *b, uint32_t count, int16_t *out);
void ecgd_minimum(const ecgd_elementwise_t *op, const int16_t *a, const int16_t *b, uint32_t count, int16_t *out);
void ecgd_maximum_scalar(const ecgd_elementwise_t *op, const int16_t *a, int16_t b, uint32_t count, int16_t *out);
void ecgd_minimum_scalar(const ecgd_elementwise_t *op, const int16_t *a, int16_t b, uint32_t count, int16_t *out);

/* For each of `rows` rows of `width` pieces of `bytes` bytes: the pieces that `index` names, in its order. */
void ecgd_pick(const void *in, uint32_t rows, uint32_t width, uint32_t bytes, const uint16_t *index, uint32_t picked,
               void *out);

/* Bytes of an unsigned input or output; `zero` is its zero point. */
void ecgd_load_uint8(const int8_t *in, uint32_t count, int16_t zero, int16_t *out);
void ecgd_store_uint8(const int16_t *in, uint32_t count, int16_t zero, int8_t *out);

/* out = clamp(a op b) as ecgd_add_f32. */
void ecgd_div_f32(const ecgd_elementwise_f32_t *op, const float *a, const float *b, uint32_t step_b, uint32_t count,
                  float *out);
void ecgd_maximum_f32(const ecgd_elementwise_f32_t *op, const float *a, const float *b, uint32_t step_b,
                      uint32_t count, float *out);
void ecgd_minimum_f32(const ecgd_elementwise_f32_t *op, const float *a, const float *b, uint32_t step_b,
                      uint32_t count, float *out);
void ecgd_squared_difference_f32(const ecgd_elementwise_f32_t *op, const float *a, const float *b, uint32_t step_b,
                                 uint32_t count, float *out);

void ecgd_neg_f32(const float *in, uint32_t count, float *out);
void ecgd_abs_f32(const float *in, uint32_t count, float *out);
void ecgd_square_f32(const float *in, uint32_t count, float *out);
void ecgd_sqrt_f32(const float *in, uint32_t count, float *out);
void ecgd_rsqrt_f32(const float *in, uint32_t count, float *out);
void ecgd_exp_all_f32(const float *in, uint32_t count, float *out);
void ecgd_tanh_f32(const float *in, uint32_t count, float *out);
void ecgd_elu_f32(const float *in, uint32_t count, float *out);
void ecgd_hard_swish_f32(const float *in, uint32_t count, float *out);

/* Each row's sum, divided where `by` is not 0. */
void ecgd_sum_rows_f32(const float *in, uint32_t rows, uint32_t depth, float by, float *out);

/* out[m][n] = sum over k of a[m][k] * b[k][n], as ecgd_matmul. */
typedef struct {
    uint16_t rows, columns, depth;
    uint16_t row_a, depth_a, depth_b, column_b; /* steps */
} ecgd_matmul_f32_t;

void ecgd_matmul_f32(const ecgd_matmul_f32_t *op, const float *a, const float *b, float *out);

#ifdef __cplusplus
}
#endif
#endif
