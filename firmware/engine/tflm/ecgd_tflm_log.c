/* TFLM prints through these; a device has nobody to print to, and printf would cost more flash than the link.
 *
 * Apart from the wrapper and without TFLM's header, since libraries of different years declare them differently; weak,
 * since Arduino's builder links every object of every library, and a TFLM library may bring its own. */
#include <stdarg.h>
#include <stddef.h>

void DebugLog(const char *format, va_list arguments);
int DebugVsnprintf(char *buffer, size_t room, const char *format, va_list arguments);

__attribute__((weak)) void DebugLog(const char *format, va_list arguments)
{
    (void)format;
    (void)arguments;
}

__attribute__((weak)) int DebugVsnprintf(char *buffer, size_t room, const char *format, va_list arguments)
{
    (void)format;
    (void)arguments;
    if (room > 0) {
        buffer[0] = '\0';
    }
    return 0;
}
