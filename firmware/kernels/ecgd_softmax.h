/* What both softmax kernels of int8 share: the reciprocal of the sum, in gemmlowp's fixed point. */
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

#endif
