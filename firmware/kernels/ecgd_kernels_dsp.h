/* Instances of the convolution kernels for Cortex-M with the DSP extension. Included by ecgd_kernels.h.
 *
 * ECGD_CONV_KERNEL(name, stride, unroll, once, finish, form, aligned, segmented) defines `name`, an ecgd_conv_kernel_t:
 *   stride     bytes from a position to the next, at most 1440 (2000 where not aligned)
 *   unroll     elements / 4 done in one turn of the inner loop
 *   once       1 where one turn is all: `unroll` units are the whole segment
 *   finish     0: results in 0..255 (ReLU, zero point -128), 1: all of int8, 2: clamp to low..high;
 *              3, 4: as 0 and 1, stored as bytes
 *   form       ecgd_weights_t
 *   aligned    1 where every row starts on a 4-byte boundary (an even number of input channels)
 *   segmented  1 for dilated windows, 2 where max-pooling of two positions follows
 * It asks of the layer (packing.py proves it): an even number of output channels, right shifts 1..30,
 * |accumulator| < 2^30 and, in the sum form, |sum of the odd channel| < 2^23.
 *
 * An instance is an inner loop for a stride (the offsets are immediates) and a frame around it, ecgd_conv_around_*, in
 * ecgd_conv_dsp.h: shared by all strides, one for each finish and form in use.
 *
 * ECGD_DEPTHWISE_KERNEL(name, stride, step, taps, finish) defines an ecgd_depthwise_kernel_t for taps `step` bytes
 * apart; 2 * stride + (taps - 1) * step is at most 4092. It asks the same of the layer. ECGD_DEPTHWISE_U8_KERNEL: the
 * same for a window of bytes.
 *
 * ECGD_CONV_U8_KERNEL(name, unroll, once, finish, form, halves) defines an ecgd_conv_u8_kernel_t. `halves` is 1 where the
 * sum of the odd channel fits 24 bits in either half of the window only (packing.py knows where it is cut). 2 is
 * added to `once` where every turn is whole and weights are in the sum form: they take fewer loads then.
 *
 * One turn of a convolution computes two output channels (a, b) at three positions: per 4 elements 1 load of weights, 2 unpackings,
 * 3 loads of data and 12 SMLAD for 24 products. With h = 256 * b + a in a halfword, SXTB16 gives a, and h itself is
 * multiplied for b: sum(x * h) - sum(x * a) = 256 * sum(x * b), exact modulo 2^32 while |sum(x * b)| < 2^23.
 * The compiler would spill two of the fourteen registers that this takes, hence assembly.
 */
#ifndef ECGD_KERNELS_DSP_H
#define ECGD_KERNELS_DSP_H

#if !defined(__ARM_FEATURE_DSP) || !defined(__thumb2__) || defined(ECGD_FORCE_PORTABLE)

/* Portable targets: an instance is the shared function under another name. */
#define ECGD_CONV_KERNEL(name, stride, unroll, once, finish, form, aligned, segmented)                                     \
    static void name(const ecgd_conv_t *conv, const int16_t *window, uint32_t positions, void *out) {                \
        ecgd_conv_portable(conv, window, positions, out);                                                            \
    }
#define ECGD_DEPTHWISE_KERNEL(name, stride, step, taps, finish)                                                      \
    static void name(const ecgd_depthwise_t *conv, const void *window, uint32_t positions, int16_t *out) {           \
        ecgd_depthwise_portable(conv, window, positions, out);                                                       \
    }
#define ECGD_DEPTHWISE_U8_KERNEL ECGD_DEPTHWISE_KERNEL
#define ECGD_CONV_U8_KERNEL(name, unroll, once, finish, form, halves)                                                \
    static void name(const ecgd_conv_t *conv, const uint8_t *window, uint32_t positions, int16_t *scratch,           \
                     void *out) {                                                                                    \
        (void)scratch;                                                                                               \
        ecgd_conv_u8_portable(conv, window, positions, out);                                                         \
    }

#else

