/* See ecgd_functions.h. */
#include "ecgd_functions.h"

#include <string.h>

#include "ecgd_requantize.h"

void ecgd_prelu(const ecgd_prelu_t *op, const int16_t *in, const int16_t *slope, uint32_t step, uint32_t count,
                int16_t *out) {
    for (uint32_t i = 0; i < count; i++, slope += step) {
        const int negative = in[i] < 0;
        const int32_t x = negative ? in[i] * *slope : in[i];
        out[i] = ecgd_clamp(ecgd_requantize_inline(x, op->multiplier[negative], op->right[negative]), op->low, op->high);
    }
}

void ecgd_prelu_f32(const float *in, const float *slope, uint32_t step, uint32_t count, float *out) {
    for (uint32_t i = 0; i < count; i++, slope += step) {
        out[i] = in[i] >= 0.0f ? in[i] : in[i] * *slope;
    }
}

void ecgd_maximum(const ecgd_elementwise_t *op, const int16_t *a, const int16_t *b, uint32_t count, int16_t *out) {
    (void)op;
    for (uint32_t i = 0; i < count; i++) {
        out[i] = a[i] > b[i] ? a[i] : b[i];
    }
}

void ecgd_minimum(const ecgd_elementwise_t *op, const int16_t *a, const int16_t *b, uint32_t count, int16_t *out) {
    (void)op;
    for (uint32_t i = 0; i < count; i++) {
        out[i] = a[i] < b[i] ? a[i] : b[i];
    }
}

void ecgd_maximum_scalar(const ecgd_elementwise_t *op, const int16_t *a, int16_t b, uint32_t count, int16_t *out) {
    (void)op;
    for (uint32_t i = 0; i < count; i++) {
        out[i] = a[i] > b ? a[i] : b;
    }
}

void ecgd_minimum_scalar(const ecgd_elementwise_t *op, const int16_t *a, int16_t b, uint32_t count, int16_t *out) {
    (void)op;
    for (uint32_t i = 0; i < count; i++) {
        out[i] = a[i] < b ? a[i] : b;
    }
}

void ecgd_pick(const void *in, uint32_t rows, uint32_t width, uint32_t bytes, const uint16_t *index, uint32_t picked,
               void *out) {
    const uint8_t *from = in;
    uint8_t *to = out;
    for (uint32_t r = 0; r < rows; r++, from += width * bytes) {
        if (bytes == 2) { /* of a size that is known, a copy is one load and one store */
            for (uint32_t i = 0; i < picked; i++, to += 2) {
                memcpy(to, from + index[i] * 2u, 2);
            }
        } else if (bytes == 4) {
            for (uint32_t i = 0; i < picked; i++, to += 4) {
                memcpy(to, from + index[i] * 4u, 4);
            }
        } else {
            for (uint32_t i = 0; i < picked; i++, to += bytes) {
                memcpy(to, from + index[i] * bytes, bytes);
            }
        }
    }
}

void ecgd_load_uint8(const int8_t *in, uint32_t count, int16_t zero, int16_t *out) {
    for (uint32_t i = 0; i < count; i++) {
        out[i] = (int16_t)((uint8_t)in[i] - zero);
    }
}

void ecgd_store_uint8(const int16_t *in, uint32_t count, int16_t zero, int8_t *out) {
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t byte = (uint8_t)(in[i] + zero);
        memcpy(out + i, &byte, 1);
    }
}

static inline float clamp(float x, float low, float high) {
    x = x < low ? low : x;
    return high < x ? high : x;
}

#define ECGD_BINARY_F32(name, expression)                                                                              \
    void name(const ecgd_elementwise_f32_t *op, const float *a, const float *b, uint32_t step_b, uint32_t count,       \
              float *out) {                                                                                            \
        for (uint32_t i = 0; i < count; i++, b += step_b) {                                                            \
            const float x = a[i], y = *b;                                                                              \
            out[i] = clamp(expression, op->low, op->high);                                                             \
        }                                                                                                              \
    }

ECGD_BINARY_F32(ecgd_div_f32, x / y)
ECGD_BINARY_F32(ecgd_maximum_f32, x > y ? x : y)
ECGD_BINARY_F32(ecgd_minimum_f32, x < y ? x : y)
ECGD_BINARY_F32(ecgd_squared_difference_f32, (x - y) * (x - y))

