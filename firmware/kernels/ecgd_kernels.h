/* Kernels of the static engine: what the generated C calls, bit for bit as TensorFlow Lite Micro computes it.
 *
 * Activations are int16 and free of their zero point (q - zero point, so -255..255), in [time][channel] order. The
 * window of a one-dimensional convolution is then contiguous memory, padding is zeros, and nothing is unpacked.
 * Weights stay int8 and are reordered when code is generated (host/ecgdeploy/codegen/packing.py, the only writer of
 * these structs' constants). Every kernel works on a block of `positions` output positions: a streaming schedule calls
 * it with small blocks over a sliding window, a layer-by-layer schedule with all positions at once.
 *
 * Where memory counts more, the code generator keeps a value as bytes instead (codegen/storage.py): q + 128, which is
 * the zero-point-free value itself where the zero point is -128, as after a ReLU. Padding is then zero point + 128.
 *
 * Two implementations with identical results: portable C11, and Cortex-M with the DSP extension (M4, M7, M33, M55),
 * chosen by __ARM_FEATURE_DSP. On the latter a convolution is instantiated for each distinct position stride by
 * ECGD_CONV_KERNEL(name, stride, mode); packing.py says which definition a layer needs and what to call.
 *
 * Reading beyond the window: the DSP kernels work on blocks of ECGD_CONV_BLOCK positions and on 4 elements at a time.
 * The input buffer of a convolution, also a depthwise one, must therefore be readable (any content) for
 * ECGD_CONV_BLOCK positions from `window`, however few are asked for, and ECGD_READ_SLACK elements past its last one.
 * Buffers are 4-byte aligned, and so is each row of an even number of channels.
 */
#ifndef ECGD_KERNELS_H
#define ECGD_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ECGD_CONV_BLOCK 3u /* positions a DSP convolution computes at once: best block sizes are its multiples */
#define ECGD_READ_SLACK 4u /* elements past the last window that may be read (and are multiplied by zero) */

/* --- requantization: TFLite's double rounding ------------------------------------------------------------------- */

/* Per output channel. The shift is kept apart, as a byte: 9 bytes a channel. */
typedef struct {
    int32_t bias;
    int32_t multiplier; /* Q0.31 */
} ecgd_scale_t;

/* acc * multiplier / 2^31, rounded, then / 2^right, rounded half away from zero; right < 0 shifts acc left first. */
int32_t ecgd_requantize(int32_t acc, int32_t multiplier, int32_t right);

/* --- convolution, dense layers ---------------------------------------------------------------------------------- */

/* Weights of output channels a = 2j and b = 2j + 1 run side by side: element i of the window is the 16-bit
 * little-endian value 256 * b[i] + a[i] (ECGD_WEIGHTS_SUM), or the bytes a[i], b[i] (ECGD_WEIGHTS_BYTES). Each segment
 * is filled with zeros to a multiple of 4 elements, an odd last channel gets a partner of zeros.
 * The sum form lets the DSP kernel accumulate a and 256 * b + a, and save an unpacking; it is chosen where
 * |sum of b[i] * x[i]| < 2^23 holds for every input that the layer can see. */
typedef enum { ECGD_WEIGHTS_SUM = 0, ECGD_WEIGHTS_BYTES = 1 } ecgd_weights_t;

typedef struct {
    const int8_t *weights;     /* 4-byte aligned */
    const ecgd_scale_t *scale; /* [channels rounded up to even] */
    const int8_t *right;       /* [channels rounded up to even]; right shift, negative = left */
    uint16_t channels;         /* outputs */
    uint16_t segments;         /* 1 where the window is contiguous, else kernel taps (dilation) */
    uint16_t length;           /* elements of a segment: taps * inputs, or inputs */
    uint16_t step;             /* elements from a segment to the next */
    uint16_t stride;           /* elements from a position to the next */
    int16_t low, high;         /* clamp of the zero-point-free result */
    int16_t zero;              /* output zero point */
    uint8_t form;              /* ecgd_weights_t */
    uint8_t pool;              /* 2: the larger of each two neighbouring positions is the result; else 1 */
    uint8_t narrow;            /* 1: results are stored as bytes, q + 128 */
} ecgd_conv_t;

