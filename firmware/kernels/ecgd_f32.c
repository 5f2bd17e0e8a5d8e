/* Float32 kernels; see ecgd_kernels_f32.h. */
#include "ecgd_kernels_f32.h"

#include <float.h>
#include <string.h>

#ifdef __FAST_MATH__
#error "the order and rounding of float operations are part of the result: no -ffast-math"
#endif

/* std::max, then std::min, as the reference: an unordered or equal pair keeps x. */
static inline float clamp(float x, float low, float high) {
    x = x < low ? low : x;
    return high < x ? high : x;
}

#if defined(__ARM_FP) && (__ARM_FP & 4) && defined(__thumb2__) && !defined(ECGD_FORCE_PORTABLE)

/* Eight channels at two positions: s0-s7 and s8-s15; weights of one element s16-s23; data s24-s27 and s28-s31. */
#define ECGD_ELEMENT(first, second)                                                                                  \
    "vldmia %[w]!, {s16-s23}\n"                                                                                      \
    "vmla.f32 s0, s16, " first "\nvmla.f32 s8, s16, " second "\n"                                                    \
    "vmla.f32 s1, s17, " first "\nvmla.f32 s9, s17, " second "\n"                                                    \
    "vmla.f32 s2, s18, " first "\nvmla.f32 s10, s18, " second "\n"                                                   \
    "vmla.f32 s3, s19, " first "\nvmla.f32 s11, s19, " second "\n"                                                   \
    "vmla.f32 s4, s20, " first "\nvmla.f32 s12, s20, " second "\n"                                                   \
    "vmla.f32 s5, s21, " first "\nvmla.f32 s13, s21, " second "\n"                                                   \
    "vmla.f32 s6, s22, " first "\nvmla.f32 s14, s22, " second "\n"                                                   \
    "vmla.f32 s7, s23, " first "\nvmla.f32 s15, s23, " second "\n"

/* One block of channels at two positions; writes 2 x 8 sums with bias to `sums`. */
static const float *conv_block(const ecgd_conv_f32_t *conv, const float *w, const float *bias, const float *x0,
                               const float *x1, float *sums) {
    const uint32_t jump = 4u * conv->step - 4u * conv->length;
    const uint32_t fours = conv->length / 4u, rest = conv->length % 4u;
    uint32_t segments = conv->segments, n;
    float zero = 0.0f;
    __asm__ volatile(
        "vmov s0, %[zero]\nvmov s1, s0\nvmov.f32 s2, s0\nvmov.f32 s3, s0\nvmov.f32 s4, s0\nvmov.f32 s5, s0\n"
        "vmov.f32 s6, s0\nvmov.f32 s7, s0\nvmov.f32 s8, s0\nvmov.f32 s9, s0\nvmov.f32 s10, s0\nvmov.f32 s11, s0\n"
        "vmov.f32 s12, s0\nvmov.f32 s13, s0\nvmov.f32 s14, s0\nvmov.f32 s15, s0\n"
        "1:\n"
        "movs %[n], %[fours]\n"
        "beq 3f\n"
        "2:\n"
        "vldmia %[x0]!, {s24-s27}\n"
        "vldmia %[x1]!, {s28-s31}\n"
        ECGD_ELEMENT("s24", "s28")
        ECGD_ELEMENT("s25", "s29")
        ECGD_ELEMENT("s26", "s30")
        ECGD_ELEMENT("s27", "s31")
        "subs %[n], %[n], #1\n"
        "bne.w 2b\n"
        "3:\n"
        "movs %[n], %[rest]\n"
        "beq 5f\n"
        "4:\n"
        "vldmia %[x0]!, {s24}\n"
        "vldmia %[x1]!, {s28}\n"
        ECGD_ELEMENT("s24", "s28")
        "subs %[n], %[n], #1\n"
        "bne.w 4b\n"
        "5:\n"
        "add %[x0], %[x0], %[jump]\n"
        "add %[x1], %[x1], %[jump]\n"
        "subs %[segments], %[segments], #1\n"
        "bne.w 1b\n"
        "vldmia %[bias], {s16-s23}\n"
        "vadd.f32 s0, s0, s16\nvadd.f32 s1, s1, s17\nvadd.f32 s2, s2, s18\nvadd.f32 s3, s3, s19\n"
        "vadd.f32 s4, s4, s20\nvadd.f32 s5, s5, s21\nvadd.f32 s6, s6, s22\nvadd.f32 s7, s7, s23\n"
        "vadd.f32 s8, s8, s16\nvadd.f32 s9, s9, s17\nvadd.f32 s10, s10, s18\nvadd.f32 s11, s11, s19\n"
        "vadd.f32 s12, s12, s20\nvadd.f32 s13, s13, s21\nvadd.f32 s14, s14, s22\nvadd.f32 s15, s15, s23\n"
        "vstmia %[sums], {s0-s15}\n"
        : [w] "+r"(w), [x0] "+r"(x0), [x1] "+r"(x1), [segments] "+r"(segments), [n] "=&r"(n)
        : [fours] "r"(fours), [rest] "r"(rest), [jump] "r"(jump), [bias] "r"(bias), [sums] "r"(sums),
          [zero] "r"(zero)
        : "cc", "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13",
          "s14", "s15", "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27", "s28",
          "s29", "s30", "s31");
    return w;
}

