/* What the wrapper uses of TFLM, declared and nothing more: an interpreter that refuses every model. */
#ifndef STUB_MICRO_INTERPRETER_H
#define STUB_MICRO_INTERPRETER_H
#include <stddef.h>
#include <stdint.h>

#include "tensorflow/lite/schema/schema_generated.h"

typedef enum { kTfLiteOk = 0, kTfLiteError = 1 } TfLiteStatus;
typedef enum { kTfLiteFloat32 = 1, kTfLiteInt32 = 2, kTfLiteUInt8 = 3, kTfLiteInt16 = 7, kTfLiteInt8 = 9 } TfLiteType;
typedef struct {
    TfLiteType type;
    size_t bytes;
    struct {
        float scale;
        int32_t zero_point;
    } params;
    union {
        char *raw;
    } data;
} TfLiteTensor;

namespace tflite {
class MicroOpResolver {};
class MicroInterpreter {
public:
    MicroInterpreter(const Model *model, const MicroOpResolver &, uint8_t *, size_t)
        : model_(reinterpret_cast<const volatile uint8_t *>(model)) {}
    TfLiteStatus AllocateTensors() { return model_[0] != 0 ? kTfLiteError : kTfLiteOk; }
    TfLiteStatus Invoke() { return kTfLiteError; }
    TfLiteStatus Reset() { return kTfLiteError; }
    size_t inputs_size() const { return 0; }
    size_t outputs_size() const { return 0; }
    TfLiteTensor *input(size_t) { return nullptr; }
    TfLiteTensor *output(size_t) { return nullptr; }

private:
    const volatile uint8_t *model_; /* so that the model is part of the image */
};
}  // namespace tflite
#endif
