/* Softmax of int8 rows in gemmlowp's fixed point (Q5.26 in, Q12.19 sum, Q0.31 exp), as TFLM's reference kernel. */
#include "ecgd_kernels.h"
#include "ecgd_requantize.h"
#include "ecgd_softmax.h"

/* exp(a) for a in [-1/4, 0), Q0.31: fourth-order Taylor series about -1/8. */
static int32_t exp_quarter(int32_t a) {
    const int32_t centre = 1895147668, third = 715827883; /* exp(-1/8), 1/3 */
    const int32_t x = a + (1 << 28);
    const int32_t x2 = ecgd_high_mul(x, x);
    const int32_t x3 = ecgd_high_mul(x2, x);
    const int32_t x4 = ecgd_divide_pot(ecgd_high_mul(x2, x2), 2);
    const int32_t tail = ecgd_divide_pot(ecgd_high_mul(x4 + x3, third) + x2, 1);
    return centre + ecgd_high_mul(centre, x + tail);
}

/* exp(a) for a <= 0 in Q5.26, as Q0.31. */
static int32_t exp_negative(int32_t a) {
    static const int32_t factor[7] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    if (a == 0) {
        return INT32_MAX;
    }
    const int32_t quarter = 1 << 24;
    const int32_t within = (a & (quarter - 1)) - quarter;
    int32_t result = exp_quarter(within * 32);
    const uint32_t rest = (uint32_t)(within - a) >> 24;
    for (uint32_t bit = 0; bit < 7; bit++) {
        if (rest & (1u << bit)) {
            result = ecgd_high_mul(result, factor[bit]);
        }
    }
    return result;
}

static int32_t exp_difference(const ecgd_softmax_t *op, int32_t difference) {
    return exp_negative(ecgd_high_mul(difference * (int32_t)(1u << op->left_shift), op->multiplier));
}

void ecgd_softmax(const ecgd_softmax_t *op, const int16_t *in, uint32_t rows, uint32_t depth, int16_t *out) {
    for (uint32_t r = 0; r < rows; r++, in += depth, out += depth) {
        const int32_t largest = ecgd_row_largest(in, depth);
        int32_t sum = 0;
        for (uint32_t c = 0; c < depth; c++) {
            if (in[c] - largest >= op->smallest) {
                sum += ecgd_divide_pot(exp_difference(op, in[c] - largest), 12);
            }
        }
        const ecgd_share_t share = ecgd_share(sum);
        for (uint32_t c = 0; c < depth; c++) {
            int32_t y = 0;
            if (in[c] - largest >= op->smallest) {
                y = ecgd_divide_pot(ecgd_high_mul(share.scale, exp_difference(op, in[c] - largest)), share.exponent);
            }
            out[c] = ecgd_clamp(y, 0, 255);
        }
    }
}