/* Clamp of eight results: ReLU on their bits (a sum that starts at +0 never ends at -0). */
static inline void finish_block(const ecgd_conv_f32_t *conv, const float *sums, uint32_t count, float *out) {
    if (conv->low == 0.0f && conv->high == FLT_MAX) {
        for (uint32_t c = 0; c < count; c++) {
            int32_t bits;
            memcpy(&bits, sums + c, sizeof bits);
            bits &= ~(bits >> 31);
            memcpy(out + c, &bits, sizeof bits);
        }
    } else {
        for (uint32_t c = 0; c < count; c++) {
            out[c] = clamp(sums[c], conv->low, conv->high);
        }
    }
}

void ecgd_conv_f32(const ecgd_conv_f32_t *conv, const float *window, uint32_t positions, float *out) {
    const uint32_t channels = conv->channels;
    for (uint32_t p = 0; p < positions; p += 2) {
        const float *x0 = window + p * conv->stride;
        const float *x1 = p + 1 < positions ? x0 + conv->stride : x0;
        const float *w = conv->weights;
        for (uint32_t first = 0; first < channels; first += ECGD_F32_CHANNELS) {
            float sums[2 * ECGD_F32_CHANNELS];
            w = conv_block(conv, w, conv->bias + first, x0, x1, sums);
            const uint32_t count = channels - first < ECGD_F32_CHANNELS ? channels - first : ECGD_F32_CHANNELS;
            float *y = out + p * channels + first;
            finish_block(conv, sums, count, y);
            if (x1 != x0) {
                finish_block(conv, sums + ECGD_F32_CHANNELS, count, y + channels);
            }
        }
    }
}

#else

void ecgd_conv_f32(const ecgd_conv_f32_t *conv, const float *window, uint32_t positions, float *out) {
    const uint32_t channels = conv->channels;
    for (uint32_t p = 0; p < positions; p++, window += conv->stride, out += channels) {
        const float *w = conv->weights;
        for (uint32_t first = 0; first < channels; first += ECGD_F32_CHANNELS) {
            float sums[ECGD_F32_CHANNELS] = {0.0f};
            const float *x = window;
            for (uint32_t s = 0; s < conv->segments; s++, x += conv->step) {
                for (uint32_t i = 0; i < conv->length; i++, w += ECGD_F32_CHANNELS) {
                    for (uint32_t c = 0; c < ECGD_F32_CHANNELS; c++) {
                        sums[c] += w[c] * x[i];
                    }
                }
            }
            for (uint32_t c = 0; c < ECGD_F32_CHANNELS && first + c < channels; c++) {
                out[first + c] = clamp(sums[c] + conv->bias[first + c], conv->low, conv->high);
            }
        }
    }
}

