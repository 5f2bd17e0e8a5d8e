/* See ecgd_wide.h. Portable C; with the DSP extension the sums of products are by SMLAD. */
#include "ecgd_wide.h"

#include <stddef.h>

#include "ecgd_requantize.h"

#define WHOLE_SUM 508u /* products of 8 by 16 bits whose sum fits 32 bits, a multiple of 4 */

#if defined(__ARM_FEATURE_DSP) && !defined(ECGD_FORCE_PORTABLE)
#include "ecgd_acle.h"
#include <string.h>

static inline int16x2_t two(const void *p) /* any alignment */
{
    int16x2_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* Sums of a channel pair over `length` elements; what fills the weights of an odd last element is zero. */
static inline const int8_t *pair_sums(const int8_t *w, const int16_t *x, uint32_t length, int32_t *a, int32_t *b)
{
    int32_t sum_a = *a, sum_b = *b;
    for (const int16_t *end = x + length; x < end; x += 2, w += 4) {
        const uint32_t pair = (uint32_t)two(w);
        const int16x2_t data = two(x);
        sum_a = __smlad(data, __sxtb16((int8x4_t)pair), sum_a);
        sum_b = __smlad(data, __sxtb16((int8x4_t)(pair >> 8 | pair << 24)), sum_b);
    }
    *a = sum_a;
    *b = sum_b;
    return w;
}
#else
static inline const int8_t *pair_sums(const int8_t *w, const int16_t *x, uint32_t length, int32_t *a, int32_t *b)
{
    int32_t sum_a = *a, sum_b = *b;
    for (uint32_t i = 0; i < length; i++, w += 2) {
        sum_a += w[0] * x[i];
        sum_b += w[1] * x[i];
    }
    *a = sum_a;
    *b = sum_b;
    return w;
}
#endif

static inline uint32_t filled(const ecgd_conv_t *conv)
{
    return (conv->length + 3u) & ~3u;
}

static inline int16_t rounded(int64_t sum, int32_t multiplier, uint32_t right, int16_t low, int16_t high)
{
    const int64_t nudged = sum * multiplier + (INT64_C(1) << (right - 1u));
    return ecgd_clamp((int32_t)(nudged >> right), low, high);
}

static inline int16_t finished(int32_t sum, const ecgd_scale_t *scale, const int8_t *right, uint32_t channel,
                               int16_t low, int16_t high)
{
    const int32_t by = 32 + (right != NULL ? right[channel] : 0);
    return rounded(sum, scale[channel].multiplier, (uint32_t)by, low, high);
}

/* A result of a position; where positions are pooled, the later ones count if they are larger. */
static inline void put(const ecgd_conv_t *conv, uint32_t channel, int32_t sum, int later, int16_t *out)
{
    const int16_t x = finished(sum, conv->scale, conv->right, channel, conv->low, conv->high);
    out[channel] = !later || x > out[channel] ? x : out[channel];
}

void ecgd_conv_wide(const ecgd_conv_t *conv, const int16_t *window, uint32_t positions, void *out)
{
    const uint32_t channels = conv->channels, pool = conv->pool == 2 ? 2 : 1;
    int16_t *row = out;
    for (uint32_t p = 0; p < positions * pool; p++, window += conv->stride) {
        const int8_t *w = conv->weights;
        const int later = p % pool != 0;
        row = (int16_t *)out + p / pool * channels;
        for (uint32_t channel = 0; channel < channels; channel += 2) {
            const int16_t *x = window;
            int32_t a = conv->scale[channel].bias, b = conv->scale[channel + 1].bias;
            for (uint32_t s = 0; s < conv->segments; s++, x += conv->step, w += 2 * filled(conv)) {
                pair_sums(w, x, conv->length, &a, &b);
            }
            put(conv, channel, a, later, row);
            if (channel + 1 < channels) {
                put(conv, channel + 1, b, later, row);
            }
        }
    }
}

void ecgd_conv_long(const ecgd_conv_long_t *conv, const int16_t *window, uint32_t positions, int16_t *out)
{
    const ecgd_conv_t *layer = &conv->layer;
    for (uint32_t p = 0; p < positions; p++, window += layer->stride) {
        const int8_t *w = layer->weights;
        for (uint32_t channel = 0; channel < layer->channels; channel += 2) {
            const int16_t *x = window;
            int64_t sum[2] = {0, 0};
            for (uint32_t s = 0; s < layer->segments; s++, x += layer->step, w += 2 * filled(layer)) {
                for (uint32_t at = 0; at < layer->length; at += WHOLE_SUM) {
                    const uint32_t left = layer->length - at;
                    int32_t a = 0, b = 0;
                    pair_sums(w + 2 * at, x + at, left < WHOLE_SUM ? left : WHOLE_SUM, &a, &b);
                    sum[0] += a;
                    sum[1] += b;
                }
            }
            for (uint32_t c = channel; c < channel + 2 && c < layer->channels; c++) {
                *out++ = rounded(sum[c - channel] + conv->bias[c], layer->scale[c].multiplier,
                                 (uint32_t)(uint8_t)layer->right[c], layer->low, layer->high);
            }
        }
    }
}

void ecgd_depthwise_wide(const ecgd_depthwise_t *conv, const void *window, uint32_t positions, int16_t *out)
{
    for (uint32_t p = 0; p < positions; p++) {
        const int16_t *row = (const int16_t *)window + p * conv->stride;
        for (uint32_t channel = 0; channel < conv->channels; channel++) {
            const int8_t *w = conv->weights + (channel & ~1u) * conv->length + (channel & 1u);
            const int16_t *x = row + channel;
            int32_t sum = conv->scale[channel].bias;
            for (uint32_t k = 0; k < conv->taps; k++, x += conv->step) {
                sum += w[2 * k] * *x;
            }
            *out++ = finished(sum, conv->scale, conv->right, channel, conv->low, conv->high);
        }
    }
}

void ecgd_rescale(const ecgd_rescale_t *op, const int16_t *in, uint32_t count, int16_t *out)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t sign = in[i] < 0 ? 1 : 0;
        out[i] = ecgd_clamp(ecgd_requantize_inline(in[i], op->multiplier[sign], op->right[sign]), op->low, op->high);
    }
}