/* 2^k for |k| < 127. */
static inline float power_of_two(int32_t k) {
    const uint32_t bits = (uint32_t)(k + 127) << 23;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float scaled(float x, int32_t k) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits += (uint32_t)k << 23;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* exp(x) - 1 by the rational approximation of the C library that the reference ran on (argument reduced by multiples
 * of ln 2 to |x| <= ln 2 / 2, fifth order, in float throughout), so that the last bit is the same. */
static float exp_less_one(float x) {
    const float ln2_high = 0x1.62e3p-1f, ln2_low = 0x1.2fefa2p-17f;
    const float size = x < 0.0f ? -x : x;
    float rest = 0.0f;
    int32_t k = 0;
    if (x != x) {
        return x;
    }
    if (x > 0x1.62e42ep6f) {
        return __builtin_inff();
    }
    if (x <= -0x1.2b7088p4f) {
        return -1.0f;
    }
    if (size > 0x1.62e43p-2f) {
        float high, low;
        if (size < 0x1.0a2b24p0f) {
            k = x > 0.0f ? 1 : -1;
            high = x > 0.0f ? x - ln2_high : x + ln2_high;
            low = x > 0.0f ? ln2_low : -ln2_low;
        } else {
            k = (int32_t)(0x1.715476p0f * x + (x > 0.0f ? 0.5f : -0.5f));
            high = x - (float)k * ln2_high;
            low = (float)k * ln2_low;
        }
        x = high - low;
        rest = (high - x) - low;
    } else if (size < 0x1p-25f) {
        return x;
    }
    const float half = 0.5f * x, square = x * half;
    const float series =
        1.0f + square * (-0x1.111112p-5f +
                         square * (0x1.a01a02p-10f +
                                   square * (-0x1.4ce19ap-14f + square * (0x1.0cfcap-18f + square * -0x1.afdb76p-23f))));
    const float t = 3.0f - series * half;
    float e = square * ((series - t) / (6.0f - x * t));
    if (k == 0) {
        return x - (x * e - square);
    }
    e = x * (e - rest) - rest;
    e -= square;
    if (k == -1) {
        return 0.5f * (x - e) - 0.5f;
    }
    if (k == 1) {
        return x < -0.25f ? -2.0f * (e - (x + 0.5f)) : 1.0f + 2.0f * (x - e);
    }
    if (k <= -2 || k > 56) {
        return scaled(1.0f - (e - x), k) - 1.0f;
    }
    if (k < 23) {
        return scaled((1.0f - power_of_two(-k)) - (e - x), k);
    }
    return scaled(x - (e + power_of_two(-k)) + 1.0f, k);
}

static float hyperbolic_tangent(float x) {
    const float size = x < 0.0f ? -x : x;
    float result = 1.0f;
    if (size < 0x1p-55f || x != x) {
        return x;
    }
    if (size < 22.0f) {
        if (size >= 1.0f) {
            result = 1.0f - 2.0f / (exp_less_one(2.0f * size) + 2.0f);
        } else {
            const float t = exp_less_one(-2.0f * size);
            result = -t / (t + 2.0f);
        }
    }
    return x < 0.0f ? -result : result;
}

/* Square root, rounded to nearest as IEEE 754 has it: in integers where there is no instruction. */
static float square_root(float x) {
#if defined(__ARM_FP) && (__ARM_FP & 4) && defined(__thumb2__) && !defined(ECGD_FORCE_PORTABLE)
    float root;
    __asm__("vsqrt.f32 %0, %1" : "=t"(root) : "t"(x));
    return root;
#else
    if (!(x > 0.0f)) {
        return x < 0.0f ? -__builtin_nanf("") : x;
    }
    int32_t exponent = 0;
    if (x < 0x1p-126f) { /* subnormal */
        x *= 0x1p24f;
        exponent = -24;
    }
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (bits >= UINT32_C(0x7f800000)) {
        return x;
    }
    exponent += (int32_t)(bits >> 23) - 127;
    const uint64_t mantissa = (bits & UINT32_C(0x7fffff)) | UINT32_C(0x800000);
    const int odd = exponent & 1;
    uint64_t rest = mantissa << (25 + odd), root = 0; /* of 25 bits: one more than the result has */
    for (uint64_t bit = UINT64_C(1) << 24; bit != 0; bit >>= 1) {
        if (rest >= (root + root + bit) * bit) {
            rest -= (root + root + bit) * bit;
            root += bit;
        }
    }
    root = (root + 1) >> 1; /* never halfway: no root of 24 bits ends there */
    const uint32_t result = ((uint32_t)((exponent - odd) / 2 + 126) << 23) + (uint32_t)root;
    memcpy(&x, &result, sizeof x);
    return x;
#endif
}

#define ECGD_UNARY_F32(name, expression)                                                                               \
    void name(const float *in, uint32_t count, float *out) {                                                           \
        for (uint32_t i = 0; i < count; i++) {                                                                         \
            const float x = in[i];                                                                                     \
            out[i] = expression;                                                                                       \
        }                                                                                                              \
    }

ECGD_UNARY_F32(ecgd_neg_f32, -x)
ECGD_UNARY_F32(ecgd_abs_f32, __builtin_fabsf(x))
ECGD_UNARY_F32(ecgd_square_f32, x *x)
ECGD_UNARY_F32(ecgd_sqrt_f32, square_root(x))
ECGD_UNARY_F32(ecgd_rsqrt_f32, 1.0f / square_root(x))
ECGD_UNARY_F32(ecgd_exp_all_f32, ecgd_exp_f32(x))
ECGD_UNARY_F32(ecgd_tanh_f32, hyperbolic_tangent(x))
ECGD_UNARY_F32(ecgd_elu_f32, x < 0.0f ? exp_less_one(x) : x)
ECGD_UNARY_F32(ecgd_hard_swish_f32, x *clamp(x + 3.0f, 0.0f, 6.0f) / 6.0f)

void ecgd_sum_rows_f32(const float *in, uint32_t rows, uint32_t depth, float by, float *out) {
    for (uint32_t r = 0; r < rows; r++) {
        float sum = 0.0f;
        for (uint32_t c = 0; c < depth; c++) {
            sum += *in++;
        }
        out[r] = by != 0.0f ? sum / by : sum;
    }
}

void ecgd_matmul_f32(const ecgd_matmul_f32_t *op, const float *a, const float *b, float *out) {
    for (uint32_t m = 0; m < op->rows; m++, a += op->row_a) {
        const float *column = b;
        for (uint32_t n = 0; n < op->columns; n++, column += op->column_b) {
            const float *pa = a, *pb = column;
            float sum = 0.0f;
            for (uint32_t k = 0; k < op->depth; k++, pa += op->depth_a, pb += op->depth_b) {
                sum += *pa * *pb;
            }
            *out++ = sum;
        }
    }
}
