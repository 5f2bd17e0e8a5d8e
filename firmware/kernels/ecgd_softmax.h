/* What both softmax kernels of int8 share: a row's largest, and the reciprocal of its sum in gemmlowp's fixed point. */
#ifndef ECGD_SOFTMAX_H
#define ECGD_SOFTMAX_H

#include "ecgd_requantize.h"

/* 1 / (1 + x) for x in [0, 1], Q0.31: three Newton-Raphson steps from 48/17 - 32/17 d, in Q2.29. */
static inline int32_t ecgd_reciprocal(int32_t x) {
    const int32_t half = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
    int32_t y = 1515870810 + ecgd_high_mul(half, -1010580540);
    for (int step = 0; step < 3; step++) {
        const int32_t rest = (1 << 29) - ecgd_high_mul(half, y);
        y += ecgd_high_mul(y, rest) * 4;
    }
    return y >= 1 << 30 ? INT32_MAX : y * 2;
}

static inline uint32_t ecgd_leading_zeros(uint32_t x) {
    uint32_t count = 0;
    while (count < 32 && !(x & 0x80000000u)) {
        x <<= 1;
        count++;
    }
    return count;
}

static inline int32_t ecgd_row_largest(const int16_t *in, uint32_t depth) {
    int32_t largest = in[0];
    for (uint32_t c = 1; c < depth; c++) {
        largest = in[c] > largest ? in[c] : largest;
    }
    return largest;
}

/* What a row's exponentials (Q0.31) are multiplied by, for their `sum` in Q12.19, and then shifted right by. */
typedef struct {
    int32_t scale, exponent;
} ecgd_share_t;

static inline ecgd_share_t ecgd_share(int32_t sum) {
    const uint32_t headroom = ecgd_leading_zeros((uint32_t)sum);
    const int32_t scale = ecgd_reciprocal((int32_t)(((uint32_t)sum << headroom) - 0x80000000u));
    return (ecgd_share_t){scale, 12 - (int32_t)headroom + 31 - 8};
}

#endif
