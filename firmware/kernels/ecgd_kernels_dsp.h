/* Instances of the convolution kernels for Cortex-M with the DSP extension. Included by ecgd_kernels.h.
 *
 * ECGD_CONV_KERNEL(name, stride, unroll, finish, form, aligned, segmented) defines `name`, an ecgd_conv_kernel_t:
 *   stride     bytes from a position to the next, at most 1472 (2000 where not aligned)
 *   unroll     elements / 4 done in one turn of the inner loop
 *   finish     0: results in 0..255 (ReLU, zero point -128), 1: all of int8, 2: clamp to low..high
 *   form       ecgd_weights_t
 *   aligned    1 where every row starts on a 4-byte boundary (an even number of input channels)
 *   segmented  1 for dilated windows, 2 where max-pooling of two positions follows
 * It asks of the layer (packing.py proves it): an even number of output channels, right shifts 1..30,
 * |accumulator| < 2^30 and, in the sum form, |sum of the odd channel| < 2^23.
 *
 * An instance is an inner loop for a stride (the offsets are immediates) and a frame around it, ecgd_conv_around_*, in
 * ecgd_conv_dsp.h: shared by all strides, one for each finish and form in use.
 *
 * ECGD_DEPTHWISE_KERNEL(name, stride, step, taps, finish) defines an ecgd_depthwise_kernel_t for at most 8 taps, `step`
 * bytes apart; stride + (taps - 1) * step is at most 4092. It asks the same of the layer.
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
#define ECGD_CONV_KERNEL(name, stride, unroll, finish, form, aligned, segmented)                                     \
    static void name(const ecgd_conv_t *conv, const int16_t *window, uint32_t positions, int16_t *out) {             \
        ecgd_conv_portable(conv, window, positions, out);                                                            \
    }
#define ECGD_DEPTHWISE_KERNEL(name, stride, step, taps, finish)                                                      \
    static void name(const ecgd_depthwise_t *conv, const int16_t *window, uint32_t positions, int16_t *out) {        \
        ecgd_depthwise_portable(conv, window, positions, out);                                                       \
    }

#else

#define ECGD_CONV_KERNEL(name, stride, unroll, finish, form, aligned, segmented)                                     \
    ecgd_conv_kernel_t name;                                                                                         \
    __asm__("ecgd_conv_instance " #name ", " #stride ", " #unroll ", " #finish ", " #form ", " #aligned              \
            ", " #segmented "\n");

#define ECGD_DEPTHWISE_KERNEL(name, stride, step, taps, finish)                                                      \
    ecgd_depthwise_kernel_t name;                                                                                    \
    __asm__("ecgd_depthwise_instance " #name ", " #stride ", " #step ", " #taps ", " #finish "\n");

/* Offsets of the layers' members in the assembly below. */
_Static_assert(sizeof(void *) == 4 && __builtin_offsetof(ecgd_conv_t, channels) == 12 &&
                   __builtin_offsetof(ecgd_conv_t, segments) == 14 && __builtin_offsetof(ecgd_conv_t, length) == 16 &&
                   __builtin_offsetof(ecgd_conv_t, step) == 18 && __builtin_offsetof(ecgd_conv_t, low) == 22 &&
                   __builtin_offsetof(ecgd_conv_t, high) == 24 && __builtin_offsetof(ecgd_conv_t, zero) == 26,
               "ecgd_conv_t and the DSP kernel disagree");
