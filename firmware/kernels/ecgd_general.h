/* Operators of the static engine that seldom run and never weigh: moves, reductions, matrix products of two
 * activations, the borders between float and int8. Portable C; data as in ecgd_kernels.h. */
#ifndef ECGD_GENERAL_H
#define ECGD_GENERAL_H

#include <stdint.h>

#include "ecgd_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ECGD_MOVE_RANK 5u

/* Copy of a box of elements: out runs in order over `extent`, in by `step` elements a dimension (may be negative). */
typedef struct {
    uint32_t extent[ECGD_MOVE_RANK];
    int32_t step[ECGD_MOVE_RANK];
} ecgd_move_t;

void ecgd_move16(const ecgd_move_t *move, const int16_t *in, int16_t *out);
void ecgd_move32(const ecgd_move_t *move, const float *in, float *out);

/* (a - b)^2 with the rescaling of TFLite; `out` may be an input. */
void ecgd_squared_difference(const ecgd_elementwise_t *op, const int16_t *a, const int16_t *b, uint32_t count,
                             int16_t *out);
void ecgd_squared_difference_scalar(const ecgd_elementwise_t *op, const int16_t *a, int16_t b, uint32_t count,
                                    int16_t *out);

/* Each row's sum, requantized: MEAN and SUM over the channels. */
void ecgd_sum_rows(const int16_t *in, uint32_t rows, uint32_t depth, int32_t multiplier, int32_t right, int16_t low,
                   int16_t high, int16_t *out);

/* out[m][n] = sum over k of a[m][k] * b[k][n], requantized; steps in elements choose the operands' order. */
typedef struct {
    uint16_t rows, columns, depth;
    uint16_t row_a, depth_a, depth_b, column_b; /* steps */
    int32_t multiplier, right;
    int16_t low, high;
} ecgd_matmul_t;

void ecgd_matmul(const ecgd_matmul_t *op, const int16_t *a, const int16_t *b, int16_t *out);

/* ecgd_softmax of many rows: exp of every distance below a row's largest is looked up; beyond the table it is 0. */
void ecgd_softmax_table(const int32_t *exponential, int32_t entries, const int16_t *in, uint32_t rows, uint32_t depth,
                        int16_t *out);

/* Float to zero-point-free int8 and back. */
void ecgd_quantize_f32(const float *in, uint32_t count, float scale, int16_t zero, int16_t *out);
void ecgd_dequantize_f32(const int16_t *in, uint32_t count, float scale, float *out);

#ifdef __cplusplus
}
#endif
#endif
