/* Sliding windows: the one copy that streaming makes of every value, eight words at a time. */
#include "ecgd_kernels.h"

#include <string.h>

#if defined(__thumb2__) && !defined(ECGD_FORCE_PORTABLE)

/* clang-format off */
__asm__(
"    .pushsection .text.ecgd_move_down, \"ax\", %progbits\n"
"    .syntax unified\n"
"    .thumb\n"
"    .p2align 2\n"
"    .global ecgd_move_down\n"
"    .type ecgd_move_down, %function\n"
"    .thumb_func\n"
"ecgd_move_down:\n"
"    orr r3, r0, r1\n"
"    tst r3, #3\n"
"    bne 4f\n"
"    push {r4-r10}\n"
"    subs r2, #32\n"
"    blo 2f\n"
"1:\n"
"    ldmia r1!, {r3-r10}\n"
"    stmia r0!, {r3-r10}\n"
"    subs r2, #32\n"
"    bhs 1b\n"
"2:\n"
"    lsls r12, r2, #28\n"            /* bits 4 and 3 of what is left */
"    itt cs\n"
"    ldmiacs r1!, {r3-r6}\n"
"    stmiacs r0!, {r3-r6}\n"
"    itt mi\n"
"    ldmiami r1!, {r3, r4}\n"
"    stmiami r0!, {r3, r4}\n"
"    lsls r12, r2, #30\n"            /* bits 2 and 1 */
"    itt cs\n"
"    ldrcs r3, [r1], #4\n"
"    strcs r3, [r0], #4\n"
"    itt mi\n"
"    ldrhmi r3, [r1], #2\n"
"    strhmi r3, [r0], #2\n"
"    lsls r12, r2, #31\n"
"    itt mi\n"
"    ldrbmi r3, [r1]\n"
"    strbmi r3, [r0]\n"
"    pop {r4-r10}\n"
"    bx lr\n"
"3:\n"
"    ldrb r3, [r1], #1\n"
"    strb r3, [r0], #1\n"
"4:\n"
"    subs r2, #1\n"
"    bhs 3b\n"
"    bx lr\n"
"    .size ecgd_move_down, . - ecgd_move_down\n"
"    .popsection\n"
);
/* clang-format on */

#else

void ecgd_move_down(void *to, const void *from, uint32_t bytes) { memmove(to, from, bytes); }

#endif
