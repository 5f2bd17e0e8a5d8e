/* Instances of the convolution kernels for Cortex-M with the DSP extension. Included by ecgd_kernels.h.
 *
 * ECGD_CONV_KERNEL(name, stride, unroll, finish, form, aligned, segmented) defines `name`, an ecgd_conv_kernel_t:
 *   stride     bytes from a position to the next, at most 1472 (2000 where not aligned)
 *   unroll     elements / 4 done in one turn of the inner loop
 *   finish     0: results in 0..255 (ReLU, zero point -128), 1: all of int8, 2: clamp to low..high
 *   form       ecgd_weights_t
 *   aligned    1 where every row starts on a 4-byte boundary (an even number of input channels)
 *   segmented  1 for dilated windows
 * It asks of the layer (packing.py proves it): an even number of output channels, right shifts 1..30,
 * |accumulator| < 2^30 and, in the sum form, |sum of the odd channel| < 2^23.
 *
 * One turn computes two output channels (a, b) at three positions: per 4 elements 1 load of weights, 2 unpackings,
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

#else

#define ECGD_CONV_KERNEL(name, stride, unroll, finish, form, aligned, segmented)                                     \
    ecgd_conv_kernel_t name;                                                                                         \
    __asm__("ecgd_conv_instance " #name ", " #stride ", " #unroll ", " #finish ", " #form ", " #aligned              \
            ", " #segmented "\n");

/* Offsets of ecgd_conv_t's members in the assembly below. */
_Static_assert(sizeof(void *) == 4 && __builtin_offsetof(ecgd_conv_t, channels) == 12 &&
                   __builtin_offsetof(ecgd_conv_t, segments) == 14 && __builtin_offsetof(ecgd_conv_t, length) == 16 &&
                   __builtin_offsetof(ecgd_conv_t, step) == 18 && __builtin_offsetof(ecgd_conv_t, low) == 22 &&
                   __builtin_offsetof(ecgd_conv_t, high) == 24 && __builtin_offsetof(ecgd_conv_t, zero) == 26,
               "ecgd_conv_t and the DSP kernel disagree");

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
".equ ecgd_f_segments_left, 56\n"
".equ ecgd_f_segment_end, 60\n"
".equ ecgd_f_skip, 64\n"       /* bytes from the end of a segment to the start of the next */
".equ ecgd_frame, 72\n"

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

/* Three doubled accumulators -> results. r10 or r12: multiplier, lr: right shift - 1 in its low byte, r8: constant. */
".macro ecgd_finish3 x0, x1, x2, multiplier, finish\n"
"    .if \\finish == 0\n"
"    lsl r9, r8, lr\n" /* half of the divisor joins the product: below zero everything ends as 0 anyway */
"    smmlar \\x0, \\x0, \\multiplier, r9\n"
"    smmlar \\x1, \\x1, \\multiplier, r9\n"
"    smmlar \\x2, \\x2, \\multiplier, r9\n"
"    asr \\x0, \\x0, lr\n"
"    asr \\x1, \\x1, lr\n"
"    asr \\x2, \\x2, lr\n"
"    usat \\x0, #8, \\x0, asr #1\n"
"    usat \\x1, #8, \\x1, asr #1\n"
"    usat \\x2, #8, \\x2, asr #1\n"
"    .else\n"
"    smmulr \\x0, \\x0, \\multiplier\n"
"    smmulr \\x1, \\x1, \\multiplier\n"
"    smmulr \\x2, \\x2, \\multiplier\n"
"    add \\x0, \\x0, \\x0, asr #31\n"
"    add \\x1, \\x1, \\x1, asr #31\n"
"    add \\x2, \\x2, \\x2, asr #31\n"
"    asr \\x0, \\x0, lr\n"
"    asr \\x1, \\x1, lr\n"
"    asr \\x2, \\x2, lr\n"
"    add \\x0, \\x0, r8\n"
"    add \\x1, \\x1, r8\n"
"    add \\x2, \\x2, r8\n"
"    .if \\finish == 1\n"
"    ssat \\x0, #8, \\x0, asr #1\n"
"    ssat \\x1, #8, \\x1, asr #1\n"
"    ssat \\x2, #8, \\x2, asr #1\n"
"    .else\n"
"    ssat \\x0, #16, \\x0, asr #1\n"
"    ssat \\x1, #16, \\x1, asr #1\n"
"    ssat \\x2, #16, \\x2, asr #1\n"
"    .endif\n"
"    .endif\n"
".endm\n"
".macro ecgd_clamp2 x\n" /* r9: low:low, r10: high:high */
"    ssub16 r8, \\x, r9\n"
"    sel \\x, \\x, r9\n"
"    ssub16 r8, \\x, r10\n"
"    sel \\x, r10, \\x\n"
".endm\n"