/* The table between two of its entries, `bits` apart; beyond its end the limit. */
static inline uint32_t between(const ecgd_sigmoid_t *op, uint32_t magnitude, uint32_t bits, uint32_t limit)
{
    const uint32_t at = magnitude >> bits;
    if (at >= ECGD_SIGMOID_TABLE - 1u) {
        return limit;
    }
    const uint32_t below = op->table[at];
    return (below << bits) + (magnitude & ((1u << bits) - 1u)) * (op->table[at + 1u] - below);
}

static inline int32_t scaled(const ecgd_sigmoid_t *op, int32_t x)
{
    const int32_t half = op->shift == 0 ? 0 : INT32_C(1) << (op->shift - 1);
    return (x * op->multiplier + half) >> op->shift;
}

void ecgd_logistic_wide(const ecgd_sigmoid_t *op, const int16_t *in, uint32_t count, int16_t *out)
{
    for (uint32_t i = 0; i < count; i++) {
        const int32_t x = scaled(op, in[i]);
        const uint32_t y = between(op, (uint32_t)(x < 0 ? -x : x), 9, UINT32_C(0x7fff) << 10);
        out[i] = (int16_t)((x >= 0 ? y + (1u << 9) : (UINT32_C(1) << 25) - y + (1u << 9) - 1u) >> 10);
    }
}

void ecgd_tanh_wide(const ecgd_sigmoid_t *op, const int16_t *in, uint32_t count, int16_t *out)
{
    for (uint32_t i = 0; i < count; i++) {
        const int32_t x = scaled(op, in[i]);
        const int32_t y = (int32_t)between(op, (uint32_t)(x < 0 ? -x : x), 8, UINT32_C(0xffff) << 8) - (INT32_C(1) << 23);
        out[i] = (int16_t)((x >= 0 ? y + (INT32_C(1) << 7) : (INT32_C(1) << 7) - 1 - y) >> 8);
    }
}

/* A table's value at x in -32768..32767, between its entries by a line. */
static inline int32_t looked_up(const int16_t *table, int32_t x)
{
    const int16_t *entry = table + 256 + (x >> 7);
    return entry[0] + (((entry[1] - entry[0]) * (x & 0x7f) + 64) >> 7);
}

static inline uint32_t leading_zeros(uint32_t x)
{
    uint32_t count = 0;
    while (count < 32u && !(x & 0x80000000u)) {
        x <<= 1;
        count++;
    }
    return count;
}

