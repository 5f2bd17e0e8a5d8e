/* Requantization as inline C, for the kernels' own use. */
#ifndef ECGD_REQUANTIZE_H
#define ECGD_REQUANTIZE_H

#include <stdint.h>

/* (a * b + 2^30) / 2^31 rounded down: gemmlowp's SaturatingRoundingDoublingHighMul, whose only saturating case
 * (both INT32_MIN) no multiplier reaches. */
static inline int32_t ecgd_high_mul(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

/* x / 2^exponent, halves away from zero: gemmlowp's RoundingDivideByPOT. */
static inline int32_t ecgd_divide_pot(int32_t x, int32_t exponent) {
    if (exponent == 0) {
        return x;
    }
    const int32_t toward = x + (x >> 31); /* x = INT32_MIN does not occur: |high_mul| <= 2^31 - 2 */
    return ((toward >> (exponent - 1)) + 1) >> 1;
}

static inline int32_t ecgd_requantize_inline(int32_t acc, int32_t multiplier, int32_t right) {
    if (right < 0) {
        return ecgd_high_mul((int32_t)((uint32_t)acc << -right), multiplier);
    }
    return ecgd_divide_pot(ecgd_high_mul(acc, multiplier), right);
}

static inline int16_t ecgd_clamp(int32_t x, int16_t low, int16_t high) {
    return (int16_t)(x < low ? low : (x > high ? high : x));
}

#endif
