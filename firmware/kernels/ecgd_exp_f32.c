/* exp, softmax and logistic of float32.
 *
 * The reference ran on glibc, whose expf evaluates, in double arithmetic, 2^(k/32) from a table times a cubic in the
 * rest (the method of Arm's optimized routines; 0.502 ULP). A last bit of it shows in a softmax, so the same method
 * with the same three coefficients stands here, on every target; the table holds 2^(i/32) rounded to double, less the
 * part of i that the exponent gets from k.
 */
#include "ecgd_kernels_f32.h"

#include <string.h>

static const uint64_t power[32] = {
    UINT64_C(0x3ff0000000000000), UINT64_C(0x3fefd9b0d3158574), UINT64_C(0x3fefb5586cf9890f), UINT64_C(0x3fef9301d0125b51),
    UINT64_C(0x3fef72b83c7d517b), UINT64_C(0x3fef54873168b9aa), UINT64_C(0x3fef387a6e756238), UINT64_C(0x3fef1e9df51fdee1),
    UINT64_C(0x3fef06fe0a31b715), UINT64_C(0x3feef1a7373aa9cb), UINT64_C(0x3feedea64c123422), UINT64_C(0x3feece086061892d),
    UINT64_C(0x3feebfdad5362a27), UINT64_C(0x3feeb42b569d4f82), UINT64_C(0x3feeab07dd485429), UINT64_C(0x3feea47eb03a5585),
    UINT64_C(0x3feea09e667f3bcd), UINT64_C(0x3fee9f75e8ec5f74), UINT64_C(0x3feea11473eb0187), UINT64_C(0x3feea589994cce13),
    UINT64_C(0x3feeace5422aa0db), UINT64_C(0x3feeb737b0cdc5e5), UINT64_C(0x3feec49182a3f090), UINT64_C(0x3feed503b23e255d),
    UINT64_C(0x3feee89f995ad3ad), UINT64_C(0x3feeff76f2fb5e47), UINT64_C(0x3fef199bdd85529c), UINT64_C(0x3fef3720dcef9069),
    UINT64_C(0x3fef5818dcfba487), UINT64_C(0x3fef7c97337b9b5f), UINT64_C(0x3fefa4afa2a490da), UINT64_C(0x3fefd0765b6e4540),
};

float ecgd_exp_f32(float x) {
    if (!(x <= 0x1.62e42ep6f)) {
        return x != x ? x : __builtin_inff();
    }
    if (x < -0x1.9fe368p6f) {
        return 0.0f;
    }
    const double shift = 0x1.8p52;
    const double z = 0x1.71547652b82fep0 * 32.0 * (double)x;
    const double shifted = z + shift;
    uint64_t k;
    memcpy(&k, &shifted, sizeof k);
    const double r = z - (shifted - shift);
    const uint64_t bits = power[k % 32u] + (k << 47);
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    const double high = 0x1.c6af84b912394p-5 / 32.0 / 32.0 / 32.0 * r + 0x1.ebfce50fac4f3p-3 / 32.0 / 32.0;
    const double low = 0x1.62e42ff0c52d6p-1 / 32.0 * r + 1.0;
    return (float)((high * (r * r) + low) * scale);
}

void ecgd_softmax_f32(float beta, const float *in, uint32_t rows, uint32_t depth, float *out) {
    for (uint32_t row = 0; row < rows; row++, in += depth, out += depth) {
        float largest = in[0];
        for (uint32_t c = 1; c < depth; c++) {
            largest = largest < in[c] ? in[c] : largest;
        }
        float sum = 0.0f;
        for (uint32_t c = 0; c < depth; c++) {
            out[c] = ecgd_exp_f32((in[c] - largest) * beta);
            sum += out[c];
        }
        for (uint32_t c = 0; c < depth; c++) {
            out[c] = out[c] / sum;
        }
    }
}

void ecgd_logistic_f32(const float *in, uint32_t count, float *out) {
    for (uint32_t i = 0; i < count; i++) {
        const float x = in[i];
        if (x > 16.619047164916992188f) {
            out[i] = 1.0f;
        } else if (x < -9.0f) {
            out[i] = ecgd_exp_f32(x);
        } else {
            out[i] = 1.0f / (1.0f + ecgd_exp_f32(-x));
        }
    }
}
