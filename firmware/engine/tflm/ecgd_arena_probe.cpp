/* Finds the smallest arena that the model needs with this library's own kernels, on the emulated board: bisects until
 * AllocateTensors no longer succeeds, writes the size in decimal, ends. Not part of any firmware. */
#include <new>

#include "ecgd_model_data.h"
#include "ecgd_tflm_config.h"
#include "ecgd_tflm_operators.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/schema/schema_generated.h"

/* of firmware/port/mps2, whose header is C only */
extern "C" {
bool mps2_console_open(void);
void mps2_console_write(const uint8_t *bytes, size_t count);
void mps2_timer1_handler(void);
int main(void);
}

namespace {

constexpr size_t kStep = 16; /* TFLM aligns its buffers to this */
constexpr size_t kDigitsMax = 12;

alignas(16) uint8_t arena[ECGD_TFLM_ARENA_BYTES];
alignas(tflite::MicroInterpreter) uint8_t interpreter_place[sizeof(tflite::MicroInterpreter)];
alignas(ecgd_tflm_resolver_t) uint8_t resolver_place[sizeof(ecgd_tflm_resolver_t)];

bool fits(const ecgd_tflm_resolver_t &resolver, size_t bytes)
{
    auto *made = new (interpreter_place)
        tflite::MicroInterpreter(tflite::GetModel(ecgd_model_data), resolver, arena, bytes);
    return made->AllocateTensors() == kTfLiteOk;
}

void write_decimal(size_t value)
{
    uint8_t text[kDigitsMax];
    size_t at = sizeof text;
    text[--at] = '\n';
    do {
        text[--at] = static_cast<uint8_t>('0' + value % 10);
        value /= 10;
    } while (value > 0 && at > 0);
    mps2_console_write(text + at, sizeof text - at);
}

}  // namespace

void mps2_timer1_handler(void) {}

int main(void)
{
    auto *resolver = new (resolver_place) ecgd_tflm_resolver_t();
    if (!mps2_console_open() || !ecgd_tflm_register(*resolver) || !fits(*resolver, sizeof arena)) {
        return 2;
    }
    size_t too_small = 0;
    size_t enough = sizeof arena / kStep;
    while (enough - too_small > 1) {
        const size_t middle = too_small + (enough - too_small) / 2;
        if (fits(*resolver, middle * kStep)) {
            enough = middle;
        } else {
            too_small = middle;
        }
    }
    write_decimal(enough * kStep);
    return 0;
}
