/* Pooling, elementwise operators, sums, tables and the borders, in C that is the same on every target. */
#include "ecgd_kernels.h"
#include "ecgd_requantize.h"

void ecgd_max_pool(const ecgd_pool_t *pool, const int16_t *window, uint32_t positions, int16_t *out) {
    const uint32_t channels = pool->channels;
    for (uint32_t p = 0; p < positions; p++) {
        const int16_t *row = window + p * pool->stride * channels;
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

void ecgd_add(const ecgd_elementwise_t *op, const int16_t *a, const int16_t *b, uint32_t count, int16_t *out) {
    for (uint32_t i = 0; i < count; i++) {
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
    for (uint32_t i = 0; i < count; i++) {
        out[i] = (int16_t)(in[i] - zero);
    }
}

void ecgd_store_int8(const int16_t *in, uint32_t count, int16_t zero, int8_t *out) {
    for (uint32_t i = 0; i < count; i++) {
        out[i] = (int8_t)(in[i] + zero);
    }
}
