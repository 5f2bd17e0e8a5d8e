#ifndef STUB_RESOLVER_H
#define STUB_RESOLVER_H
#include "tensorflow/lite/micro/debug_log.h" /* as a library of 2023 brings it along */
#include "tensorflow/lite/micro/micro_interpreter.h"

namespace tflite {
template <unsigned int kOperators>
class MicroMutableOpResolver : public MicroOpResolver {
public:
    TfLiteStatus AddConv2D() { return kTfLiteOk; }
    TfLiteStatus AddFullyConnected() { return kTfLiteOk; }
    TfLiteStatus AddMaxPool2D() { return kTfLiteOk; }
    TfLiteStatus AddMean() { return kTfLiteOk; }
    TfLiteStatus AddSoftmax() { return kTfLiteOk; }
};
}  // namespace tflite
#endif