void ecgd_softmax_wide(const ecgd_softmax_wide_t *op, const int16_t *in, uint32_t rows, uint32_t depth, int16_t *out)
{
    for (uint32_t r = 0; r < rows; r++, in += depth, out += depth) {
        int32_t largest = in[0], sum = 0;
        for (uint32_t c = 1; c < depth; c++) {
            largest = in[c] > largest ? in[c] : largest;
        }
        for (uint32_t c = 0; c < depth; c++) {
            const int32_t difference = ecgd_requantize_inline(in[c] - largest, op->multiplier, op->right);
            out[c] = (int16_t)looked_up(op->exponential, ecgd_clamp(difference + 32767, INT16_MIN, INT16_MAX));
            sum += out[c];
        }
        const uint32_t headroom = leading_zeros((uint32_t)sum);
        const int32_t fraction = (int32_t)((((int64_t)sum << (headroom - 1u)) + (1 << 13)) >> 14);
        const int32_t inverse = looked_up(op->reciprocal, ecgd_clamp(fraction - 98304, INT16_MIN, INT16_MAX));
        const uint32_t right = 31u - headroom;
        for (uint32_t c = 0; c < depth; c++) {
            const int64_t product = (int64_t)out[c] * inverse + (INT64_C(1) << (right - 1u));
            out[c] = ecgd_clamp((int32_t)(product >> right), 0, INT16_MAX);
        }
    }
}

static int32_t shifted_left(int32_t x, uint32_t bits)
{
    const int64_t wide = (int64_t)x * (INT64_C(1) << bits);
    return wide > INT32_MAX ? INT32_MAX : (wide < INT32_MIN ? INT32_MIN : (int32_t)wide);
}

/* 2^20 / sqrt(x) for x in 2..32767: five Newton-Raphson steps in Q3.28, as TFLite's. */
static int32_t inverse_root(int32_t x)
{
    const uint32_t pairs = (leading_zeros((uint32_t)x) - 1u) / 2u - 1u;
    const int32_t half_input = ecgd_divide_pot((int32_t)((uint32_t)x << (2u * pairs)) >> 1, 1);
    const int32_t half_three = (1 << 28) + (1 << 27);
    int32_t y = 1 << 28;
    for (int step = 0; step < 5; step++) {
        const int32_t cube = shifted_left(ecgd_high_mul(ecgd_high_mul(y, y), y), 6);
        y = shifted_left(ecgd_high_mul(half_three, y) - ecgd_high_mul(half_input, cube), 3);
    }
    const int32_t right = 11 - (int32_t)pairs, root = ecgd_high_mul(y, 1518500250);
    if (right < 0) {
        return ecgd_requantize_inline(1, (int32_t)((uint32_t)root << -right), -20);
    }
    return ecgd_requantize_inline(1, root, right - 20);
}

void ecgd_rsqrt_wide(const ecgd_rsqrt_t *op, const int16_t *in, uint32_t count, int16_t *out)
{
    for (uint32_t i = 0; i < count; i++) {
        if (in[i] <= 0) {
            out[i] = INT16_MAX;
            continue;
        }
        const int32_t root = in[i] == 1 ? ecgd_requantize_inline(1, INT32_MAX, -20) : inverse_root(in[i]);
        out[i] = ecgd_clamp(ecgd_requantize_inline(root, op->multiplier, op->right), INT16_MIN, INT16_MAX);
    }
}

void ecgd_matmul_wide(const ecgd_matmul_t *op, const int16_t *a, const int16_t *b, int16_t *out)
{
    for (uint32_t m = 0; m < op->rows; m++, a += op->row_a) {
        const int16_t *column = b;
        for (uint32_t n = 0; n < op->columns; n++, column += op->column_b) {
            const int16_t *pa = a, *pb = column;
            int64_t sum = 0;
            for (uint32_t k = 0; k < op->depth; k++, pa += op->depth_a, pb += op->depth_b) {
                sum += *pa * *pb;
            }
            *out++ = rounded(sum, op->multiplier, (uint32_t)op->right, op->low, op->high);
        }
    }
}

void ecgd_quantize_wide_f32(const float *in, uint32_t count, float scale, int16_t *out)
{
    for (uint32_t i = 0; i < count; i++) {
        float q = in[i] / scale;
        q = q < -1e6f ? -1e6f : (q > 1e6f ? 1e6f : q); /* far outside: saturates below, and fits an integer */
        const int32_t whole = (int32_t)q;
        const float rest = q - (float)whole; /* exact; halves go away from zero */
        out[i] = ecgd_clamp(whole + (rest >= 0.5f ? 1 : (rest <= -0.5f ? -1 : 0)), INT16_MIN, INT16_MAX);
    }
}
