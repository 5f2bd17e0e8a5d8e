/* Pooling, elementwise operators, sums, tables and the borders, in C that is the same on every target. */
#include "ecgd_kernels.h"
#include "ecgd_requantize.h"

#include <string.h>

#if defined(__ARM_FEATURE_DSP) && !defined(ECGD_FORCE_PORTABLE)
#define ECGD_DSP 1
#include "ecgd_acle.h"

static inline int16x2_t two(const int16_t *p) { /* any alignment */
    int16x2_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline void put_two(int16_t *p, int16x2_t x) { memcpy(p, &x, sizeof x); }

static inline int16x2_t both(int16_t x) { return (int16x2_t)((uint32_t)(uint16_t)x * 0x10001u); }

static inline int16x2_t max2(int16x2_t a, int16x2_t b) {
    (void)__ssub16(a, b);
    return (int16x2_t)__sel((uint8x4_t)a, (uint8x4_t)b);
}

static inline int16x2_t min2(int16x2_t a, int16x2_t b) {
    (void)__ssub16(b, a);
    return (int16x2_t)__sel((uint8x4_t)a, (uint8x4_t)b);
}

/* (2 * a * b + 2^31) / 2^32: ecgd_high_mul of half of `doubled`. */
static inline int32_t high_mul_doubled(int32_t doubled, int32_t b) {
    int32_t x;
    __asm__("smmulr %0, %1, %2" : "=r"(x) : "r"(doubled), "r"(b));
    return x;
}

/* ecgd_divide_pot for an exponent of at least 1, before the last halving. */
static inline int32_t divide_but_one(int32_t x, uint32_t less_one) { return ((x + (x >> 31)) >> less_one) + 1; }
#endif

void ecgd_max_pool(const ecgd_pool_t *pool, const int16_t *window, uint32_t positions, int16_t *out) {
    const uint32_t channels = pool->channels;
    const uint32_t jump = pool->stride * channels;
#ifdef ECGD_DSP
    /* Input and output share their quantization, so that a clamp wider than int8 has nothing to do. */
    if (pool->low <= -128 - pool->zero && pool->high >= 127 - pool->zero && channels % 2 == 0 && pool->taps > 1) {
        for (uint32_t p = 0; p < positions; p++, window += jump, out += channels) {
            const int16_t *row = window;
            for (uint32_t c = 0; c < channels; c += 2) {
                put_two(out + c, max2(two(row + c), two(row + channels + c)));
            }
            for (uint32_t k = pool->taps - 2u; k != 0; k--) {
                row += channels;
                for (uint32_t c = 0; c < channels; c += 2) {
                    put_two(out + c, max2(two(out + c), two(row + channels + c)));
                }
            }
        }
        return;
    }
#endif
    for (uint32_t p = 0; p < positions; p++) {
        const int16_t *row = window + p * jump;
        for (uint32_t c = 0; c < channels; c++) {
            int32_t best = row[c];
            for (uint32_t k = 1; k < pool->taps; k++) {
                const int32_t x = row[k * channels + c];
                best = x > best ? x : best;
            }
            *out++ = ecgd_clamp(best, pool->low, pool->high);
        }
    }
}

void ecgd_average_pool(const ecgd_pool_t *pool, const int16_t *window, uint32_t positions, int16_t *out) {
    const uint32_t channels = pool->channels;
    const int32_t count = pool->taps;
    for (uint32_t p = 0; p < positions; p++) {
        const int16_t *row = window + p * pool->stride * channels;
        for (uint32_t c = 0; c < channels; c++) {
            int32_t sum = count * pool->zero; /* TFLM rounds the mean of the quantized values */
            for (uint32_t k = 0; k < pool->taps; k++) {
                sum += row[k * channels + c];
            }
            const int32_t mean = sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
            *out++ = ecgd_clamp(mean - pool->zero, pool->low, pool->high);
        }
    }
}

static inline int32_t rescale(const ecgd_elementwise_t *op, uint32_t input, int32_t x) {
    return ecgd_requantize_inline(x * (int32_t)(1u << op->left_shift), op->multiplier[input], op->right[input]);
}

static inline int16_t finish(const ecgd_elementwise_t *op, int32_t raw) {
    return ecgd_clamp(ecgd_requantize_inline(raw, op->multiplier[2], op->right[2]), op->low, op->high);
}

#ifdef ECGD_DSP
/* An input whose scale is the larger one has the multiplier 1/2 exactly: x * 2^20 becomes x * 2^19. */
static inline int is_half(const ecgd_elementwise_t *op, uint32_t input) {
    return op->multiplier[input] == 1 << 30 && op->right[input] == 0;
}

/* One element of each half of a pair: twice the sum of the rescaled inputs, then the output's rescaling. */
static inline int32_t add_one(int32_t a, int32_t b, int32_t multiplier, uint32_t right, int32_t last, uint32_t last_right) {
    const int32_t doubled = (divide_but_one(high_mul_doubled(a << 21, multiplier), right) & ~1) + (b << 20);
    return divide_but_one(high_mul_doubled(doubled, last), last_right);
}

static void add_with_half(const ecgd_elementwise_t *op, uint32_t other, const int16_t *a, const int16_t *b,
                          uint32_t pairs, int16_t *out) {
    const int32_t multiplier = op->multiplier[other], last = op->multiplier[2];
    const uint32_t right = (uint32_t)op->right[other] - 1u, last_right = (uint32_t)op->right[2] - 1u;
    const int16x2_t low = both(op->low), high = both(op->high);
    for (; pairs != 0; pairs--, a += 2, b += 2, out += 2) {
        const int32_t x = two(a), y = two(b);
        const int32_t even = add_one(x, y, multiplier, right, last, last_right);
        const int32_t odd = add_one(x >> 16, y >> 16, multiplier, right, last, last_right);
        int32_t even16, odd16;
        __asm__("ssat %0, #16, %1, asr #1" : "=r"(even16) : "r"(even));
        __asm__("ssat %0, #16, %1, asr #1" : "=r"(odd16) : "r"(odd));
        const int16x2_t both_results = (int16x2_t)(((uint32_t)even16 & 0xffffu) | (uint32_t)odd16 << 16);
        put_two(out, min2(max2(both_results, low), high));
    }
}
#endif

void ecgd_add(const ecgd_elementwise_t *op, const int16_t *a, const int16_t *b, uint32_t count, int16_t *out) {
    uint32_t i = 0;
#ifdef ECGD_DSP
    if (op->left_shift == 20 && op->right[2] > 0) {
        if (is_half(op, 1) && op->right[0] > 0) {
            add_with_half(op, 0, a, b, count / 2, out);
            i = count & ~1u;
        } else if (is_half(op, 0) && op->right[1] > 0) {
            add_with_half(op, 1, b, a, count / 2, out);
            i = count & ~1u;
        }
    }
#endif
    for (; i < count; i++) {
        out[i] = finish(op, rescale(op, 0, a[i]) + rescale(op, 1, b[i]));
    }
}

void ecgd_sub(const ecgd_elementwise_t *op, const int16_t *a, const int16_t *b, uint32_t count, int16_t *out) {
    for (uint32_t i = 0; i < count; i++) {
        out[i] = finish(op, rescale(op, 0, a[i]) - rescale(op, 1, b[i]));
    }
}

void ecgd_mul(const ecgd_elementwise_t *op, const int16_t *a, const int16_t *b, uint32_t count, int16_t *out) {
    for (uint32_t i = 0; i < count; i++) {
        out[i] = finish(op, (int32_t)a[i] * b[i]);
    }
}

void ecgd_add_scalar(const ecgd_elementwise_t *op, const int16_t *a, int16_t b, uint32_t count, int16_t *out) {
    const int32_t second = rescale(op, 1, b);
    for (uint32_t i = 0; i < count; i++) {
        out[i] = finish(op, rescale(op, 0, a[i]) + second);
    }
}

void ecgd_sub_scalar(const ecgd_elementwise_t *op, const int16_t *a, int16_t b, uint32_t count, int16_t *out) {
    const int32_t second = rescale(op, 1, b);
    for (uint32_t i = 0; i < count; i++) {
        out[i] = finish(op, rescale(op, 0, a[i]) - second);
    }
}

void ecgd_mul_scalar(const ecgd_elementwise_t *op, const int16_t *a, int16_t b, uint32_t count, int16_t *out) {
    for (uint32_t i = 0; i < count; i++) {
        out[i] = finish(op, (int32_t)a[i] * b);
    }
}

void ecgd_lookup(const int8_t *table, int16_t zero_in, int16_t zero_out, const int16_t *in, uint32_t count,
                 int16_t *out) {
    const int8_t *centre = table + 128 + zero_in;
    for (uint32_t i = 0; i < count; i++) {
        out[i] = (int16_t)(centre[in[i]] - zero_out);
    }
}

void ecgd_accumulate(int32_t *sums, const int16_t *in, uint32_t channels, uint32_t positions) {
#ifdef ECGD_DSP
    if (channels % 2 == 0) {
        for (uint32_t c = 0; c < channels; c += 2, sums += 2, in += 2) {
            int32_t even = sums[0], odd = sums[1];
            const int16_t *x = in;
            for (uint32_t p = positions; p != 0; p--, x += channels) {
                const int32_t both_values = two(x);
                even += (int16_t)both_values;
                odd += both_values >> 16;
            }
            sums[0] = even;
            sums[1] = odd;
        }
        return;
    }
#endif
    for (uint32_t p = 0; p < positions; p++) {
        for (uint32_t c = 0; c < channels; c++) {
            sums[c] += *in++;
        }
    }
}

void ecgd_requantize_sums(const int32_t *sums, uint32_t count, int32_t multiplier, int32_t right, int16_t low,
                          int16_t high, int16_t *out) {
    for (uint32_t i = 0; i < count; i++) {
        out[i] = ecgd_clamp(ecgd_requantize_inline(sums[i], multiplier, right), low, high);
    }
}

void ecgd_load_int8(const int8_t *in, uint32_t count, int16_t zero, int16_t *out) {
    uint32_t i = 0;
#ifdef ECGD_DSP
    const int16x2_t zeros = both(zero);
    for (; i + 4 <= count; i += 4) {
        uint32_t bytes;
        memcpy(&bytes, in + i, sizeof bytes);
        uint32_t even, low;
        __asm__("sxtb16 %0, %1\n\tsxtb16 %1, %1, ror #8\n\tssub16 %0, %0, %3\n\tssub16 %1, %1, %3\n\t"
                "pkhbt %2, %0, %1, lsl #16\n\tpkhtb %1, %1, %0, asr #16"
                : "=&r"(even), "+r"(bytes), "=&r"(low)
                : "r"(zeros));
        put_two(out + i, (int16x2_t)low);
        put_two(out + i + 2, (int16x2_t)bytes);
    }
#endif
    for (; i < count; i++) {
        out[i] = (int16_t)(in[i] - zero);
    }
}

void ecgd_store_int8(const int16_t *in, uint32_t count, int16_t zero, int8_t *out) {
    for (uint32_t i = 0; i < count; i++) {
        out[i] = (int8_t)(in[i] + zero);
    }
}
