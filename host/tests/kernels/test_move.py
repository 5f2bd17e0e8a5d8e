"""Sliding a window down is memmove, for every size, distance and alignment, and writes nowhere else."""

import cortex_m4
import pytest

PROGRAM = r"""
#include "ecgd_kernels.h"
#include <string.h>
void print_text(const char *text);
void print_number(int32_t x);
uint32_t instructions(void);
int main(void);
static uint8_t ours[256] __attribute__((aligned(4))), expected[256];
int main(void) {
    int32_t wrong = 0, cases = 0;
    for (uint32_t at = 0; at < 5; at++) {
        for (uint32_t by = 1; by < 50; by += by < 9 ? 1 : 7) {
            for (uint32_t bytes = 0; bytes < 140; bytes++) {
                for (uint32_t i = 0; i < sizeof ours; i++) {
                    ours[i] = expected[i] = (uint8_t)(7 * i + bytes);
                }
                ecgd_move_down(ours + at, ours + at + by, bytes);
                memmove(expected + at, expected + at + by, bytes);
                wrong += memcmp(ours, expected, sizeof ours) != 0;
                cases++;
            }
        }
    }
    print_number(wrong);
    print_number(cases);
    return 0;
}
"""


@pytest.mark.parametrize("flags", [(), ("-DECGD_FORCE_PORTABLE",)], ids=["assembly", "portable"])
def test_moving_down_is_memmove(tmp_path, flags):
    printed = cortex_m4.run(cortex_m4.build(tmp_path, PROGRAM, ["ecgd_move.c"], flags))
    wrong, checked = map(int, printed.split())
    assert (wrong, checked) == (0, 5 * 14 * 140)
