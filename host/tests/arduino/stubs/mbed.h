/* Stand-in for mbed's header. */
#ifndef STUB_MBED_H
#define STUB_MBED_H
#include <stdint.h>
#define DEVICE_RESET_REASON 1
/* of drivers/FlashIAP.h, and with just this type */
extern uint32_t __data_start__;
extern uint32_t __data_end__;
extern "C" {
typedef enum {
    RESET_REASON_POWER_ON,
    RESET_REASON_SOFTWARE,
    RESET_REASON_WATCHDOG,
    RESET_REASON_LOCKUP
} reset_reason_t;
reset_reason_t hal_reset_reason_get(void);
void core_util_critical_section_enter(void);
void core_util_critical_section_exit(void);
}
#endif
