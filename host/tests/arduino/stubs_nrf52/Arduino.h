/* What firmware/port/arduino_nrf52 uses of the Adafruit nRF52 core, declared and nothing more. */
#ifndef STUB_ARDUINO_H
#define STUB_ARDUINO_H
#include <stddef.h>
#include <stdint.h>
/* no micros(): once the cycle counter runs it is the cycle counter */
extern "C" {
uint32_t millis(void);
void delay(uint32_t milliseconds);
uint32_t readResetReason(void);
extern uint32_t SystemCoreClock;
void NVIC_SystemReset(void);
void setup(void);
void loop(void);

/* FreeRTOS, which the core's Arduino.h brings along */
typedef struct tskTaskControlBlock *TaskHandle_t;
typedef struct QueueDefinition *SemaphoreHandle_t;
typedef long BaseType_t;
typedef unsigned long UBaseType_t;
typedef uint32_t TickType_t;
typedef enum { eRunning = 0 } eTaskState;
typedef struct {
    uint32_t *pxStackBase;
} TaskStatus_t;
#define pdFALSE ((BaseType_t)0)
#define portMAX_DELAY ((TickType_t)0xffffffffu)
#define pdMS_TO_TICKS(milliseconds) ((TickType_t)((uint64_t)(milliseconds) * 1024u / 1000u))
#define tick2us(ticks) ((uint64_t)(ticks) * 1000000u / 1024u)
TickType_t xTaskGetTickCount(void);
enum { TASK_PRIO_LOW = 1, TASK_PRIO_NORMAL = 2 };
BaseType_t xTaskCreate(void (*code)(void *), const char *name, uint16_t words, void *argument, UBaseType_t priority,
                       TaskHandle_t *handle);
void vTaskDelay(TickType_t ticks);
void vTaskGetInfo(TaskHandle_t task, TaskStatus_t *status, BaseType_t free_space, eTaskState state);
SemaphoreHandle_t xSemaphoreCreateMutex(void);
BaseType_t xSemaphoreTake(SemaphoreHandle_t semaphore, TickType_t ticks);
BaseType_t xSemaphoreGive(SemaphoreHandle_t semaphore);
void taskENTER_CRITICAL(void);
void taskEXIT_CRITICAL(void);
}
#endif
