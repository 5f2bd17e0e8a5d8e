#ifndef STUB_SCHEMA_H
#define STUB_SCHEMA_H
namespace tflite {
struct Model;
inline const Model *GetModel(const void *data)
{
    return static_cast<const Model *>(data);
}
}  // namespace tflite
#endif