".macro ecgd_conv_instance name, stride, unroll, finish, form, aligned, segmented\n"
"    .pushsection .text.\\name, \"ax\", %progbits\n"
"    .syntax unified\n"
"    .thumb\n"
"    .p2align 2\n"
"    .global \\name\n"
"    .type \\name, %function\n"
"    .thumb_func\n"
"\\name:\n"
"    push {r4-r11, lr}\n"
"    sub sp, #ecgd_frame\n"
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
"    str r0, [sp, #ecgd_f_conv]\n"
"    str r2, [sp, #ecgd_f_positions]\n"
"    str r3, [sp, #ecgd_f_out_block]\n"
"    ldrh r4, [r0, #16]\n"
"    adds r4, #3\n"
"    lsrs r4, r4, #2\n"                 /* units of 4 elements in a segment */
"    lsls r5, r4, #3\n"                 /* bytes of x in a segment */
"    sub r6, r4, #1\n"
"    mov r7, #\\unroll\n"
"    udiv r8, r6, r7\n"
"    mls r6, r8, r7, r6\n"              /* units of the first turn, less one */
"    adr r8, 5f + 1\n"
"    add r6, r6, #1\n"
"    mov r7, #ecgd_unit_bytes\n"
"    mls r8, r6, r7, r8\n"
"    str r8, [sp, #ecgd_f_entry]\n"
"    add r1, r1, #ecgd_bias\n"
"    .if !(\\aligned && \\stride <= 1020)\n" /* offsets grow within a turn: a partial first turn starts later */
"    rsb r6, r6, #\\unroll\n"
"    sub r1, r1, r6, lsl #3\n"
"    add r5, r5, r6, lsl #3\n"
"    .endif\n"
"    str r1, [sp, #ecgd_f_x]\n"
"    .if \\segmented\n"
"    ldrh r7, [r0, #18]\n"
"    sub r7, r5, r7, lsl #1\n"
"    neg r7, r7\n"
"    str r7, [sp, #ecgd_f_skip]\n"
"    .endif\n"
"    add r1, r1, r5\n"
"    str r1, [sp, #ecgd_f_x_end]\n"
"    .if \\finish == 1\n"
"    ldrsh r7, [r0, #26]\n"
"    lsl r8, r7, #1\n"
"    add r8, r8, #1\n"
"    str r8, [sp, #ecgd_f_c1]\n"
"    pkhbt r7, r7, r7, lsl #16\n"
"    str r7, [sp, #ecgd_f_c2]\n"
"    .elseif \\finish == 2\n"
"    ldrh r7, [r0, #22]\n"
"    pkhbt r7, r7, r7, lsl #16\n"
"    ldrh r8, [r0, #24]\n"
"    pkhbt r8, r8, r8, lsl #16\n"
"    strd r7, r8, [sp, #ecgd_f_c1]\n"
"    .endif\n"

"1:\n" /* a block of three positions; where fewer are left, rows coincide and the valid one is stored last */
"    ldr r7, [sp, #ecgd_f_conv]\n"
"    ldm r7, {r0, r5, r6}\n"            /* weights, scale, right */
"    ldrh r2, [r7, #12]\n"
"    ldrh r4, [r7, #16]\n"
"    add r4, r4, #3\n"
"    bic r4, r4, #3\n"
"    .if \\segmented\n"
"    ldrh r8, [r7, #14]\n"
"    mul r4, r4, r8\n"
"    .endif\n"
"    mla r4, r4, r2, r0\n"              /* end of the weights */
"    lsl r2, r2, #1\n"                  /* bytes of a row of outputs */
"    ldrd r8, r9, [sp, #ecgd_f_positions]\n"
"    mov r10, r2\n"
"    lsl r11, r2, #1\n"
"    cmp r8, #2\n"
"    it eq\n"
"    moveq r11, r2\n"
"    itt lo\n"
"    movlo r10, #0\n"
"    movlo r11, #0\n"
"    stm sp, {r9, r10, r11}\n"
"    str r4, [sp, #ecgd_f_weights_end]\n"
"    strd r5, r6, [sp, #ecgd_f_scale]\n"

