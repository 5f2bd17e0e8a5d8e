/* One step of an int8 LSTM with 16-bit cell state, as UNIDIRECTIONAL_SEQUENCE_LSTM computes it. */
#ifndef ECGD_LSTM_H
#define ECGD_LSTM_H

#include <stdint.h>

#include "ecgd_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ECGD_LSTM_GATES 4u
#define ECGD_SIGMOID_ENTRIES 256u
#define ECGD_LSTM_STATES 6u /* rows of `units` elements that a step needs: hidden, cell, three gates, one product */

/* Gates in the order forget, input, cell, output. Their sums are Q3.12, from the input (with the bias) and from the
 * hidden state, saturated each. */
typedef struct {
    ecgd_conv_kernel_t *input_kernel[ECGD_LSTM_GATES], *hidden_kernel[ECGD_LSTM_GATES];
    const ecgd_conv_t *input[ECGD_LSTM_GATES], *hidden[ECGD_LSTM_GATES];
    const uint16_t *sigmoid; /* sigmoid(i / 24) in Q0.16 */
    int32_t multiplier[3], right[3]; /* forget gate x cell, input gate x cell gate, tanh(cell) x output gate */
    uint16_t units;
    int16_t cell_clip; /* 0: none */
    int8_t cell_power; /* the cell's scale is 2^cell_power */
    int16_t low, high; /* of the zero-point-free hidden state */
} ecgd_lstm_t;

/* `state` holds ECGD_LSTM_STATES rows; hidden and cell (the first two) are zeroed before the first step. */
void ecgd_lstm_step(const ecgd_lstm_t *lstm, const int16_t *in, int16_t *state, int16_t *out);

#ifdef __cplusplus
}
#endif
#endif
