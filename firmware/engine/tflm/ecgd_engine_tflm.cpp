/* TensorFlow Lite Micro behind ecgd_engine.h. C++17, because TFLM's headers are; nothing else in the firmware is C++,
 * and no file includes both this library's headers and a board's.
 *
 * The model, the operators it uses and the size of its arena are generated beside this file. */
#include <cstring>
#include <new>

#include "ecgd_engine.h"
#include "ecgd_model_data.h"
#include "ecgd_tflm_config.h"
#include "ecgd_tflm_operators.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {

constexpr unsigned kTensorsMax = 8;

alignas(16) uint8_t arena[ECGD_TFLM_ARENA_BYTES];
/* placed, not constructed at start: there is no heap, and the order of C++ constructors is nobody's business here */
alignas(tflite::MicroInterpreter) uint8_t interpreter_place[sizeof(tflite::MicroInterpreter)];
alignas(ecgd_tflm_resolver_t) uint8_t resolver_place[sizeof(ecgd_tflm_resolver_t)];
tflite::MicroInterpreter *interpreter;

ecgd_engine_info_t info;
ecgd_tensor_info_t input_infos[kTensorsMax];
ecgd_tensor_info_t output_infos[kTensorsMax];
unsigned feeding;      /* input that the next byte belongs to */
uint32_t fed;          /* bytes of it that are there */

ecgd_dtype_t dtype_of(TfLiteType type)
{
    switch (type) {
    case kTfLiteInt16:
        return ECGD_INT16;
    case kTfLiteFloat32:
        return ECGD_FLOAT32;
    case kTfLiteUInt8:
        return ECGD_UINT8;
    case kTfLiteInt32:
        return ECGD_INT32;
    default:
        return ECGD_INT8;
    }
}

ecgd_tensor_info_t describe(const TfLiteTensor *tensor)
{
    const ecgd_dtype_t dtype = dtype_of(tensor->type);
    const bool real = dtype == ECGD_FLOAT32;
    return {dtype, static_cast<uint32_t>(tensor->bytes), real ? 0.0f : tensor->params.scale,
            real ? 0 : tensor->params.zero_point};
}

}  // namespace

extern "C" {

const ecgd_engine_info_t *ecgd_engine_info(void)
{
    return &info;
}

const ecgd_tensor_info_t *ecgd_engine_input_info(unsigned index)
{
    return index < info.inputs ? &input_infos[index] : nullptr;
}

const ecgd_tensor_info_t *ecgd_engine_output_info(unsigned index)
{
    return index < info.outputs ? &output_infos[index] : nullptr;
}

ecgd_engine_status_t ecgd_engine_init(void)
{
    info.name = "tflm";
    std::memcpy(info.model_sha256, ecgd_model_sha256, sizeof info.model_sha256);
    info.arena_bytes = ECGD_TFLM_ARENA_BYTES;
    auto *resolver = new (resolver_place) ecgd_tflm_resolver_t();
    if (!ecgd_tflm_register(*resolver)) {
        return ECGD_ENGINE_INIT_FAILED;
    }
    auto *made = new (interpreter_place)
        tflite::MicroInterpreter(tflite::GetModel(ecgd_model_data), *resolver, arena, sizeof arena);
    if (made->AllocateTensors() != kTfLiteOk || made->inputs_size() > kTensorsMax ||
        made->outputs_size() > kTensorsMax) {
        return ECGD_ENGINE_INIT_FAILED;
    }
    for (unsigned i = 0; i < made->inputs_size(); ++i) {
        input_infos[i] = describe(made->input(i));
    }
    for (unsigned i = 0; i < made->outputs_size(); ++i) {
        output_infos[i] = describe(made->output(i));
    }
    info.inputs = static_cast<uint8_t>(made->inputs_size());
    info.outputs = static_cast<uint8_t>(made->outputs_size());
    interpreter = made;
    return ECGD_ENGINE_OK;
}

ecgd_engine_status_t ecgd_engine_begin(void)
{
    feeding = 0;
    fed = 0;
    if (interpreter == nullptr) {
        return ECGD_ENGINE_INIT_FAILED;
    }
    /* recurrent state of the previous inference goes back to zero */
    return interpreter->Reset() == kTfLiteOk ? ECGD_ENGINE_OK : ECGD_ENGINE_INVOKE_FAILED;
}

ecgd_engine_status_t ecgd_engine_feed(const void *data, size_t bytes)
{
    const uint8_t *from = static_cast<const uint8_t *>(data);
    while (bytes > 0) {
        if (interpreter == nullptr || feeding >= info.inputs) {
            return ECGD_ENGINE_INPUT_OVERRUN;
        }
        const size_t missing = input_infos[feeding].bytes - fed;
        const size_t count = bytes < missing ? bytes : missing;
        std::memcpy(interpreter->input(feeding)->data.raw + fed, from, count);
        from += count;
        bytes -= count;
        fed += static_cast<uint32_t>(count);
        if (fed == input_infos[feeding].bytes) {
            ++feeding;
            fed = 0;
        }
    }
    return ECGD_ENGINE_OK;
}

ecgd_engine_status_t ecgd_engine_finish(void)
{
    if (interpreter == nullptr) {
        return ECGD_ENGINE_INIT_FAILED;
    }
    if (feeding < info.inputs) {
        return ECGD_ENGINE_INPUT_SHORT;
    }
    return interpreter->Invoke() == kTfLiteOk ? ECGD_ENGINE_OK : ECGD_ENGINE_INVOKE_FAILED;
}

const void *ecgd_engine_output(unsigned index)
{
    return interpreter != nullptr && index < info.outputs ? interpreter->output(index)->data.raw : nullptr;
}

}  // extern "C"
