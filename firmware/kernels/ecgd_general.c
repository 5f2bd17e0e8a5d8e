/* See ecgd_general.h. */
#include "ecgd_general.h"

#include "ecgd_requantize.h"
#include "ecgd_softmax.h"

#define MOVE(type)                                                                                                    \
    const int32_t *const s = move->step;                                                                              \
    const uint32_t *const n = move->extent;                                                                           \
    const type *p0 = in;                                                                                              \
    for (uint32_t a = 0; a < n[0]; a++, p0 += s[0]) {                                                                 \
        const type *p1 = p0;                                                                                          \
        for (uint32_t b = 0; b < n[1]; b++, p1 += s[1]) {                                                             \
            const type *p2 = p1;                                                                                      \
            for (uint32_t c = 0; c < n[2]; c++, p2 += s[2]) {                                                         \
                const type *p3 = p2;                                                                                  \
                for (uint32_t d = 0; d < n[3]; d++, p3 += s[3]) {                                                     \
                    const type *p4 = p3;                                                                              \
                    for (uint32_t e = 0; e < n[4]; e++, p4 += s[4]) {                                                 \
                        *out++ = *p4;                                                                                 \
                    }                                                                                                 \
                }                                                                                                     \
            }                                                                                                         \
        }                                                                                                             \
    }

void ecgd_move16(const ecgd_move_t *move, const int16_t *in, int16_t *out)
{
    MOVE(int16_t)
}

void ecgd_move32(const ecgd_move_t *move, const float *in, float *out)
{
    MOVE(float)
}

static int16_t squared(const ecgd_elementwise_t *op, int32_t a, int32_t b)
{
    const int32_t unit = INT32_C(1) << op->left_shift;
    const int32_t x1 = ecgd_requantize_inline(a * unit, op->multiplier[0], op->right[0]);
    const int32_t x2 = ecgd_requantize_inline(b * unit, op->multiplier[1], op->right[1]);
    const int32_t difference = x1 - x2;
    return ecgd_clamp(ecgd_requantize_inline(difference * difference, op->multiplier[2], op->right[2]), op->low, op->high);
}

void ecgd_squared_difference(const ecgd_elementwise_t *op, const int16_t *a, const int16_t *b, uint32_t count,
                             int16_t *out)
{
    for (uint32_t i = 0; i < count; i++) {
        out[i] = squared(op, a[i], b[i]);
    }
}

void ecgd_squared_difference_scalar(const ecgd_elementwise_t *op, const int16_t *a, int16_t b, uint32_t count,
                                    int16_t *out)
{
    for (uint32_t i = 0; i < count; i++) {
        out[i] = squared(op, a[i], b);
    }
}

void ecgd_sum_rows(const int16_t *in, uint32_t rows, uint32_t depth, int32_t multiplier, int32_t right, int16_t low,
                   int16_t high, int16_t *out)
{
    for (uint32_t r = 0; r < rows; r++) {
        int32_t sum = 0;
        for (uint32_t c = 0; c < depth; c++) {
            sum += *in++;
        }
        out[r] = ecgd_clamp(ecgd_requantize_inline(sum, multiplier, right), low, high);
    }
}

/* Four outputs of a row: an element of a is loaded once for four columns of b. */
static void four_products(const ecgd_matmul_t *op, const int16_t *a, const int16_t *b, int16_t *out)
{
    const int16_t *b0 = b, *b1 = b0 + op->column_b, *b2 = b1 + op->column_b, *b3 = b2 + op->column_b;
    const int32_t step_a = op->depth_a, step_b = op->depth_b;
    int32_t sum[4] = {0};
    for (uint32_t k = op->depth; k != 0; k--, a += step_a, b0 += step_b, b1 += step_b, b2 += step_b, b3 += step_b) {
        const int32_t x = *a;
        sum[0] += x * *b0;
        sum[1] += x * *b1;
        sum[2] += x * *b2;
        sum[3] += x * *b3;
    }
    for (uint32_t i = 0; i < 4; i++) {
        out[i] = ecgd_clamp(ecgd_requantize_inline(sum[i], op->multiplier, op->right), op->low, op->high);
    }
}

void ecgd_matmul(const ecgd_matmul_t *op, const int16_t *a, const int16_t *b, int16_t *out)
{
    for (uint32_t m = 0; m < op->rows; m++, a += op->row_a) {
        const int16_t *column = b;
        uint32_t n = 0;
        for (; n + 4 <= op->columns; n += 4, column += 4 * op->column_b, out += 4) {
            four_products(op, a, column, out);
        }
        for (; n < op->columns; n++, column += op->column_b) {
            const int16_t *pa = a, *pb = column;
            int32_t sum = 0;
            for (uint32_t k = 0; k < op->depth; k++, pa += op->depth_a, pb += op->depth_b) {
                sum += *pa * *pb;
            }
            *out++ = ecgd_clamp(ecgd_requantize_inline(sum, op->multiplier, op->right), op->low, op->high);
        }
    }
}

void ecgd_softmax_table(const int32_t *exponential, int32_t entries, const int16_t *in, uint32_t rows, uint32_t depth,
                        int16_t *out)
{
    for (uint32_t r = 0; r < rows; r++, in += depth, out += depth) {
        const int32_t largest = ecgd_row_largest(in, depth);
        int32_t sum = 0;
        for (uint32_t c = 0; c < depth; c++) {
            const int32_t below = largest - in[c];
            sum += below < entries ? ecgd_divide_pot(exponential[below], 12) : 0;
        }
        const ecgd_share_t share = ecgd_share(sum);
        for (uint32_t c = 0; c < depth; c++) {
            const int32_t below = largest - in[c];
            const int32_t part = below < entries ? ecgd_high_mul(share.scale, exponential[below]) : 0;
            out[c] = ecgd_clamp(ecgd_divide_pot(part, share.exponent), 0, 255);
        }
    }
}

void ecgd_quantize_f32(const float *in, uint32_t count, float scale, int16_t zero, int16_t *out)
{
    for (uint32_t i = 0; i < count; i++) {
        float q = in[i] / scale;
        q = q < -1e6f ? -1e6f : (q > 1e6f ? 1e6f : q); /* far outside: saturates below, and fits an integer */
        const int32_t whole = (int32_t)q;
        const float rest = q - (float)whole; /* exact; halves go away from zero */
        const int32_t value = whole + (rest >= 0.5f ? 1 : (rest <= -0.5f ? -1 : 0)) + zero;
        out[i] = (int16_t)((value < -128 ? -128 : (value > 127 ? 127 : value)) - zero);
    }
}

void ecgd_dequantize_f32(const int16_t *in, uint32_t count, float scale, float *out)
{
    for (uint32_t i = 0; i < count; i++) {
        out[i] = (float)((double)scale * in[i]);
    }
}