"2:\n" /* a pair of channels */
"    ldrd r1, r8, [sp, #ecgd_f_x]\n"
"    ldr r2, [r8]\n"
"    .if \\form\n"
"    ldr r5, [r8, #8]\n"
"    mov r6, r5\n"
"    mov r7, r5\n"
"    .else\n"
"    mov r5, r2\n"
"    mov r6, r2\n"
"    mov r7, r2\n"
"    .endif\n"
"    mov r3, r2\n"
"    mov r4, r2\n"
"    .if \\segmented\n"
"    ldr r9, [sp, #ecgd_f_conv]\n"
"    ldrh r9, [r9, #14]\n"
"    ldr r8, [sp, #ecgd_f_x_end]\n"
"    strd r9, r8, [sp, #ecgd_f_segments_left]\n"
"    .endif\n"
"3:\n"
"    ldr pc, [sp, #ecgd_f_entry]\n"
"    .p2align 2\n"
"4:\n"
"    ecgd_units \\unroll, \\stride, \\form, \\aligned, ecgd_bias\n"
"5:\n"
"    .if (5b - 4b) != \\unroll * ecgd_unit_bytes\n"
"    .error \"the unrolled loop has another size than its entry assumes\"\n"
"    .endif\n"
"    .if !(\\aligned && \\stride <= 1020)\n"
"    add r1, r1, #(8 * \\unroll)\n"
"    .endif\n"
"    .if \\segmented\n"
"    ldr r8, [sp, #ecgd_f_segment_end]\n"
"    .else\n"
"    ldr r8, [sp, #ecgd_f_x_end]\n"
"    .endif\n"
"    cmp r1, r8\n"
"    bne.w 4b\n"
"    .if \\segmented\n"
"    ldr r9, [sp, #ecgd_f_segments_left]\n"
"    subs r9, r9, #1\n"
"    beq 6f\n"
"    ldr r10, [sp, #ecgd_f_skip]\n"
"    add r1, r1, r10\n"
"    ldr r10, [sp, #ecgd_f_conv]\n"
"    ldrh r10, [r10, #18]\n"
"    add r8, r8, r10, lsl #1\n"
"    strd r9, r8, [sp, #ecgd_f_segments_left]\n"
"    b.w 3b\n"
"6:\n"
"    .endif\n"

"    ldrd r8, r9, [sp, #ecgd_f_scale]\n"
"    ldm r8!, {r1, r10, r11, r12}\n"    /* -, multiplier a, bias b, multiplier b */
"    ldrh lr, [r9], #2\n"
"    strd r8, r9, [sp, #ecgd_f_scale]\n"
"    subw lr, lr, #0x101\n"             /* both shifts, less one */
"    .if !\\form\n"
"    sub r5, r5, r2\n"
"    sub r6, r6, r3\n"
"    sub r7, r7, r4\n"
"    lsl r11, r11, #1\n"
"    add r5, r11, r5, asr #7\n"         /* twice (bias + sum) */
"    add r6, r11, r6, asr #7\n"
"    add r7, r11, r7, asr #7\n"
"    .else\n"
"    lsl r5, r5, #1\n"
"    lsl r6, r6, #1\n"
"    lsl r7, r7, #1\n"
"    .endif\n"
"    lsl r2, r2, #1\n"
"    lsl r3, r3, #1\n"
"    lsl r4, r4, #1\n"
"    .if \\finish == 1\n"
"    ldr r8, [sp, #ecgd_f_c1]\n"
"    .else\n"
"    mov r8, #1\n"
"    .endif\n"
"    ecgd_finish3 r2, r3, r4, r10, \\finish\n"
"    lsr lr, lr, #8\n"
"    ecgd_finish3 r5, r6, r7, r12, \\finish\n"
"    pkhbt r2, r2, r5, lsl #16\n"
"    pkhbt r3, r3, r6, lsl #16\n"
"    pkhbt r4, r4, r7, lsl #16\n"
"    .if \\finish == 1\n"
"    ldr r9, [sp, #ecgd_f_c2]\n"
"    ssub16 r2, r2, r9\n"
"    ssub16 r3, r3, r9\n"
"    ssub16 r4, r4, r9\n"
"    .elseif \\finish == 2\n"
"    ldrd r9, r10, [sp, #ecgd_f_c1]\n"
"    ecgd_clamp2 r2\n"
"    ecgd_clamp2 r3\n"
"    ecgd_clamp2 r4\n"
"    .endif\n"
"    ldm sp, {r8, r9, r10, r11}\n"
"    str r4, [r8, r10]\n"
"    str r3, [r8, r9]\n"
"    str r2, [r8], #4\n"
"    str r8, [sp, #ecgd_f_out]\n"
"    cmp r0, r11\n"
"    bne.w 2b\n"

"    ldrd r8, r9, [sp, #ecgd_f_positions]\n"
"    subs r8, r8, #3\n"
"    bls 7f\n"
"    ldr r7, [sp, #ecgd_f_conv]\n"
"    ldrh r2, [r7, #12]\n"
"    add r2, r2, r2, lsl #1\n"
"    add r9, r9, r2, lsl #1\n"          /* three rows of outputs */
"    strd r8, r9, [sp, #ecgd_f_positions]\n"
"    ldr r1, [sp, #ecgd_f_x]\n"
"    ldr r2, [sp, #ecgd_f_x_end]\n"
"    movw r3, #(3 * \\stride)\n"
"    add r1, r1, r3\n"
"    add r2, r2, r3\n"
"    str r1, [sp, #ecgd_f_x]\n"
"    str r2, [sp, #ecgd_f_x_end]\n"
"    b.w 1b\n"
"7:\n"
"    add sp, #ecgd_frame\n"
"    pop {r4-r11, pc}\n"
"    .size \\name, . - \\name\n"
"    .popsection\n"
".endm\n"
);
/* clang-format on */

#endif
#endif
