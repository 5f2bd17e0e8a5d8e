/* The DSP instructions that the kernels use, by their names in <arm_acle.h>. GCC has those since version 10; the Arduino
 * cores' compilers are older (7.2 for the Nano 33 BLE), and there they are written out.
 *
 * Volatile where the GE flags are written or read: those statements stay in order, and nothing between them touches GE.
 */
#ifndef ECGD_ACLE_H
#define ECGD_ACLE_H

#include <stdint.h>

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 10
#define ECGD_OWN_ACLE 1 /* a test asks for it with a newer compiler */
#endif

#ifndef ECGD_OWN_ACLE
#include <arm_acle.h>
#else

typedef int32_t int8x4_t;
typedef uint32_t uint8x4_t;
typedef int32_t int16x2_t;
typedef uint32_t uint16x2_t;

static inline int32_t __smlad(int16x2_t x, int16x2_t y, int32_t sum) {
    int32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(x), "r"(y), "r"(sum));
    return result;
}

static inline int32_t __smlawb(int32_t x, int32_t y, int32_t sum) {
    int32_t result;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(result) : "r"(x), "r"(y), "r"(sum));
    return result;
}

static inline int32_t __smlawt(int32_t x, int32_t y, int32_t sum) {
    int32_t result;
    __asm__("smlawt %0, %1, %2, %3" : "=r"(result) : "r"(x), "r"(y), "r"(sum));
    return result;
}

static inline int16x2_t __sxtb16(int8x4_t x) {
    int16x2_t result;
    __asm__("sxtb16 %0, %1" : "=r"(result) : "r"(x));
    return result;
}

static inline uint16x2_t __uxtab16(uint16x2_t sum, uint8x4_t x) {
    uint16x2_t result;
    __asm__("uxtab16 %0, %1, %2" : "=r"(result) : "r"(sum), "r"(x));
    return result;
}

static inline uint32_t ecgd_usat_8(int32_t x) {
    uint32_t result;
    __asm__("usat %0, #8, %1" : "=r"(result) : "r"(x));
    return result;
}
#define __usat(x, bits) ecgd_usat_##bits(x)

static inline int8x4_t __ssub8(int8x4_t x, int8x4_t y) {
    int8x4_t result;
    __asm__ volatile("ssub8 %0, %1, %2" : "=r"(result) : "r"(x), "r"(y));
    return result;
}

static inline uint8x4_t __usub8(uint8x4_t x, uint8x4_t y) {
    uint8x4_t result;
    __asm__ volatile("usub8 %0, %1, %2" : "=r"(result) : "r"(x), "r"(y));
    return result;
}

static inline int16x2_t __ssub16(int16x2_t x, int16x2_t y) {
    int16x2_t result;
    __asm__ volatile("ssub16 %0, %1, %2" : "=r"(result) : "r"(x), "r"(y));
    return result;
}

static inline uint8x4_t __sel(uint8x4_t x, uint8x4_t y) {
    uint8x4_t result;
    __asm__ volatile("sel %0, %1, %2" : "=r"(result) : "r"(x), "r"(y));
    return result;
}

#endif
#endif
