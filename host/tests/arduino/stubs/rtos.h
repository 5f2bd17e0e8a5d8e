/* Stand-in for mbed's header. */
#ifndef STUB_RTOS_H
#define STUB_RTOS_H
#include <stdint.h>

#include <chrono>
typedef enum { osPriorityNormal = 24, osPriorityAboveNormal = 32 } osPriority;
typedef void *osThreadId_t;
extern "C" osThreadId_t osThreadGetId(void);
typedef struct {
    void *stack_mem;
    uint32_t stack_size;
} mbed_rtos_storage_thread_t;
namespace rtos {
class Mutex {
public:
    void lock();
    void unlock();
};
class Thread {
public:
    Thread(osPriority priority, uint32_t stack_size, unsigned char *stack_mem, const char *name);
    int start(void (*task)());
};
namespace ThisThread {
void sleep_for(std::chrono::milliseconds duration);
}
}  // namespace rtos
#endif