/* out[p][c] for p < positions, int16 or (narrow) bytes. Also a dense layer: positions = 1 (or rows), one segment. With pool = 2, `positions`
 * counts pooled results: result p comes from the windows at 2 * p and 2 * p + 1 strides, and blocks are of
 * ECGD_CONV_BLOCK results, so twice as many windows must be readable. */
typedef void ecgd_conv_kernel_t(const ecgd_conv_t *conv, const int16_t *window, uint32_t positions, void *out);
ecgd_conv_kernel_t ecgd_conv_portable;
/* Any shape, and what the DSP instances do not take: one position at a time where there is a DSP extension. */
ecgd_conv_kernel_t ecgd_conv_any;

/* The same for a contiguous window of bytes (q + 128; the biases are of those): an instance sets three windows side by
 * side in `scratch`, 6 * length bytes, so that one load brings two elements of each. Elements 1 and 2 of every four
 * weights stand in each other's place; `length` is a multiple of 4. */
typedef void ecgd_conv_u8_kernel_t(const ecgd_conv_t *conv, const uint8_t *window, uint32_t positions, int16_t *scratch,
                                   void *out);
void ecgd_conv_u8_portable(const ecgd_conv_t *conv, const uint8_t *window, uint32_t positions, void *out);

/* --- depthwise convolution -------------------------------------------------------------------------------------- */

/* Weights of channels a = 2j and b = 2j + 1, tap after tap: bytes a[0], b[0], a[1], b[1], ...; taps are filled with
 * zeros to a multiple of 4, an odd last channel gets a partner of zeros. */
typedef struct {
    const int8_t *weights;
    const ecgd_scale_t *scale;
    const int8_t *right;
    uint16_t channels;
    uint16_t taps;
    uint16_t length; /* taps with their filling */
    uint16_t step;   /* elements from a tap to the next: dilation * channels */
    uint16_t stride; /* elements from a position to the next */
    int16_t low, high;
    int16_t zero;
    uint8_t narrow; /* 1: the window is bytes (q + 128), and the biases are of those */
} ecgd_depthwise_t;

typedef void ecgd_depthwise_kernel_t(const ecgd_depthwise_t *conv, const void *window, uint32_t positions,
                                     int16_t *out);
ecgd_depthwise_kernel_t ecgd_depthwise_portable;
ecgd_depthwise_kernel_t ecgd_depthwise_any;

/* --- pooling over time ------------------------------------------------------------------------------------------ */

/* Largest of `taps` positions; `stride` and `channels` in elements of a row and rows. Windows that padding cuts are
 * called with fewer taps. Results are clamped to low..high. */
typedef struct {
    uint16_t channels;
    uint16_t taps;
    uint16_t stride; /* positions */
    int16_t low, high;
    int16_t zero; /* zero point of input and output: the average rounds quantized values */
} ecgd_pool_t;

void ecgd_max_pool(const ecgd_pool_t *pool, const int16_t *window, uint32_t positions, int16_t *out);
void ecgd_average_pool(const ecgd_pool_t *pool, const int16_t *window, uint32_t positions, int16_t *out);

/* --- elementwise ------------------------------------------------------------------------------------------------ */

typedef struct {
    int32_t multiplier[3]; /* input 1, input 2, output; MUL: output only, in [2] */
    int8_t right[3];
    uint8_t left_shift;    /* 20 for int8; 15 for int16 */
    int16_t low, high;
    uint8_t offset[3];     /* of values kept as bytes: zero point + 128 of input 1, input 2, output */
} ecgd_elementwise_t;

