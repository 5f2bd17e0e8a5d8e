/* Stack high-water mark: the free stack is painted at start and looked over afterwards. */
#ifndef ECGD_STACK_H
#define ECGD_STACK_H

#include <stdint.h>

/* Paints everything below the caller's frame. */
void ecgd_stack_paint(void);
/* Bytes ever used since; 0 where the port does not know its stack. */
uint32_t ecgd_stack_used(void);
uint32_t ecgd_stack_bytes(void);

#endif
