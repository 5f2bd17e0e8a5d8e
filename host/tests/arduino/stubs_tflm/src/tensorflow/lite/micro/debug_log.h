/* As a TFLM library of 2023 declares it: one argument, and a definition of its own in debug_log.cpp. */
#ifndef STUB_DEBUG_LOG_H
#define STUB_DEBUG_LOG_H
extern "C" void DebugLog(const char *text);
#endif
