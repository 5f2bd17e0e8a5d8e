/* Packed weights: unpack a group of channels, then call the kernel. */
#include "ecgd_packed.h"

#include <stddef.h>
#include <string.h>

#if defined(__ARM_FEATURE_DSP) && !defined(ECGD_FORCE_PORTABLE)
#include "ecgd_acle.h"
#endif

#define BYTES(x) ((x) * 0x01010101u)

/* Each of the four bytes of a, less that of b; a's are below 128, b's at most 128. */
static inline uint32_t minus(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP) && !defined(ECGD_FORCE_PORTABLE)
    return (uint32_t)__ssub8((int8x4_t)a, (int8x4_t)b);
#else
    return ((a | BYTES(0x80u)) - b) ^ BYTES(0x80u); /* no byte borrows from its neighbour */
#endif
}

/* Masks in registers, where the compiler does not see that they are constants: it would shift and mask in two
 * instructions what AND with a shifted operand does in one. */
#if defined(__GNUC__) && defined(__arm__)
#define OPAQUE(x) __asm("" : "+r"(x))
#else
#define OPAQUE(x) (void)(x)
#endif

/* One word of codes of `bits` bits: from word i / 2 of nibbles, i / 4 of pairs, and the word of single bits. */
#define CODES(bits, i)                                                                                                 \
    (((bits)&4u ? (codes[(i) / 2u] >> (4u * ((i) % 2u))) & nibbles : 0u) |                                             \
     ((bits)&2u ? ((codes[((bits)&4u) + (i) / 4u] >> (2u * ((i) % 4u))) & pairs) << ((bits)&4u) : 0u) |                \
     ((bits)&1u ? ((codes[((bits)&6u)] >> (i)) & singles) << ((bits)&6u) : 0u))

#define ECGD_UNPACK(name, bits, step)                                                                                  \
    void ecgd_unpack_##name(const uint32_t *restrict codes, uint32_t blocks, uint32_t offset,                          \
                            uint32_t *restrict out) {                                                                  \
        const uint32_t less = BYTES(offset);                                                                           \
        uint32_t nibbles = BYTES(15u), pairs = BYTES(3u), singles = BYTES(1u);                                         \
        OPAQUE(nibbles);                                                                                               \
        OPAQUE(pairs);                                                                                                 \
        OPAQUE(singles);                                                                                               \
        for (; blocks != 0; blocks--, codes += bits, out += 8) {                                                       \
            out[0] = minus(step * CODES(bits##u, 0u), less);                                                           \
            out[1] = minus(step * CODES(bits##u, 1u), less);                                                           \
            out[2] = minus(step * CODES(bits##u, 2u), less);                                                           \
            out[3] = minus(step * CODES(bits##u, 3u), less);                                                           \
            out[4] = minus(step * CODES(bits##u, 4u), less);                                                           \
            out[5] = minus(step * CODES(bits##u, 5u), less);                                                           \
            out[6] = minus(step * CODES(bits##u, 6u), less);                                                           \
            out[7] = minus(step * CODES(bits##u, 7u), less);                                                           \
        }                                                                                                              \
    }

ECGD_UNPACK(1, 1, 1u)
ECGD_UNPACK(2, 2, 1u)
ECGD_UNPACK(3, 3, 1u)
ECGD_UNPACK(4, 4, 1u)
ECGD_UNPACK(5, 5, 1u)
ECGD_UNPACK(6, 6, 1u)
ECGD_UNPACK(7, 7, 1u)
ECGD_UNPACK(signs, 1, 2u) /* with offset 1: -1 and 1 */

/* Replace codes by what they stand for; the bytes of two channels alternate. */
static void look_up(const int8_t *even, const int8_t *odd, uint8_t *codes, const uint8_t *end) {
    for (; codes != end; codes += 2) {
        codes[0] = (uint8_t)even[codes[0]];
        codes[1] = (uint8_t)odd[codes[1]];
    }
}

/* The weights of the group that starts at channel `first`; `pair` bytes hold two channels. */
static void unpack_group(const ecgd_packed_t *packed, const uint32_t *codes, uint32_t first, uint32_t channels,
                         uint32_t pair, uint32_t *scratch) {
    packed->unpack(codes, packed->blocks, packed->offset, scratch);
    if (packed->table != NULL) {
        const uint32_t step = packed->table_step;
        const int8_t *table = packed->table + first * step;
        uint8_t *at = (uint8_t *)scratch;
        for (uint32_t channel = 0; channel < channels; channel += 2, at += pair, table += 2 * step) {
            look_up(table, table + step, at, at + pair);
        }
    }
}

static void place(const int16_t *rows, uint32_t width, uint32_t positions, int16_t *out, uint32_t channels) {
    if (width == 2) { /* the common case: layers whose pair of channels fills the scratch */
        for (; positions != 0; positions--, rows += 2, out += channels) {
            memcpy(out, rows, 2 * sizeof *out);
        }
        return;
    }
    for (; positions != 0; positions--, rows += width, out += channels) {
        memcpy(out, rows, width * sizeof *out);
    }
}

void ecgd_conv_packed(const ecgd_conv_t *conv, const ecgd_packed_t *packed, ecgd_conv_kernel_t *kernel,
                      const int16_t *window, uint32_t positions, uint32_t *scratch, int16_t *rows, int16_t *out) {
    const uint32_t channels = conv->channels, group = packed->group;
    const uint32_t pair = 2u * ((conv->length + 3u) & ~3u) * conv->segments;
    const uint32_t *codes = packed->codes;
    ecgd_conv_t part = *conv;
    part.weights = (const int8_t *)scratch;
    for (uint32_t first = 0; first < channels; first += group) {
        const uint32_t width = channels - first < group ? channels - first : group;
        unpack_group(packed, codes, first, width, pair, scratch);
        codes += (uint32_t)packed->blocks * packed->bits;
        part.channels = (uint16_t)width;
        part.scale = conv->scale + first;
        part.right = conv->right + first;
        if (width == channels || positions == 1) {
            kernel(&part, window, positions, out + first);
        } else {
            kernel(&part, window, positions, rows);
            place(rows, width, positions, out + first, channels);
        }
    }
}

void ecgd_depthwise_packed(const ecgd_depthwise_t *conv, const ecgd_packed_t *packed, ecgd_depthwise_kernel_t *kernel,
                           const int16_t *window, uint32_t positions, uint32_t *scratch, int16_t *rows, int16_t *out) {
    const uint32_t channels = conv->channels, group = packed->group;
    const uint32_t *codes = packed->codes;
    ecgd_depthwise_t part = *conv;
    part.weights = (const int8_t *)scratch;
    for (uint32_t first = 0; first < channels; first += group) {
        const uint32_t width = channels - first < group ? channels - first : group;
        unpack_group(packed, codes, first, width, 2u * conv->length, scratch);
        codes += (uint32_t)packed->blocks * packed->bits;
        part.channels = (uint16_t)width;
        part.scale = conv->scale + first;
        part.right = conv->right + first;
        if (width == channels || positions == 1) {
            kernel(&part, window + first, positions, out + first);
        } else {
            kernel(&part, window + first, positions, rows);
            place(rows, width, positions, out + first, channels);
        }
    }
}
