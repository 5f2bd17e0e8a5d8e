/* Stack high-water mark; see ecgd_stack.h. */
#include "ecgd_stack.h"

#include <stddef.h>

#include "ecgd_port.h"

#define PAINT 0xa5u
/* the painter's own frame, and an interrupt's, must survive the painting */
#define CLEARANCE 256u

static uint8_t *lowest, *top;

void ecgd_stack_paint(void)
{
    ecgd_port_stack(&lowest, &top);
    if (lowest == NULL || top == NULL) {
        return;
    }
    uint8_t *end = (uint8_t *)__builtin_frame_address(0) - CLEARANCE;
    for (volatile uint8_t *at = lowest; at < end; ++at) {
        *at = PAINT;
    }
}

uint32_t ecgd_stack_used(void)
{
    const uint8_t *at = lowest;
    while (at < top && *at == PAINT) {
        ++at;
    }
    return (uint32_t)(top - at);
}

uint32_t ecgd_stack_bytes(void)
{
    return (uint32_t)(top - lowest);
}
