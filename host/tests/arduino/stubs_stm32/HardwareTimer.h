/* Stand-in for the core's header of the same name. */
#ifndef STUB_HARDWARE_TIMER_H
#define STUB_HARDWARE_TIMER_H
#include <stdint.h>

#include <functional>
typedef struct {
    uint32_t CR1;
} TIM_TypeDef;
#define TIM7 (reinterpret_cast<TIM_TypeDef *>(0x40001400u))
typedef enum { TICK_FORMAT, MICROSEC_FORMAT, HERTZ_FORMAT } TimerFormat_t;
class HardwareTimer {
public:
    explicit HardwareTimer(TIM_TypeDef *instance);
    void pause();
    void resume();
    void refresh();
    void setOverflow(uint32_t value, TimerFormat_t format = TICK_FORMAT);
    void setCount(uint32_t value, TimerFormat_t format = TICK_FORMAT);
    void attachInterrupt(std::function<void(void)> callback);
};
#endif
