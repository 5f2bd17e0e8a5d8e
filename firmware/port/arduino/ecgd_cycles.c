/* See ecgd_cycles.h. */
#include "ecgd_cycles.h"

#define TEST_MICROSECONDS 5000u
#define TEST_READS_MAX 10000000u /* some seconds: a clock that stands still must not hang the board */
#define TOLERANCE_PERCENT 5u
#define MICROSECONDS_PER_SECOND 1000000u

uint64_t ecgd_cycles_extend(ecgd_cycles_t *cycles, uint32_t now)
{
    cycles->total += (uint32_t)(now - cycles->last);
    cycles->last = now;
    return cycles->total;
}

bool ecgd_cycles_agree(uint32_t (*cycles)(void), uint32_t (*microseconds)(void), uint32_t hertz)
{
    const uint32_t before = microseconds();
    uint32_t start = before;
    uint32_t reads = 0;
    for (; reads < TEST_READS_MAX && start == before; ++reads) {
        start = microseconds();
    }
    const uint32_t first = cycles();
    uint32_t elapsed = 0;
    for (; reads < TEST_READS_MAX && elapsed < TEST_MICROSECONDS; ++reads) {
        elapsed = microseconds() - start;
    }
    const uint64_t counted = cycles() - first;
    if (elapsed < TEST_MICROSECONDS) {
        return false;
    }
    const uint64_t due = (uint64_t)hertz * elapsed / MICROSECONDS_PER_SECOND;
    const uint64_t difference = counted > due ? counted - due : due - counted;
    return difference * 100u <= due * TOLERANCE_PERCENT;
}
