/* Convolutions and dense layers of any shape: in portable C, the reference of the DSP kernels, and with the DSP
 * extension by SMLAD, one position at a time. */
#include "ecgd_kernels.h"
#include "ecgd_requantize.h"
#include "ecgd_conv_dsp.h"

int32_t ecgd_requantize(int32_t acc, int32_t multiplier, int32_t right) {
    return ecgd_requantize_inline(acc, multiplier, right);
}

/* A result of a position; where positions are pooled, the later ones count if they are larger. */
static inline void put(const ecgd_conv_t *conv, uint32_t channel, int32_t acc, int later, void *out, uint32_t row) {
    const int16_t x = ecgd_clamp(
        ecgd_requantize_inline(acc, conv->scale[channel].multiplier, conv->right[channel]), conv->low, conv->high);
    const uint32_t at = row * conv->channels + channel;
    if (conv->narrow) {
        uint8_t *y = (uint8_t *)out + at;
        const uint8_t u = (uint8_t)(x + conv->zero + 128);
        *y = !later || u > *y ? u : *y;
    } else {
        int16_t *y = (int16_t *)out + at;
        *y = !later || x > *y ? x : *y;
    }
}

void ecgd_conv_portable(const ecgd_conv_t *conv, const int16_t *window, uint32_t positions, void *out) {
    const uint32_t filled = (conv->length + 3u) & ~3u;
    const uint32_t channels = conv->channels;
    /* In the sum form the high byte holds b - 1 where a is negative. */
    const int32_t borrow = conv->form == ECGD_WEIGHTS_SUM ? -1 : 0;
    const uint32_t pool = conv->pool == 2 ? 2 : 1;
    const int8_t *weights = conv->weights;
    for (uint32_t channel = 0; channel < channels; channel += 2) {
        for (uint32_t p = 0; p < positions * pool; p++) {
            const int16_t *x = window + p * conv->stride;
            const int8_t *w = weights;
            int32_t a = conv->scale[channel].bias;
            int32_t b = conv->scale[channel + 1].bias;
            for (uint32_t s = 0; s < conv->segments; s++) {
                for (uint32_t i = 0; i < conv->length; i++) {
                    const int32_t wa = w[2 * i];
                    const int32_t wb = w[2 * i + 1] - (borrow & (wa >> 31));
                    a += wa * x[i];
                    b += wb * x[i];
                }
                w += 2 * filled;
                x += conv->step;
            }
            put(conv, channel, a, p % pool != 0, out, p / pool);
            if (channel + 1 < channels) {
                put(conv, channel + 1, b, p % pool != 0, out, p / pool);
            }
        }
        weights += 2 * filled * conv->segments;
    }
}

void ecgd_conv_u8_portable(const ecgd_conv_t *conv, const uint8_t *window, uint32_t positions, void *out) {
    const uint32_t channels = conv->channels, length = conv->length;
    const int32_t borrow = conv->form == ECGD_WEIGHTS_SUM ? -1 : 0;
    for (uint32_t channel = 0; channel < channels; channel += 2) {
        const int8_t *const w = conv->weights + channel * length;
        for (uint32_t p = 0; p < positions; p++) {
            const uint8_t *x = window + p * conv->stride;
            int32_t a = conv->scale[channel].bias;
            int32_t b = conv->scale[channel + 1].bias;
            for (uint32_t i = 0; i < length; i++) {
                const uint32_t place = (i & ~3u) | (i & 1u) << 1 | (i >> 1 & 1u);
                const int32_t wa = w[2 * place];
                const int32_t wb = w[2 * place + 1] - (borrow & (wa >> 31));
                a += wa * x[i];
                b += wb * x[i];
            }
            put(conv, channel, a, 0, out, p);
            put(conv, channel + 1, b, 0, out, p);
        }
    }
}