/* `out` may be `a` or `b`. */
void ecgd_add(const ecgd_elementwise_t *op, const int16_t *a, const int16_t *b, uint32_t count, int16_t *out);
void ecgd_sub(const ecgd_elementwise_t *op, const int16_t *a, const int16_t *b, uint32_t count, int16_t *out);
void ecgd_mul(const ecgd_elementwise_t *op, const int16_t *a, const int16_t *b, uint32_t count, int16_t *out);
/* One operand for all: b is one element. For "channel" patterns call once a row, for "position" once a position. */
void ecgd_add_scalar(const ecgd_elementwise_t *op, const int16_t *a, int16_t b, uint32_t count, int16_t *out);
void ecgd_sub_scalar(const ecgd_elementwise_t *op, const int16_t *a, int16_t b, uint32_t count, int16_t *out);
void ecgd_mul_scalar(const ecgd_elementwise_t *op, const int16_t *a, int16_t b, uint32_t count, int16_t *out);

/* --- values kept as bytes, q + 128: half the memory of int16 where it is the window that costs ------------------- */

void ecgd_max_pool_u8(const ecgd_pool_t *pool, const uint8_t *window, uint32_t positions, uint8_t *out);
/* `out` may be `a` or `b`. */
void ecgd_add_u8(const ecgd_elementwise_t *op, const uint8_t *a, const uint8_t *b, uint32_t count, uint8_t *out);
/* The same where it is one linear function of the two bytes, which codegen/linear.py proves over all pairs:
 * (256 * (a - 128) * factor[0] >> 16) + (the same of b) + constant, its fraction bits shifted out, clamped to 0..255. */
#define ECGD_ADD_FRACTION 21
typedef struct {
    int32_t factor[2];
    int32_t constant;
} ecgd_linear_t;

void ecgd_add_linear_u8(const ecgd_linear_t *op, const uint8_t *a, const uint8_t *b, uint32_t count, uint8_t *out);
/* Sums of bytes: at most 257 positions fit. Their offset is taken away when they are requantized. */
void ecgd_accumulate_u8(uint16_t *sums, const uint8_t *in, uint32_t channels, uint32_t positions);
void ecgd_requantize_sums_u8(const uint16_t *sums, uint32_t count, int32_t offset, int32_t multiplier, int32_t right,
                             int16_t low, int16_t high, int16_t *out);
/* `rows` rows of `count` elements that are `step` apart, side by side as int16: offset is zero point + 128. */
void ecgd_widen_rows(const uint8_t *in, uint32_t rows, uint32_t count, uint32_t step, uint8_t offset, int16_t *out);
void ecgd_load_u8(const int8_t *in, uint32_t count, uint8_t *out);

/* table[q + 128] is the output q for the input q; zero points of both sides. In place allowed. */
void ecgd_lookup(const int8_t *table, int16_t zero_in, int16_t zero_out, const int16_t *in, uint32_t count,
                 int16_t *out);

/* --- MEAN and SUM over time: a running sum, then one requantization --------------------------------------------- */

void ecgd_accumulate(int32_t *sums, const int16_t *in, uint32_t channels, uint32_t positions);
void ecgd_requantize_sums(const int32_t *sums, uint32_t count, int32_t multiplier, int32_t right, int16_t low,
                          int16_t high, int16_t *out);

/* --- softmax, int8 to int8 (output zero point -128: out is 0..255) ---------------------------------------------- */

typedef struct {
    int32_t multiplier;
    uint8_t left_shift;
    int16_t smallest; /* differences below contribute nothing */
} ecgd_softmax_t;

void ecgd_softmax(const ecgd_softmax_t *op, const int16_t *in, uint32_t rows, uint32_t depth, int16_t *out);

/* What is kept of a window, moved to its start: `to` lies before `from`. Word by word where both are aligned to words. */
void ecgd_move_down(void *to, const void *from, uint32_t bytes);

/* --- the borders: bytes of the link to activations and back ------------------------------------------------------ */

void ecgd_load_int8(const int8_t *in, uint32_t count, int16_t zero, int16_t *out);
void ecgd_store_int8(const int16_t *in, uint32_t count, int16_t zero, int8_t *out);

#include "ecgd_kernels_dsp.h"

#ifdef __cplusplus
}
#endif
#endif
