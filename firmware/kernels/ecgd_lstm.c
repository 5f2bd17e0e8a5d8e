/* See ecgd_lstm.h. */
#include "ecgd_lstm.h"

#include "ecgd_requantize.h"

#define LAST (ECGD_SIGMOID_ENTRIES - 1u)

static int16_t saturate16(int32_t x)
{
    return ecgd_clamp(x, INT16_MIN, INT16_MAX);
}

/* Q3.12 to Q0.15; 3/4 of the input is looked up on both sides of its fraction. */
static int16_t sigmoid16(const uint16_t *table, int32_t x)
{
    const int32_t scaled = x * 3;
    const uint32_t magnitude = (uint32_t)(scaled < 0 ? -scaled : scaled);
    const uint32_t at = magnitude >> 9;
    uint32_t result = UINT32_C(0x7fff) << 10;
    if (at < LAST) {
        const uint32_t below = table[at];
        result = (below << 9) + (magnitude & 0x1ffu) * (table[at + 1u] - below);
    }
    result = scaled >= 0 ? result + (1u << 9) : (UINT32_C(1) << 25) - result + (1u << 9) - 1u;
    return (int16_t)(result >> 10);
}

/* Q(15 + power).(-power) to Q0.15, by 2 sigmoid(2 x) - 1. */
static int16_t tanh16(const uint16_t *table, int32_t x, int power)
{
    const int shift = 12 + power;
    const int32_t scaled = shift < 0 ? (x * 3 + (INT32_C(1) << (-shift - 1))) >> -shift : x * (INT32_C(3) << shift);
    const uint32_t magnitude = (uint32_t)(scaled < 0 ? -scaled : scaled);
    const uint32_t at = magnitude >> 8;
    int32_t result = INT32_C(0xffff) << 8;
    if (at < LAST) {
        const uint32_t below = table[at];
        result = (int32_t)((below << 8) + (magnitude & 0xffu) * (table[at + 1u] - below));
    }
    result = scaled >= 0 ? result - (INT32_C(1) << 23) + (INT32_C(1) << 7)
                         : -result + (INT32_C(1) << 23) + (INT32_C(1) << 7) - 1;
    return (int16_t)(result >> 8);
}

static void gate(const ecgd_lstm_t *l, unsigned which, const int16_t *in, const int16_t *hidden, int16_t *product,
                 int16_t *out)
{
    l->input_kernel[which](l->input[which], in, 1, out);
    l->hidden_kernel[which](l->hidden[which], hidden, 1, product);
    for (uint32_t u = 0; u < l->units; u++) {
        const int16_t sum = saturate16((int32_t)out[u] + product[u]);
        out[u] = which == 2u ? tanh16(l->sigmoid, sum, -12) : sigmoid16(l->sigmoid, sum);
    }
}

void ecgd_lstm_step(const ecgd_lstm_t *l, const int16_t *in, int16_t *state, int16_t *out)
{
    const uint32_t units = l->units;
    int16_t *const hidden = state, *const cell = hidden + units, *const forget = cell + units;
    int16_t *const input = forget + units, *const update = input + units, *const product = update + units;
    gate(l, 0, in, hidden, product, forget);
    gate(l, 1, in, hidden, product, input);
    gate(l, 2, in, hidden, product, update);
    for (uint32_t u = 0; u < units; u++) {
        const int16_t kept = saturate16(
            ecgd_requantize_inline((int32_t)forget[u] * cell[u], l->multiplier[0], l->right[0]));
        const int16_t added = saturate16(
            ecgd_requantize_inline((int32_t)input[u] * update[u], l->multiplier[1], l->right[1]));
        const int16_t sum = saturate16((int32_t)kept + added);
        cell[u] = l->cell_clip > 0 ? ecgd_clamp(sum, (int16_t)-l->cell_clip, l->cell_clip) : sum;
    }
    gate(l, 3, in, hidden, product, input);
    for (uint32_t u = 0; u < units; u++) {
        const int32_t activated = tanh16(l->sigmoid, cell[u], l->cell_power);
        hidden[u] = ecgd_clamp(
            ecgd_requantize_inline(activated * input[u], l->multiplier[2], l->right[2]), l->low, l->high);
        out[u] = hidden[u];
    }
}