void ecgd_depthwise_portable(const ecgd_depthwise_t *conv, const void *window, uint32_t positions, int16_t *out) {
    for (uint32_t channel = 0; channel < conv->channels; channel++) {
        const int8_t *w = conv->weights + (channel & ~1u) * conv->length + (channel & 1u);
        for (uint32_t p = 0; p < positions; p++) {
            const uint32_t first = p * conv->stride + channel;
            int32_t acc = conv->scale[channel].bias;
            if (conv->narrow) {
                const uint8_t *x = (const uint8_t *)window + first;
                for (uint32_t k = 0; k < conv->taps; k++) {
                    acc += w[2 * k] * x[k * conv->step];
                }
            } else {
                const int16_t *x = (const int16_t *)window + first;
                for (uint32_t k = 0; k < conv->taps; k++) {
                    acc += w[2 * k] * x[k * conv->step];
                }
            }
            out[p * conv->channels + channel] =
                ecgd_clamp(ecgd_requantize_inline(acc, conv->scale[channel].multiplier, conv->right[channel]),
                           conv->low, conv->high);
        }
    }
}

#if !defined(__ARM_FEATURE_DSP) || defined(ECGD_FORCE_PORTABLE)

void ecgd_conv_any(const ecgd_conv_t *conv, const int16_t *window, uint32_t positions, void *out) {
    ecgd_conv_portable(conv, window, positions, out);
}

void ecgd_depthwise_any(const ecgd_depthwise_t *conv, const void *window, uint32_t positions, int16_t *out) {
    ecgd_depthwise_portable(conv, window, positions, out);
}

#else

#include "ecgd_acle.h"
#include <string.h>

static inline int16x2_t two(const void *p) { /* any alignment */
    int16x2_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline uint32_t turned(uint32_t x) { return x >> 8 | x << 24; }

/* Sums of one segment in either form of the weights; returns the weights after it. */
static inline const int8_t *segment_sum(const int8_t *w, const int16_t *x, uint32_t length, int32_t *a, int32_t *b) {
    int32_t sum_a = *a, sum_b = *b;
    for (const int16_t *end = x + length; x < end; x += 4, w += 8) {
        const int16x2_t w0 = two(w), w1 = two(w + 4), x0 = two(x), x1 = two(x + 2);
        sum_a = __smlad(x0, __sxtb16((int8x4_t)w0), sum_a);
        sum_b = __smlad(x0, w0, sum_b);
        sum_a = __smlad(x1, __sxtb16((int8x4_t)w1), sum_a);
        sum_b = __smlad(x1, w1, sum_b);
    }
    *a = sum_a;
    *b = sum_b;
    return w;
}

static inline const int8_t *segment_bytes(const int8_t *w, const int16_t *x, uint32_t length, int32_t *a, int32_t *b) {
    int32_t sum_a = *a, sum_b = *b;
    for (const int16_t *end = x + length; x < end; x += 2, w += 4) {
        const int16x2_t pair = two(w), data = two(x);
        sum_a = __smlad(data, __sxtb16((int8x4_t)pair), sum_a);
        sum_b = __smlad(data, __sxtb16((int8x4_t)turned((uint32_t)pair)), sum_b);
    }
    *a = sum_a;
    *b = sum_b;
    return w + (length % 4u == 1 || length % 4u == 2 ? 4 : 0); /* the filling to a multiple of 4 elements */
}

void ecgd_conv_any(const ecgd_conv_t *conv, const int16_t *window, uint32_t positions, void *out) {
    const uint32_t channels = conv->channels;
    const int bytes = conv->form == ECGD_WEIGHTS_BYTES;
    const uint32_t pool = conv->pool == 2 ? 2 : 1;
    for (uint32_t p = 0; p < positions * pool; p++, window += conv->stride) {
        const int8_t *w = conv->weights;
        for (uint32_t channel = 0; channel < channels; channel += 2) {
            const ecgd_scale_t *scale = conv->scale + channel;
            const int16_t *x = window;
            int32_t a = 0, b = 0;
            for (uint32_t s = 0; s < conv->segments; s++, x += conv->step) {
                w = bytes ? segment_bytes(w, x, conv->length, &a, &b) : segment_sum(w, x, conv->length, &a, &b);
            }
            if (!bytes) {
                b = (int32_t)((uint32_t)b - (uint32_t)a) >> 8;
            }
            put(conv, channel, a + scale[0].bias, p % pool != 0, out, p / pool);
            if (channel + 1 < channels) {
                put(conv, channel + 1, b + scale[1].bias, p % pool != 0, out, p / pool);
            }
        }
    }
}

void ecgd_depthwise_any(const ecgd_depthwise_t *conv, const void *window, uint32_t positions, int16_t *out) {
    ecgd_depthwise_portable(conv, window, positions, out);
}

#endif