_Static_assert(__builtin_offsetof(ecgd_depthwise_t, channels) == 12 && __builtin_offsetof(ecgd_depthwise_t, low) == 20 &&
                   __builtin_offsetof(ecgd_depthwise_t, high) == 22 && __builtin_offsetof(ecgd_depthwise_t, zero) == 24,
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

".macro ecgd_conv_inner name, stride, unroll, form, aligned\n"
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
"    cmp r1, r8\n"
"    bne.w 4b\n"
"    ldr pc, [sp, #ecgd_f_done]\n"
"    .popsection\n"
"    .endif\n"
".endm\n"
".macro ecgd_conv_instance name, stride, unroll, finish, form, aligned, segmented\n"
"    ecgd_conv_inner ecgd_inner_\\stride\\()_\\unroll\\()_\\form\\()_\\aligned, \\stride, \\unroll, \\form, \\aligned\n"
"    .pushsection .text.\\name, \"ax\", %progbits\n"
"    .syntax unified\n"
"    .thumb\n"
"    .p2align 2\n"
"    .global \\name\n"
"    .type \\name, %function\n"
"    .thumb_func\n"
"\\name:\n"
"    movw r12, #:lower16:ecgd_inner_\\stride\\()_\\unroll\\()_\\form\\()_\\aligned\n"
"    movt r12, #:upper16:ecgd_inner_\\stride\\()_\\unroll\\()_\\form\\()_\\aligned\n"
"    b.w ecgd_conv_around_\\finish\\()_\\form\\()_\\segmented\n"
"    .size \\name, . - \\name\n"
"    .popsection\n"
".endm\n"

/* --- depthwise: two channels (the halves of a word) at two positions; the doubled weights stay in r4-r11 ---------- */
".equ ecgd_d_weights, 0\n"     /* r4-r11 while products are summed */
".equ ecgd_d_finish, 32\n"     /* r4-r11 while results are made: multiplier, shift - 1, constant of a, of b; out, row */
".equ ecgd_d_out, 56\n"
".equ ecgd_d_bias, 64\n"       /* doubled, of a and b */
".equ ecgd_d_x_end, 72\n"
".equ ecgd_d_c1, 76\n"
".equ ecgd_d_c2, 80\n"
".equ ecgd_d_conv, 84\n"
".equ ecgd_d_window, 88\n"
".equ ecgd_d_positions, 92\n"
".equ ecgd_d_out_pair, 96\n"
".equ ecgd_d_pairs, 100\n"
".equ ecgd_d_next, 104\n"      /* weights, scale, right of the next pair */
".equ ecgd_d_frame, 120\n"

".macro ecgd_tap a, b, wa, wb, odd\n"
"    .if \\odd\n"
"    smlabt \\a, lr, \\wa, \\a\n"
"    smlatt \\b, lr, \\wb, \\b\n"
"    .else\n"
"    smlabb \\a, lr, \\wa, \\a\n"
"    smlatb \\b, lr, \\wb, \\b\n"
"    .endif\n"
".endm\n"
".macro ecgd_tap_of k, a, b\n"
"    .if (\\k) / 2 == 0\n"
"    ecgd_tap \\a, \\b, r4, r5, (\\k) & 1\n"
"    .elseif (\\k) / 2 == 1\n"
"    ecgd_tap \\a, \\b, r6, r7, (\\k) & 1\n"
"    .elseif (\\k) / 2 == 2\n"
"    ecgd_tap \\a, \\b, r8, r9, (\\k) & 1\n"
"    .else\n"
"    ecgd_tap \\a, \\b, r10, r11, (\\k) & 1\n"
"    .endif\n"
".endm\n"
/* A row that both positions read is loaded once. */
".macro ecgd_taps stride, step, taps\n"
"    .set ecgd_k, 0\n"
"    .rept \\taps\n"
"    ldr lr, [r1, #(ecgd_k * \\step)]\n"
"    ecgd_tap_of ecgd_k, r0, r2\n"
"    .if ecgd_k * \\step >= \\stride && (ecgd_k * \\step - \\stride) % \\step == 0\n"
"    ecgd_tap_of ((ecgd_k * \\step - \\stride) / \\step), r3, r12\n"
"    .endif\n"
"    .set ecgd_k, ecgd_k + 1\n"
"    .endr\n"
"    .set ecgd_k, 0\n"
"    .rept \\taps\n"
"    .if \\stride % \\step != 0 || \\stride + ecgd_k * \\step > (\\taps - 1) * \\step\n"
"    ldr lr, [r1, #(\\stride + ecgd_k * \\step)]\n"
"    ecgd_tap_of ecgd_k, r3, r12\n"
"    .endif\n"
"    .set ecgd_k, ecgd_k + 1\n"
"    .endr\n"
".endm\n"
".macro ecgd_finish1 x, multiplier, shift, constant, finish\n"
"    .if \\finish == 0\n"
"    smmlar \\x, \\x, \\multiplier, \\constant\n"
"    asr \\x, \\x, \\shift\n"
"    usat \\x, #8, \\x, asr #1\n"
"    .else\n"
"    smmulr \\x, \\x, \\multiplier\n"
"    add \\x, \\x, \\x, asr #31\n"
"    asr \\x, \\x, \\shift\n"
"    add \\x, \\x, \\constant\n"
"    .if \\finish == 1\n"
"    ssat \\x, #8, \\x, asr #1\n"
"    .else\n"
"    ssat \\x, #16, \\x, asr #1\n"
"    .endif\n"
"    .endif\n"
".endm\n"
".macro ecgd_double_weights count\n" /* r1: weights */
"    .irp pair, 0, 1, 2, 3\n"
"    .if \\pair < \\count\n"
"    ldr r2, [r1], #4\n"
"    sxtb16 r3, r2\n"
"    sxtb16 r2, r2, ror #8\n"
"    sadd16 r3, r3, r3\n"
"    sadd16 r2, r2, r2\n"
"    strd r3, r2, [sp, #(8 * \\pair)]\n"
"    .endif\n"
"    .endr\n"
".endm\n"
".macro ecgd_depthwise_instance name, stride, step, taps, finish\n"
"    .pushsection .text.\\name, \"ax\", %progbits\n"
"    .syntax unified\n"
"    .thumb\n"
"    .p2align 2\n"
"    .global \\name\n"
"    .type \\name, %function\n"
"    .thumb_func\n"
"\\name:\n"
"    push {r4-r11, lr}\n"
"    sub sp, #ecgd_d_frame\n"
"    str r0, [sp, #ecgd_d_conv]\n"
"    str r1, [sp, #ecgd_d_window]\n"
"    str r2, [sp, #ecgd_d_positions]\n"
"    str r3, [sp, #ecgd_d_out_pair]\n"
"    ldrh r4, [r0, #12]\n"
"    lsrs r4, r4, #1\n"
"    str r4, [sp, #ecgd_d_pairs]\n"
"    ldm r0, {r5, r6, r7}\n"
"    strd r5, r6, [sp, #ecgd_d_next]\n"
"    str r7, [sp, #ecgd_d_next + 8]\n"
"    .if \\finish == 1\n"
"    ldrsh r7, [r0, #24]\n"
"    pkhbt r7, r7, r7, lsl #16\n"
"    str r7, [sp, #ecgd_d_c1]\n"
"    .elseif \\finish == 2\n"
"    ldrh r7, [r0, #20]\n"
"    pkhbt r7, r7, r7, lsl #16\n"
"    ldrh r8, [r0, #22]\n"
"    pkhbt r8, r8, r8, lsl #16\n"
"    strd r7, r8, [sp, #ecgd_d_c1]\n"
"    .endif\n"

"1:\n" /* a pair of channels */
"    ldr r0, [sp, #ecgd_d_conv]\n"
"    ldrh r11, [r0, #12]\n"
"    lsl r11, r11, #1\n"               /* bytes of a row of outputs */
"    add r9, sp, #ecgd_d_next\n"
"    ldm r9, {r1, r2, r3}\n"
"    ldm r2!, {r4, r5, r6, r7}\n"      /* bias a, multiplier a, bias b, multiplier b */
"    ldrh r8, [r3], #2\n"
"    strd r2, r3, [sp, #ecgd_d_next + 4]\n"
"    lsl r4, r4, #1\n"
"    lsl r6, r6, #1\n"
"    strd r4, r6, [sp, #ecgd_d_bias]\n"
"    subw r8, r8, #0x101\n"
"    uxtb r2, r8\n"
"    lsr r8, r8, #8\n"
"    .if \\finish == 0\n"
"    mov r9, #1\n"
"    lsl r3, r9, r2\n"
"    lsl r9, r9, r8\n"
"    .elseif \\finish == 1\n"
"    ldrsh r9, [r0, #24]\n"
"    lsl r9, r9, #1\n"
"    add r9, r9, #1\n"
"    mov r3, r9\n"
"    .else\n"
"    mov r9, #1\n"
"    mov r3, #1\n"
"    .endif\n"
"    ldr r10, [sp, #ecgd_d_out_pair]\n"
"    add r12, r10, #4\n"
"    str r12, [sp, #ecgd_d_out_pair]\n"
"    add r12, sp, #ecgd_d_finish\n"
"    stm r12, {r5}\n"
"    strd r2, r3, [r12, #4]\n"
"    add r12, r12, #12\n"
"    stm r12, {r7, r8, r9, r10, r11}\n"
"    ecgd_double_weights ((\\taps + 1) / 2)\n"
"    str r1, [sp, #ecgd_d_next]\n"
"    ldr r1, [sp, #ecgd_d_window]\n"
"    add r2, r1, #4\n"
"    str r2, [sp, #ecgd_d_window]\n"
"    ldr r2, [sp, #ecgd_d_positions]\n"
"    lsrs r2, r2, #1\n"
"    beq 4f\n"
"    movw r3, #(2 * \\stride)\n"
"    mla r2, r2, r3, r1\n"
"    str r2, [sp, #ecgd_d_x_end]\n"

"2:\n" /* two positions */
"    ldrd r0, r2, [sp, #ecgd_d_bias]\n"
"    mov r3, r0\n"
"    mov r12, r2\n"
"    ldm sp, {r4-r11}\n"
"    ecgd_taps \\stride, \\step, \\taps\n"
"    add r1, r1, #(2 * \\stride)\n"
"    add r4, sp, #ecgd_d_finish\n"
"    ldm r4, {r4-r11}\n"
"    ecgd_finish1 r0, r4, r5, r6, \\finish\n"
"    ecgd_finish1 r3, r4, r5, r6, \\finish\n"
"    ecgd_finish1 r2, r7, r8, r9, \\finish\n"
"    ecgd_finish1 r12, r7, r8, r9, \\finish\n"
"    pkhbt r0, r0, r2, lsl #16\n"
"    pkhbt r3, r3, r12, lsl #16\n"
"    .if \\finish == 1\n"
"    ldr r4, [sp, #ecgd_d_c1]\n"
"    ssub16 r0, r0, r4\n"
"    ssub16 r3, r3, r4\n"
"    .elseif \\finish == 2\n"
"    ldrd r4, r5, [sp, #ecgd_d_c1]\n"
"    .irp x, r0, r3\n"
"    ssub16 r6, \\x, r4\n"
"    sel \\x, \\x, r4\n"
"    ssub16 r6, \\x, r5\n"
"    sel \\x, r5, \\x\n"
"    .endr\n"
"    .endif\n"
"    ldr r6, [sp, #ecgd_d_x_end]\n"
"    str r3, [r10, r11]\n"             /* where only one position is left, the rows coincide and it is stored last */
"    str r0, [r10]\n"
"    add r10, r10, r11, lsl #1\n"
"    str r10, [sp, #ecgd_d_out]\n"
"    cmp r1, r6\n"
"    bne.w 2b\n"
"4:\n"
"    ldr r2, [sp, #ecgd_d_positions]\n"
"    ldr r3, [sp, #ecgd_d_out + 4]\n"
"    tst r2, #1\n"
"    beq 5f\n"
"    cbz r3, 5f\n"
"    mov r3, #0\n"
"    str r3, [sp, #ecgd_d_out + 4]\n"
"    add r2, r1, #(2 * \\stride)\n"
"    str r2, [sp, #ecgd_d_x_end]\n"
"    b.w 2b\n"
"5:\n"
"    ldr r4, [sp, #ecgd_d_pairs]\n"
"    subs r4, r4, #1\n"
"    str r4, [sp, #ecgd_d_pairs]\n"
"    bne.w 1b\n"
"    add sp, #ecgd_d_frame\n"
"    pop {r4-r11, pc}\n"
"    .size \\name, . - \\name\n"
"    .popsection\n"
".endm\n"
);
/* clang-format on */

#endif
#endif