#endif

void ecgd_depthwise_f32(const ecgd_depthwise_f32_t *conv, const float *window, uint32_t positions, float *out) {
    const uint32_t channels = conv->channels;
    for (uint32_t p = 0; p < positions; p++, window += conv->stride) {
        for (uint32_t c = 0; c < channels; c++) {
            float sum = 0.0f;
            for (uint32_t k = 0; k < conv->taps; k++) {
                sum += window[k * conv->step + c] * conv->weights[k * channels + c];
            }
            *out++ = clamp(sum + conv->bias[c], conv->low, conv->high);
        }
    }
}

void ecgd_max_pool_f32(const ecgd_pool_f32_t *pool, const float *window, uint32_t positions, float *out) {
    const uint32_t channels = pool->channels;
    for (uint32_t p = 0; p < positions; p++, window += pool->stride * channels) {
        for (uint32_t c = 0; c < channels; c++) {
            float best = window[c];
            for (uint32_t k = 1; k < pool->taps; k++) {
                const float x = window[k * channels + c];
                best = best < x ? x : best;
            }
            *out++ = clamp(best, pool->low, pool->high);
        }
    }
}

void ecgd_average_pool_f32(const ecgd_pool_f32_t *pool, const float *window, uint32_t positions, float *out) {
    const uint32_t channels = pool->channels;
    for (uint32_t p = 0; p < positions; p++, window += pool->stride * channels) {
        for (uint32_t c = 0; c < channels; c++) {
            float sum = 0.0f;
            for (uint32_t k = 0; k < pool->taps; k++) {
                sum += window[k * channels + c];
            }
            *out++ = clamp(sum / (float)pool->taps, pool->low, pool->high);
        }
    }
}

void ecgd_add_f32(const ecgd_elementwise_f32_t *op, const float *a, const float *b, uint32_t step_b, uint32_t count,
                  float *out) {
    for (uint32_t i = 0; i < count; i++, b += step_b) {
        out[i] = clamp(a[i] + *b, op->low, op->high);
    }
}

void ecgd_sub_f32(const ecgd_elementwise_f32_t *op, const float *a, const float *b, uint32_t step_b, uint32_t count,
                  float *out) {
    for (uint32_t i = 0; i < count; i++, b += step_b) {
        out[i] = clamp(a[i] - *b, op->low, op->high);
    }
}

void ecgd_mul_f32(const ecgd_elementwise_f32_t *op, const float *a, const float *b, uint32_t step_b, uint32_t count,
                  float *out) {
    for (uint32_t i = 0; i < count; i++, b += step_b) {
        out[i] = clamp(a[i] * *b, op->low, op->high);
    }
}

void ecgd_clamp_f32(const float *in, uint32_t count, float low, float high, float *out) {
    for (uint32_t i = 0; i < count; i++) {
        out[i] = clamp(in[i], low, high);
    }
}

void ecgd_leaky_relu_f32(const float *in, uint32_t count, float alpha, float *out) {
    for (uint32_t i = 0; i < count; i++) {
        out[i] = in[i] > 0.0f ? in[i] : in[i] * alpha;
    }
}

void ecgd_accumulate_f32(float *sums, const float *in, uint32_t channels, uint32_t positions) {
    for (uint32_t p = 0; p < positions; p++) {
        for (uint32_t c = 0; c < channels; c++) {
            sums[c] += *in++;
        }
    }
}

void ecgd_divide_f32(const float *sums, uint32_t count, float by, float *out) {
    for (uint32_t i = 0; i < count; i++) {
        out[i] = sums[i] / by;
    }
}
