/* Weights of 1 to 7 bits: kept packed in flash, unpacked a group of channels at a time into RAM, where the ordinary
 * kernels read them. A group is unpacked once for all positions of a call, so a schedule with longer calls pays less
 * for it, and more for its windows (host/ecgdeploy/codegen/plan.py weighs the two).
 *
 * What is packed is the byte stream that the kernel reads (ecgd_kernels.h), so that a layer's results do not depend on
 * how its weights are kept. Each byte is `code - offset`, or `table[code]`.
 *
 * A block holds 32 bytes as `bits` words. The bits of a code are split into fields of 4, 2 and 1 bits, lowest first, as
 * the number `bits` is made of 4, 2 and 1; each field has its own words: 4 words of nibbles, 2 words of pairs, 1 word of
 * single bits. In a word of fields of width w, output word i % (8 / w) is found w * (i % (8 / w)) bits up, in all four
 * bytes at once. host/ecgdeploy/codegen/subbyte.py is the only writer.
 */
#ifndef ECGD_PACKED_H
#define ECGD_PACKED_H

#include "ecgd_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ECGD_PACKED_BLOCK 32u /* bytes that a block unpacks to */

/* `blocks` * 32 bytes to `out`, 4-byte aligned; `offset` (0..128) is taken from every code. */
typedef void ecgd_unpack_t(const uint32_t *codes, uint32_t blocks, uint32_t offset, uint32_t *out);
ecgd_unpack_t ecgd_unpack_signs; /* one bit: twice the code, less the offset of 1, so -1 or 1 */
ecgd_unpack_t ecgd_unpack_1, ecgd_unpack_2, ecgd_unpack_3, ecgd_unpack_4, ecgd_unpack_5, ecgd_unpack_6, ecgd_unpack_7;

typedef struct {
    const uint32_t *codes;
    ecgd_unpack_t *unpack;
    const int8_t *table;     /* NULL, or what the codes stand for: [channels rounded up to even][table_step] */
    uint16_t table_step;     /* 0: one table of 2^bits for all channels; else 2^bits */
    uint16_t group;          /* channels unpacked at a time, even */
    uint16_t blocks;         /* of a group */
    uint8_t offset;
    uint8_t bits;
} ecgd_packed_t;

/* As `kernel` on the unpacked weights. `scratch` takes the group's weights, `rows` its results: [positions][group],
 * unused where the group is the whole layer or one position is asked for. `conv->weights` is not read. */
void ecgd_conv_packed(const ecgd_conv_t *conv, const ecgd_packed_t *packed, ecgd_conv_kernel_t *kernel,
                      const int16_t *window, uint32_t positions, uint32_t *scratch, int16_t *rows, int16_t *out);
void ecgd_depthwise_packed(const ecgd_depthwise_t *conv, const ecgd_packed_t *packed, ecgd_depthwise_kernel_t *kernel,
                           const int16_t *window, uint32_t positions, uint32_t *scratch, int16_t *rows, int16_t *out);

#ifdef __cplusplus
}
#endif
#endif