#define ECGD_CONV_KERNEL(name, stride, unroll, once, finish, form, aligned, segmented)                                     \
    ecgd_conv_kernel_t name;                                                                                         \
    __asm__("ecgd_conv_instance " #name ", " #stride ", " #unroll ", " #once ", " #finish ", " #form ", " #aligned              \
            ", " #segmented "\n");

void ecgd_interleave(int16_t *out, const uint8_t *window, uint32_t stride, uint32_t length);

#define ECGD_CONV_U8_KERNEL(name, unroll, once, finish, form, halves)                                                \
    ecgd_conv_kernel_t name##_of_three;                                                                              \
    __asm__("ecgd_conv_u8_instance " #name "_of_three, " #unroll ", " #once ", " #finish ", " #form ", " #halves     \
            "\n");                                                                                                   \
    static void name(const ecgd_conv_t *conv, const uint8_t *window, uint32_t positions, int16_t *scratch,           \
                     void *out) {                                                                                    \
        const uint32_t row = (finish) >= 3 ? conv->channels : 2u * conv->channels;                                   \
        uint8_t *rows = out;                                                                                         \
        for (;;) {                                                                                                   \
            ecgd_interleave(scratch, window, conv->stride, conv->length);                                            \
            name##_of_three(conv, scratch, positions < ECGD_CONV_BLOCK ? positions : ECGD_CONV_BLOCK, rows);         \
            if (positions <= ECGD_CONV_BLOCK) {                                                                      \
                return;                                                                                              \
            }                                                                                                        \
            positions -= ECGD_CONV_BLOCK;                                                                            \
            window += ECGD_CONV_BLOCK * conv->stride;                                                                \
            rows += ECGD_CONV_BLOCK * row;                                                                           \
        }                                                                                                            \
    }

#define ECGD_DEPTHWISE_KERNEL(name, stride, step, taps, finish)                                                      \
    ecgd_depthwise_kernel_t name;                                                                                    \
    __asm__("ecgd_depthwise_instance " #name ", " #stride ", " #step ", " #taps ", " #finish ", 0\n");
#define ECGD_DEPTHWISE_U8_KERNEL(name, stride, step, taps, finish)                                                   \
    ecgd_depthwise_kernel_t name;                                                                                    \
    __asm__("ecgd_depthwise_instance " #name ", " #stride ", " #step ", " #taps ", " #finish ", 1\n");

/* Offsets of the layers' members in the assembly below. */
_Static_assert(sizeof(void *) == 4 && __builtin_offsetof(ecgd_conv_t, channels) == 12 &&
                   __builtin_offsetof(ecgd_conv_t, segments) == 14 && __builtin_offsetof(ecgd_conv_t, length) == 16 &&
                   __builtin_offsetof(ecgd_conv_t, step) == 18 && __builtin_offsetof(ecgd_conv_t, low) == 22 &&
                   __builtin_offsetof(ecgd_conv_t, high) == 24 && __builtin_offsetof(ecgd_conv_t, zero) == 26,
               "ecgd_conv_t and the DSP kernel disagree");
_Static_assert(__builtin_offsetof(ecgd_depthwise_t, channels) == 12 && __builtin_offsetof(ecgd_depthwise_t, length) == 16 &&
                   __builtin_offsetof(ecgd_depthwise_t, low) == 22 && __builtin_offsetof(ecgd_depthwise_t, high) == 24 &&
                   __builtin_offsetof(ecgd_depthwise_t, zero) == 26,
               "ecgd_depthwise_t and the DSP kernel disagree");

/* clang-format off */
__asm__(
/* Frame: what one turn of the pair loop needs comes first, in the order in which it is loaded together. */
".equ ecgd_f_out, 0\n"         /* this pair's first output; rows 1 and 2 lie `row1` and `row2` bytes on */
".equ ecgd_f_row1, 4\n"
".equ ecgd_f_row2, 8\n"
".equ ecgd_f_weights_end, 12\n"
".equ ecgd_f_x, 16\n"          /* where x starts for every pair */
".equ ecgd_f_scale, 20\n"
".equ ecgd_f_right, 24\n"
".equ ecgd_f_entry, 28\n"      /* into the unrolled loop, so that its last turn ends with the segment */
".equ ecgd_f_x_end, 32\n"
".equ ecgd_f_c1, 36\n"         /* finish 1: 1 + 2 * zero, zero:zero; finish 2: low:low, high:high */
".equ ecgd_f_c2, 40\n"
".equ ecgd_f_conv, 44\n"
".equ ecgd_f_positions, 48\n"
".equ ecgd_f_out_block, 52\n"
".equ ecgd_f_done, 56\n"       /* where the inner loop goes at the end of a segment */
".equ ecgd_f_block, 60\n"      /* bytes of three positions */
".equ ecgd_f_segments_left, 64\n"
".equ ecgd_f_skip, 68\n"       /* bytes from the end of a segment to the start of the next */
".equ ecgd_f_window_end, 72\n" /* where x ends for every pair: of the first segment, or of the first three positions */
".equ ecgd_f_saved, 76\n"      /* pooling: sums of the first three positions */
".equ ecgd_frame, 104\n"

/* r2-r4: channel a at positions 0-2; r5-r7: channel b. r12, lr: four elements of one position. */
".macro ecgd_products a, b\n"
"    smlad \\a, r12, r10, \\a\n"
"    smlad \\b, r12, r8, \\b\n"
"    smlad \\a, lr, r11, \\a\n"
"    smlad \\b, lr, r9, \\b\n"
".endm\n"
".macro ecgd_load_at offset, aligned\n"
"    .if \\aligned && \\offset >= -1020 && \\offset <= 1020\n"
"    ldrd r12, lr, [r1, #\\offset]\n"
"    .else\n"
"    ldr r12, [r1, #\\offset]\n"
"    ldr lr, [r1, #\\offset + 4]\n"
"    .endif\n"
".endm\n"
".macro ecgd_unit stride, form, aligned, turn, bias\n"
"    ldrd r8, r9, [r0], #8\n"
"    sxtb16 r10, r8\n"
"    sxtb16 r11, r9\n"
"    .if \\form\n"
"    sxtb16 r8, r8, ror #8\n"
"    sxtb16 r9, r9, ror #8\n"
"    .endif\n"
"    .if \\aligned && \\stride <= 1020\n"  /* x points to the middle position and moves */
"    ldrd r12, lr, [r1, #-\\stride]\n"
"    ecgd_products r2, r5\n"
"    ldrd r12, lr, [r1, #\\stride]\n"
"    ecgd_products r4, r7\n"
"    ldrd r12, lr, [r1], #8\n"
"    ecgd_products r3, r6\n"
"    .else\n"                            /* x stands `bias` bytes after the first position for a whole turn */
"    ecgd_load_at (8 * \\turn - \\bias), \\aligned\n"
"    ecgd_products r2, r5\n"
"    ecgd_load_at (\\stride + 8 * \\turn - \\bias), \\aligned\n"
"    ecgd_products r3, r6\n"
"    ecgd_load_at (2 * \\stride + 8 * \\turn - \\bias), \\aligned\n"
"    ecgd_products r4, r7\n"
"    .endif\n"
".endm\n"
".macro ecgd_units count, stride, form, aligned, bias\n"
"    .set ecgd_turn, 0\n"
"    .rept \\count\n"
"    ecgd_unit \\stride, \\form, \\aligned, ecgd_turn, \\bias\n"
"    .set ecgd_turn, ecgd_turn + 1\n"
"    .endr\n"
".endm\n"

".macro ecgd_conv_inner name, stride, unroll, once, form, aligned\n"
"    .ifndef \\name\n"
"    .pushsection .text.\\name, \"ax\", %progbits\n"
"    .syntax unified\n"
"    .thumb\n"
"    .p2align 2\n"
"    .if \\aligned && \\stride <= 1020\n"
"    .set ecgd_bias, \\stride\n"
"    .set ecgd_unit_bytes, 4 * (18 + 2 * \\form)\n"
"    .elseif \\aligned\n"
"    .set ecgd_bias, 512\n"
"    .set ecgd_unit_bytes, 4 * (19 + 2 * \\form)\n"
"    .else\n"
"    .set ecgd_bias, 0\n"
"    .set ecgd_unit_bytes, 4 * (21 + 2 * \\form)\n"
"    .endif\n"
"\\name:\n"
"    .word 5f + 1\n"                     /* end of the unrolled loop, as a Thumb address */
"    .hword ecgd_unit_bytes, \\unroll\n"
"    .hword ecgd_bias, 3 * \\stride\n"
"    .word !(\\aligned && \\stride <= 1020)\n" /* offsets grow within a turn */
"4:\n"
"    ecgd_units \\unroll, \\stride, \\form, \\aligned, ecgd_bias\n"
"5:\n"
"    .if (5b - 4b) != \\unroll * ecgd_unit_bytes\n"
"    .error \"the unrolled loop has another size than its entry assumes\"\n"
"    .endif\n"
"    .if !(\\aligned && \\stride <= 1020)\n"
"    add r1, r1, #(8 * \\unroll)\n"
"    .endif\n"
"    ldr r8, [sp, #ecgd_f_x_end]\n"
"    .if !\\once\n"
"    cmp r1, r8\n"
"    bne.w 4b\n"
"    .endif\n"
"    ldr pc, [sp, #ecgd_f_done]\n"
"    .popsection\n"
"    .endif\n"
".endm\n"
".macro ecgd_conv_instance name, stride, unroll, once, finish, form, aligned, segmented\n"
"    ecgd_conv_inner ecgd_inner_\\stride\\()_\\unroll\\()_\\once\\()_\\form\\()_\\aligned, \\stride, \\unroll, \\once, \\form, \\aligned\n"
"    .pushsection .text.\\name, \"ax\", %progbits\n"
"    .syntax unified\n"
"    .thumb\n"
"    .p2align 2\n"
"    .global \\name\n"
"    .type \\name, %function\n"
"    .thumb_func\n"
"\\name:\n"
"    movw r12, #:lower16:ecgd_inner_\\stride\\()_\\unroll\\()_\\once\\()_\\form\\()_\\aligned\n"
"    movt r12, #:upper16:ecgd_inner_\\stride\\()_\\unroll\\()_\\once\\()_\\form\\()_\\aligned\n"
"    b.w ecgd_conv_around_\\finish\\()_\\form\\()_\\segmented\n"
"    .size \\name, . - \\name\n"
"    .popsection\n"
".endm\n"

/* --- windows of bytes, three of them interleaved by ecgd_interleave: one load brings two elements of all three ----- */
".macro ecgd_products_of_three h\n"
"    ldmia r1!, {r10, r12, lr}\n"
"    smlad r2, r10, r11, r2\n"
"    smlad r5, r10, \\h, r5\n"
"    smlad r3, r12, r11, r3\n"
"    smlad r6, r12, \\h, r6\n"
"    smlad r4, lr, r11, r4\n"
"    smlad r7, lr, \\h, r7\n"
".endm\n"
".macro ecgd_step_of_three h\n"         /* the same for weights in the sum form; h ends as a's */
"    ldmia r1!, {r10, r12, lr}\n"
"    smlad r5, r10, \\h, r5\n"
"    smlad r6, r12, \\h, r6\n"
"    smlad r7, lr, \\h, r7\n"
"    sxtb16 \\h, \\h\n"
"    smlad r2, r10, \\h, r2\n"
"    smlad r3, r12, \\h, r3\n"
"    smlad r4, lr, \\h, r4\n"
".endm\n"
".macro ecgd_whole_turn unroll\n"       /* three words of weights a load */
"    .rept (2 * \\unroll) / 3\n"
"    ldmia r0!, {r8, r9, r11}\n"
"    ecgd_step_of_three r8\n"
"    ecgd_step_of_three r9\n"
"    ecgd_step_of_three r11\n"
"    .endr\n"
"    .if (2 * \\unroll) % 3 == 2\n"
"    ldrd r8, r9, [r0], #8\n"
"    ecgd_step_of_three r8\n"
"    ecgd_step_of_three r9\n"
"    .elseif (2 * \\unroll) % 3 == 1\n"
"    ldr r8, [r0], #4\n"
"    ecgd_step_of_three r8\n"
"    .endif\n"
".endm\n"
".macro ecgd_conv_u8_inner name, unroll, once, form\n"
"    .ifndef \\name\n"
"    .pushsection .text.\\name, \"ax\", %progbits\n"
"    .syntax unified\n"
"    .thumb\n"
"    .p2align 2\n"
"\\name:\n"
"    .if \\once >= 2\n"                /* every turn is whole: the entry is the start */
"    .word 4f + 1\n"
"    .hword 0, \\unroll\n"
"    .else\n"
"    .word 5f + 1\n"
"    .hword 4 * (17 + 2 * \\form), \\unroll\n"
"    .endif\n"
"    .hword 0, 0\n"
"    .word 2\n"                         /* 24 bytes of x in a unit */
"4:\n"
"    .if \\once >= 2\n"
"    ecgd_whole_turn \\unroll\n"
"    .else\n"
"    .rept \\unroll\n"
"    ldrd r8, r9, [r0], #8\n"
"    sxtb16 r11, r8\n"
"    .if \\form\n"
"    sxtb16 r8, r8, ror #8\n"
"    .endif\n"
"    ecgd_products_of_three r8\n"
"    sxtb16 r11, r9\n"
"    .if \\form\n"
"    sxtb16 r9, r9, ror #8\n"
"    .endif\n"
"    ecgd_products_of_three r9\n"
"    .endr\n"
"5:\n"
"    .if (5b - 4b) != \\unroll * 4 * (17 + 2 * \\form)\n"
"    .error \"the unrolled loop has another size than its entry assumes\"\n"
"    .endif\n"
"    .endif\n"
"    ldr r8, [sp, #ecgd_f_x_end]\n"
"    .if !(\\once & 1)\n"
"    cmp r1, r8\n"
"    bne.w 4b\n"
"    .endif\n"
"    ldr pc, [sp, #ecgd_f_done]\n"
"    .popsection\n"
"    .endif\n"
".endm\n"
".macro ecgd_conv_u8_instance name, unroll, once, finish, form, halves\n"
"    ecgd_conv_u8_inner ecgd_inner_u8_\\unroll\\()_\\once\\()_\\form, \\unroll, \\once, \\form\n"
"    .pushsection .text.\\name, \"ax\", %progbits\n"
"    .syntax unified\n"
"    .thumb\n"
"    .p2align 2\n"
"    .global \\name\n"
"    .type \\name, %function\n"
"    .thumb_func\n"
"\\name:\n"
"    movw r12, #:lower16:ecgd_inner_u8_\\unroll\\()_\\once\\()_\\form\n"
"    movt r12, #:upper16:ecgd_inner_u8_\\unroll\\()_\\once\\()_\\form\n"
"    .if \\halves\n"
"    b.w ecgd_conv_around_\\finish\\()_\\form\\()_5\n"
"    .else\n"
"    b.w ecgd_conv_around_\\finish\\()_\\form\\()_0\n"
"    .endif\n"
"    .size \\name, . - \\name\n"
"    .popsection\n"
".endm\n"

/* --- depthwise: two channels (the halves of a word) at three positions --------------------------------------------- */
".macro ecgd_tap a, b, wa, wb, odd\n"
"    .if \\odd\n"
"    smlabt \\a, r12, \\wa, \\a\n"
"    smlatt \\b, r12, \\wb, \\b\n"
"    .else\n"
"    smlabb \\a, r12, \\wa, \\a\n"
"    smlatb \\b, r12, \\wb, \\b\n"
"    .endif\n"
".endm\n"
".macro ecgd_byte_of k, taps, x, early, late\n" /* one channel of a row of bytes */
"    .if (\\k) >= 0 && (\\k) < \\taps\n"
"    .if ((\\k) & 3) == 3\n"
"    smlabt \\x, r12, \\late, \\x\n"
"    .elseif ((\\k) & 3) == 2\n"
"    smlabb \\x, r12, \\late, \\x\n"
"    .elseif (\\k) & 1\n"
"    smlabt \\x, r12, \\early, \\x\n"
"    .else\n"
"    smlabb \\x, r12, \\early, \\x\n"
"    .endif\n"
"    .endif\n"
".endm\n"
".macro ecgd_tap_of k, taps, a, b\n" /* the weights of two words, four taps, are at hand */
"    .if (\\k) >= 0 && (\\k) < \\taps\n"
"    .if (\\k) & 2\n"
"    ecgd_tap \\a, \\b, r10, r11, (\\k) & 1\n"
"    .else\n"
"    ecgd_tap \\a, \\b, r8, r9, (\\k) & 1\n"
"    .endif\n"
"    .endif\n"
".endm\n"
".macro ecgd_row_of k, taps, at, narrow\n" /* a row at the three positions that read it */
"    .if \\narrow\n"
"    ldrb r12, [r1, #(\\at)]\n"
"    ecgd_byte_of \\k, \\taps, r2, r8, r10\n"
"    ecgd_byte_of (\\k - 1), \\taps, r3, r8, r10\n"
"    ecgd_byte_of (\\k - 2), \\taps, r4, r8, r10\n"
"    ldrb r12, [r1, #(\\at + 1)]\n"
"    ecgd_byte_of \\k, \\taps, r5, r9, r11\n"
"    ecgd_byte_of (\\k - 1), \\taps, r6, r9, r11\n"
"    ecgd_byte_of (\\k - 2), \\taps, r7, r9, r11\n"
"    .else\n"
"    ldr r12, [r1, #(\\at)]\n"
"    ecgd_tap_of \\k, \\taps, r2, r5\n"
"    ecgd_tap_of (\\k - 1), \\taps, r3, r6\n"
"    ecgd_tap_of (\\k - 2), \\taps, r4, r7\n"
"    .endif\n"
".endm\n"
".macro ecgd_one_of k, taps, at, a, b, narrow\n" /* a row at one position */
"    .if \\narrow\n"
"    ldrb r12, [r1, #(\\at)]\n"
"    ecgd_byte_of \\k, \\taps, \\a, r8, r10\n"
"    ldrb r12, [r1, #(\\at + 1)]\n"
"    ecgd_byte_of \\k, \\taps, \\b, r9, r11\n"
"    .else\n"
"    ldr r12, [r1, #(\\at)]\n"
"    ecgd_tap_of \\k, \\taps, \\a, \\b\n"
"    .endif\n"
".endm\n"
".macro ecgd_weights_of k, taps\n" /* a word holds two taps; the last one steps over the filling */
"    .if (\\k) < \\taps && (\\k) % 2 == 0\n"
"    .if (\\k) & 2\n"
"    ldr r10, [r0], #4\n"
"    sxtb16 r11, r10, ror #8\n"
"    sxtb16 r10, r10\n"
"    .elseif (\\k) + 2 >= \\taps\n"
"    ldr r8, [r0], #8\n"
"    sxtb16 r9, r8, ror #8\n"
"    sxtb16 r8, r8\n"
"    .else\n"
"    ldr r8, [r0], #4\n"
"    sxtb16 r9, r8, ror #8\n"
"    sxtb16 r8, r8\n"
"    .endif\n"
"    .endif\n"
".endm\n"
".macro ecgd_depthwise_inner name, stride, step, taps, narrow\n"
"    .ifndef \\name\n"
"    .pushsection .text.\\name, \"ax\", %progbits\n"
"    .syntax unified\n"
"    .thumb\n"
"    .p2align 2\n"
"\\name:\n"
"    .hword 3 * \\stride, 0\n"
"    .set ecgd_k, 0\n"
"    .if \\stride == \\step\n"          /* a row is loaded once for the three positions that read it */
"    .rept \\taps + 2\n"
"    ecgd_weights_of ecgd_k, \\taps\n"
"    ecgd_row_of ecgd_k, \\taps, (ecgd_k * \\step), \\narrow\n"
"    .set ecgd_k, ecgd_k + 1\n"
"    .endr\n"
"    .else\n"
"    .rept \\taps\n"
"    ecgd_weights_of ecgd_k, \\taps\n"
"    ecgd_one_of ecgd_k, \\taps, (ecgd_k * \\step), r2, r5, \\narrow\n"
"    ecgd_one_of ecgd_k, \\taps, (ecgd_k * \\step + \\stride), r3, r6, \\narrow\n"
"    ecgd_one_of ecgd_k, \\taps, (ecgd_k * \\step + 2 * \\stride), r4, r7, \\narrow\n"
"    .set ecgd_k, ecgd_k + 1\n"
"    .endr\n"
"    .endif\n"
"    ldr pc, [sp, #ecgd_f_done]\n"
"    .popsection\n"
"    .endif\n"
".endm\n"
".macro ecgd_depthwise_instance name, stride, step, taps, finish, narrow\n"
"    ecgd_depthwise_inner ecgd_inner_depthwise_\\stride\\()_\\step\\()_\\taps\\()_\\narrow, \\stride, \\step, \\taps, \\narrow\n"
"    .pushsection .text.\\name, \"ax\", %progbits\n"
"    .syntax unified\n"
"    .thumb\n"
"    .p2align 2\n"
"    .global \\name\n"
"    .type \\name, %function\n"
"    .thumb_func\n"
"\\name:\n"
"    movw r12, #:lower16:ecgd_inner_depthwise_\\stride\\()_\\step\\()_\\taps\\()_\\narrow\n"
"    movt r12, #:upper16:ecgd_inner_depthwise_\\stride\\()_\\step\\()_\\taps\\()_\\narrow\n"
"    .if \\narrow\n"
"    b.w ecgd_conv_around_\\finish\\()_1_4\n"
"    .else\n"
"    b.w ecgd_conv_around_\\finish\\()_1_3\n"
"    .endif\n"
"    .size \\name, . - \\name\n"
"    .popsection\n"
".endm\n"
);
/* clang-format on */

#endif
#endif
