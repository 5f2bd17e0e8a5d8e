/* Values kept as bytes (q + 128): pooling, sums, addition, and what widens them for kernels that want int16. */
#include "ecgd_kernels.h"
#include "ecgd_requantize.h"

#include <string.h>

#if defined(__ARM_FEATURE_DSP) && !defined(ECGD_FORCE_PORTABLE)
#define ECGD_DSP 1
#include "ecgd_acle.h"
#endif

static inline uint32_t four(const void *p) { /* any alignment */
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline void put_four(void *p, uint32_t x) { memcpy(p, &x, sizeof x); }

static inline uint8_t in_range(int32_t x, int32_t low, int32_t high) {
    return (uint8_t)(x < low ? low : (x > high ? high : x));
}

#ifdef ECGD_DSP
/* The larger bytes of two fours. */
static inline uint32_t larger(uint32_t x, uint32_t y) {
    (void)__usub8((uint8x4_t)x, (uint8x4_t)y);
    return (uint32_t)__sel((uint8x4_t)x, (uint8x4_t)y);
}
#endif

void ecgd_max_pool_u8(const ecgd_pool_t *pool, const uint8_t *window, uint32_t positions, uint8_t *out) {
    const uint32_t channels = pool->channels;
    const int32_t low = pool->low + pool->zero + 128, high = pool->high + pool->zero + 128;
    for (uint32_t p = 0; p < positions; p++, window += pool->stride * channels, out += channels) {
        uint32_t c = 0;
#ifdef ECGD_DSP
        if (low <= 0 && high >= 255) { /* a clamp wider than the type has nothing to do */
            for (const uint8_t *x = window; c + 4 <= channels; c += 4, x += 4) {
                uint32_t best = four(x);
                if (pool->taps == 3) {
                    best = larger(larger(best, four(x + channels)), four(x + 2 * channels));
                } else {
                    for (uint32_t k = 1; k < pool->taps; k++) {
                        best = larger(best, four(x + k * channels));
                    }
                }
                put_four(out + c, best);
            }
        }
#endif
        for (; c < channels; c++) {
            uint8_t best = window[c];
            for (uint32_t k = 1; k < pool->taps; k++) {
                const uint8_t x = window[k * channels + c];
                best = x > best ? x : best;
            }
            out[c] = in_range(best, low, high);
        }
    }
}

static inline int32_t rescale(const ecgd_elementwise_t *op, uint32_t input, uint8_t u) {
    const int32_t x = (int32_t)u - op->offset[input];
    return ecgd_requantize_inline(x * (int32_t)(1u << op->left_shift), op->multiplier[input], op->right[input]);
}

#ifdef ECGD_DSP
/* (2 * a * b + 2^31) / 2^32: ecgd_high_mul of half of `doubled`. */
static inline int32_t high_mul_doubled(int32_t doubled, int32_t b) {
    int32_t x;
    __asm__("smmulr %0, %1, %2" : "=r"(x) : "r"(doubled), "r"(b));
    return x;
}

/* ecgd_divide_pot for an exponent of at least 1, before its last halving and without the 1 that rounds there. */
static inline int32_t divide_but_one(int32_t x, uint32_t less_one) { return (x + (x >> 31)) >> less_one; }

/* An input whose scale is the larger one has the multiplier 1/2 exactly: x * 2^20 becomes x * 2^19. */
static inline int is_half(const ecgd_elementwise_t *op, uint32_t input) {
    return op->multiplier[input] == 1 << 30 && op->right[input] == 0;
}

static void add_with_half(const ecgd_elementwise_t *op, uint32_t other, const uint8_t *a, const uint8_t *b,
                          uint32_t count, uint8_t *out) {
    const int32_t multiplier = op->multiplier[other], last = op->multiplier[2];
    const uint32_t right = (uint32_t)op->right[other] - 1u, last_right = (uint32_t)op->right[2] - 1u;
    const int32_t offset_a = op->offset[other] * (1 << 21), offset_b = op->offset[1 - other] * (1 << 20);
    const int32_t offset = 2 * op->offset[2] + 1;
    const uint8_t *const end = a + count;
#pragma GCC unroll 2
    while (a != end) {
        const int32_t x = divide_but_one(high_mul_doubled((*a++ << 21) - offset_a, multiplier), right) + 1;
        const int32_t doubled = (x & ~1) + ((*b++ << 20) - offset_b);
        int32_t u = divide_but_one(high_mul_doubled(doubled, last), last_right) + offset;
        __asm__("usat %0, #8, %1, asr #1" : "=r"(u) : "r"(u));
        *out++ = (uint8_t)u;
    }
}
#endif

void ecgd_add_u8(const ecgd_elementwise_t *op, const uint8_t *a, const uint8_t *b, uint32_t count, uint8_t *out) {
    const int32_t low = op->low + op->offset[2], high = op->high + op->offset[2];
#ifdef ECGD_DSP
    if (op->left_shift == 20 && op->right[2] > 0 && low <= 0 && high >= 255) {
        if (is_half(op, 1) && op->right[0] > 0) {
            add_with_half(op, 0, a, b, count, out);
            return;
        }
        if (is_half(op, 0) && op->right[1] > 0) {
            add_with_half(op, 1, b, a, count, out);
            return;
        }
    }
#endif
    for (uint32_t i = 0; i < count; i++) {
        const int32_t sum = rescale(op, 0, a[i]) + rescale(op, 1, b[i]);
        const int32_t x = ecgd_requantize_inline(sum, op->multiplier[2], op->right[2]);
        out[i] = in_range(x + op->offset[2], low, high);
    }
}

static inline int32_t share(int32_t factor, uint8_t x) {
    return (int32_t)((int64_t)factor * ((x - 128) * 256) >> 16);
}

void ecgd_add_linear_u8(const ecgd_linear_t *op, const uint8_t *a, const uint8_t *b, uint32_t count, uint8_t *out) {
    const uint8_t *const end = a + count;
#ifdef ECGD_DSP
    const int32_t to_a = op->factor[0], to_b = op->factor[1], constant = op->constant;
    for (const uint8_t *const fours = a + (count & ~3u); a != fours; a += 4, b += 4, out += 4) {
        /* bytes 0 and 2, and 1 and 3, in the upper halves of two lanes, less 128 */
        const uint32_t x = four(a) ^ 0x80808080u, y = four(b) ^ 0x80808080u;
        const int32_t xe = (int32_t)(x << 8 & 0xff00ff00u), xo = (int32_t)(x & 0xff00ff00u);
        const int32_t ye = (int32_t)(y << 8 & 0xff00ff00u), yo = (int32_t)(y & 0xff00ff00u);
        const uint32_t u0 = __usat(__smlawb(to_b, ye, __smlawb(to_a, xe, constant)) >> ECGD_ADD_FRACTION, 8);
        const uint32_t u1 = __usat(__smlawb(to_b, yo, __smlawb(to_a, xo, constant)) >> ECGD_ADD_FRACTION, 8);
        const uint32_t u2 = __usat(__smlawt(to_b, ye, __smlawt(to_a, xe, constant)) >> ECGD_ADD_FRACTION, 8);
        const uint32_t u3 = __usat(__smlawt(to_b, yo, __smlawt(to_a, xo, constant)) >> ECGD_ADD_FRACTION, 8);
        put_four(out, (u0 | u1 << 8) | (u2 | u3 << 8) << 16);
    }
#endif
    while (a != end) {
        const int32_t sum = share(op->factor[0], *a++) + share(op->factor[1], *b++) + op->constant;
        *out++ = in_range(sum >> ECGD_ADD_FRACTION, 0, 255);
    }
}

/* Where four channels are summed at a time, the sums of channels 1 and 2 of every four stand in each other's place. */
static inline uint32_t place_of_sum(uint32_t channel, uint32_t channels) {
#ifdef ECGD_DSP
    if (channels % 4 == 0) {
        return (channel & ~3u) | (channel & 1u) << 1 | (channel >> 1 & 1u);
    }
#endif
    (void)channels;
    return channel;
}

void ecgd_accumulate_u8(uint16_t *sums, const uint8_t *in, uint32_t channels, uint32_t positions) {
#ifdef ECGD_DSP
    if (channels % 4 == 0) {
        for (const uint8_t *end = in + channels; in != end; in += 4, sums += 4) {
            uint16x2_t even = (uint16x2_t)four(sums), odd = (uint16x2_t)four(sums + 2);
            const uint8_t *x = in;
            for (uint32_t p = positions; p != 0; p--, x += channels) {
                const uint32_t bytes = four(x);
                even = __uxtab16(even, (uint8x4_t)bytes);
                odd = __uxtab16(odd, (uint8x4_t)(bytes >> 8 | bytes << 24));
            }
            put_four(sums, (uint32_t)even);
            put_four(sums + 2, (uint32_t)odd);
        }
        return;
    }
#endif
    for (uint32_t c = 0; c < channels; c++) {
        const uint8_t *x = in + c;
        uint32_t sum = sums[c];
        for (uint32_t p = positions; p != 0; p--, x += channels) {
            sum += *x;
        }
        sums[c] = (uint16_t)sum;
    }
}

void ecgd_requantize_sums_u8(const uint16_t *sums, uint32_t count, int32_t offset, int32_t multiplier, int32_t right,
                             int16_t low, int16_t high, int16_t *out) {
    for (uint32_t i = 0; i < count; i++) {
        const int32_t sum = sums[place_of_sum(i, count)] - offset;
        out[i] = ecgd_clamp(ecgd_requantize_inline(sum, multiplier, right), low, high);
    }
}

void ecgd_widen_rows(const uint8_t *in, uint32_t rows, uint32_t count, uint32_t step, uint8_t offset, int16_t *out) {
    for (; rows != 0; rows--, in += step, out += count) {
        uint32_t i = 0;
#ifdef ECGD_DSP
        const uint32_t offsets = offset * 0x10001u;
        for (; i + 4 <= count; i += 4) {
            uint32_t even, odd = four(in + i), low;
            __asm__("uxtb16 %0, %1\n\tuxtb16 %1, %1, ror #8\n\tssub16 %0, %0, %3\n\tssub16 %1, %1, %3\n\t"
                    "pkhbt %2, %0, %1, lsl #16\n\tpkhtb %1, %1, %0, asr #16"
                    : "=&r"(even), "+r"(odd), "=&r"(low)
                    : "r"(offsets));
            put_four(out + i, low);
            put_four(out + i + 2, odd);
        }
#endif
        for (; i < count; i++) {
            out[i] = (int16_t)(in[i] - offset);
        }
    }
}

void ecgd_load_u8(const int8_t *in, uint32_t count, uint8_t *out) {
    uint32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        put_four(out + i, four(in + i) ^ 0x80808080u);
    }
    for (; i < count; i++) {
        out[i] = (uint8_t)(in[i] + 128);
    }
}
