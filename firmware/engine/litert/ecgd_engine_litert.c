/* Engine `litert`: the LiteRT runtime's shared library behind the engine contract, on a board with an operating system.
 *
 * The library and the model lie beside the program. The library ships no headers: the few prototypes used here follow
 * LiteRT's C API of the pinned version (litert/c of release 2.3.0). The model must be the very file that the program
 * was built for: its size and CRC-32 are compiled in, so that a damaged one is refused before it is loaded.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ecgd_engine.h"
#include "ecgd_litert_model.h"

#define PATH_BYTES 4096u
#define TYPE_BYTES 256u    /* LiteRtRankedTensorType is 72 bytes in 2.3.0 */
#define RANK_WORD 1u       /* in 32-bit words: element type, rank, then the dimensions */
#define DIMENSION_WORD 2u
#define RANK_MASK 0x7f
#define MAX_RANK 8u
#define ACCELERATOR_CPU 1
#define BUFFER_READ 0
#define BUFFER_WRITE 1
#define CRC_POLYNOMIAL 0xedb88320u

typedef void *handle_t;
typedef int status_t; /* 0 is success */

/* clang-format off */
#define API(X) \
    X(LiteRtCreateEnvironment, (int options, const void *values, handle_t *environment)) \
    X(LiteRtCreateModelFromBuffer, (handle_t environment, const void *data, size_t bytes, handle_t *model)) \
    X(LiteRtGetModelSignature, (handle_t model, size_t index, handle_t *signature)) \
    X(LiteRtGetSignatureInputTensorByIndex, (handle_t signature, size_t index, handle_t *tensor)) \
    X(LiteRtGetSignatureOutputTensorByIndex, (handle_t signature, size_t index, handle_t *tensor)) \
    X(LiteRtGetTensorIndex, (handle_t tensor, uint32_t *index)) \
    X(LiteRtGetRankedTensorType, (handle_t tensor, void *type)) \
    X(LiteRtCreateOptions, (handle_t *options)) \
    X(LiteRtSetOptionsHardwareAccelerators, (handle_t options, int accelerators)) \
    X(LiteRtCreateOpaqueOptions, (const char *name, void *text, void (*release)(void *), handle_t *options)) \
    X(LiteRtAddOpaqueOptions, (handle_t options, handle_t more)) \
    X(LiteRtCreateCompiledModel, (handle_t environment, handle_t model, handle_t options, handle_t *compiled)) \
    X(LiteRtGetCompiledModelInputBufferRequirements, (handle_t compiled, size_t signature, size_t index, handle_t *needs)) \
    X(LiteRtGetCompiledModelOutputBufferRequirements, (handle_t compiled, size_t signature, size_t index, handle_t *needs)) \
    X(LiteRtCreateManagedTensorBufferFromRequirements, (handle_t environment, const void *type, handle_t needs, handle_t *buffer)) \
    X(LiteRtLockTensorBuffer, (handle_t buffer, void **memory, int mode)) \
    X(LiteRtUnlockTensorBuffer, (handle_t buffer)) \
    X(LiteRtRunCompiledModel, (handle_t compiled, size_t signature, size_t inputs, handle_t *in, size_t outputs, handle_t *out))
/* clang-format on */

#define POINTER(name, arguments) static status_t(*name) arguments;
API(POINTER)

/* The signature may list tensors in another order than the model's inputs and outputs, which is the contract's. */
static handle_t environment, compiled;
static handle_t inputs[ECGD_LITERT_INPUTS], outputs[ECGD_LITERT_OUTPUTS];
static unsigned input_place[ECGD_LITERT_INPUTS], output_place[ECGD_LITERT_OUTPUTS];
static uint8_t input_bytes[ECGD_LITERT_INPUT_BYTES];
static uint64_t output_bytes[(ECGD_LITERT_OUTPUT_BYTES + 7u) / 8u]; /* words, so that any tensor type is aligned */
static size_t fed;

static const ecgd_engine_info_t info = {.name = "litert",
                                        .model_sha256 = ECGD_LITERT_MODEL_SHA256,
                                        .inputs = ECGD_LITERT_INPUTS,
                                        .outputs = ECGD_LITERT_OUTPUTS,
                                        .arena_bytes = 0};

const ecgd_engine_info_t *ecgd_engine_info(void)
{
    return &info;
}

const ecgd_tensor_info_t *ecgd_engine_input_info(unsigned index)
{
    return index < ECGD_LITERT_INPUTS ? &ecgd_litert_inputs[index] : NULL;
}

const ecgd_tensor_info_t *ecgd_engine_output_info(unsigned index)
{
    return index < ECGD_LITERT_OUTPUTS ? &ecgd_litert_outputs[index] : NULL;
}

static ecgd_engine_status_t fail(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    (void)fputs("engine litert: ", stderr);
    (void)vfprintf(stderr, format, values);
    (void)fputc('\n', stderr);
    va_end(values);
    return ECGD_ENGINE_INIT_FAILED;
}

static int beside_program(char *path, const char *name)
{
    const ssize_t length = readlink("/proc/self/exe", path, PATH_BYTES - 1u);
    if (length <= 0) {
        return 0;
    }
    path[length] = '\0';
    char *const slash = strrchr(path, '/');
    if (slash == NULL || (size_t)(slash - path) + 2u + strlen(name) > PATH_BYTES) {
        return 0;
    }
    (void)strcpy(slash + 1, name);
    return 1;
}

static uint32_t crc32_of(const uint8_t *data, size_t bytes)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < bytes; ++i) {
        crc ^= data[i];
        for (unsigned bit = 0; bit < 8u; ++bit) {
            crc = (crc >> 1) ^ (CRC_POLYNOMIAL & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

/* The model file mapped into memory; NULL when it is not, byte for byte, the expected one. */
static const uint8_t *map_model(void)
{
    char path[PATH_BYTES];
    struct stat about;
    const int file = beside_program(path, "model.tflite") ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) {
        return NULL;
    }
    void *data = MAP_FAILED;
    if (fstat(file, &about) == 0 && about.st_size == (off_t)ECGD_LITERT_MODEL_BYTES) {
        data = mmap(NULL, ECGD_LITERT_MODEL_BYTES, PROT_READ, MAP_PRIVATE, file, 0);
    }
    (void)close(file);
    if (data == MAP_FAILED || crc32_of(data, ECGD_LITERT_MODEL_BYTES) != ECGD_LITERT_MODEL_CRC32) {
        return NULL;
    }
    return data;
}

static ecgd_engine_status_t load_library(void)
{
    char path[PATH_BYTES];
    void *const library = beside_program(path, "libLiteRt.so") ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (library == NULL) {
        return fail("%s", dlerror());
    }
#define LOOK_UP(name, arguments)                                    \
    *(void **)&name = dlsym(library, #name);                        \
    if (name == NULL) {                                             \
        return fail("the library has no %s: another version?", #name); \
    }
    API(LOOK_UP)
    return ECGD_ENGINE_OK;
}

static void keep(void *text)
{
    (void)text; /* a constant */
}

static status_t compile_model(handle_t model)
{
    static char cpu[] = ECGD_LITERT_CPU_OPTIONS;
    handle_t options, opaque;
    status_t status = LiteRtCreateOptions(&options);
    if (status == 0) {
        status = LiteRtSetOptionsHardwareAccelerators(options, ACCELERATOR_CPU);
    }
    if (status == 0) {
        status = LiteRtCreateOpaqueOptions("xnnpack", cpu, keep, &opaque);
    }
    if (status == 0) {
        status = LiteRtAddOpaqueOptions(options, opaque);
    }
    return status != 0 ? status : LiteRtCreateCompiledModel(environment, model, options, &compiled);
}

/* Which of the model's tensors the signature's tensor is; and a buffer for it. */
static status_t prepare(handle_t tensor, handle_t needs, const uint32_t *indices, unsigned count, unsigned *place,
                        handle_t *buffer)
{
    _Alignas(8) int32_t type[TYPE_BYTES / sizeof(int32_t)] = {0};
    uint32_t index;
    status_t status = LiteRtGetTensorIndex(tensor, &index);
    if (status == 0) {
        status = LiteRtGetRankedTensorType(tensor, type);
    }
    if (status != 0) {
        return status;
    }
    for (*place = 0; *place < count && indices[*place] != index; ++*place) {
    }
    if (*place == count) {
        return -1;
    }
    /* a free batch size stands as -1: one window at a time */
    const unsigned rank = (unsigned)type[RANK_WORD] & RANK_MASK;
    for (unsigned axis = 0; axis < rank && axis < MAX_RANK; ++axis) {
        if (type[DIMENSION_WORD + axis] < 0) {
            type[DIMENSION_WORD + axis] = 1;
        }
    }
    return LiteRtCreateManagedTensorBufferFromRequirements(environment, type, needs, buffer);
}

ecgd_engine_status_t ecgd_engine_init(void)
{
    handle_t model, signature, tensor, needs;
    const uint8_t *const data = map_model();
    if (data == NULL) {
        return fail("model.tflite is not the file this program was built for");
    }
    if (load_library() != ECGD_ENGINE_OK) {
        return ECGD_ENGINE_INIT_FAILED;
    }
    status_t status = LiteRtCreateEnvironment(0, NULL, &environment);
    if (status == 0) {
        status = LiteRtCreateModelFromBuffer(environment, data, ECGD_LITERT_MODEL_BYTES, &model);
    }
    if (status == 0) {
        status = compile_model(model);
    }
    if (status == 0) {
        status = LiteRtGetModelSignature(model, 0, &signature);
    }
    for (unsigned k = 0; status == 0 && k < ECGD_LITERT_INPUTS; ++k) {
        status = LiteRtGetSignatureInputTensorByIndex(signature, k, &tensor);
        if (status == 0) {
            status = LiteRtGetCompiledModelInputBufferRequirements(compiled, 0, k, &needs);
        }
        if (status == 0) {
            status = prepare(tensor, needs, ecgd_litert_input_tensors, ECGD_LITERT_INPUTS, &input_place[k], &inputs[k]);
        }
    }
    for (unsigned k = 0; status == 0 && k < ECGD_LITERT_OUTPUTS; ++k) {
        status = LiteRtGetSignatureOutputTensorByIndex(signature, k, &tensor);
        if (status == 0) {
            status = LiteRtGetCompiledModelOutputBufferRequirements(compiled, 0, k, &needs);
        }
        if (status == 0) {
            status =
                prepare(tensor, needs, ecgd_litert_output_tensors, ECGD_LITERT_OUTPUTS, &output_place[k], &outputs[k]);
        }
    }
    return status == 0 ? ECGD_ENGINE_OK : fail("LiteRT cannot run the model (status %d)", status);
}

ecgd_engine_status_t ecgd_engine_begin(void)
{
    fed = 0;
    return ECGD_ENGINE_OK;
}

ecgd_engine_status_t ecgd_engine_feed(const void *data, size_t bytes)
{
    if (bytes > sizeof input_bytes - fed) {
        return ECGD_ENGINE_INPUT_OVERRUN;
    }
    (void)memcpy(input_bytes + fed, data, bytes);
    fed += bytes;
    return ECGD_ENGINE_OK;
}

static size_t offset_of(const ecgd_tensor_info_t *tensors, unsigned index, size_t align)
{
    size_t offset = 0;
    for (unsigned k = 0; k < index; ++k) {
        offset += (tensors[k].bytes + align - 1u) / align * align;
    }
    return offset;
}

ecgd_engine_status_t ecgd_engine_finish(void)
{
    void *memory;
    if (fed != sizeof input_bytes) {
        return ECGD_ENGINE_INPUT_SHORT;
    }
    for (unsigned k = 0; k < ECGD_LITERT_INPUTS; ++k) {
        const unsigned at = input_place[k];
        if (LiteRtLockTensorBuffer(inputs[k], &memory, BUFFER_WRITE) != 0) {
            return ECGD_ENGINE_INVOKE_FAILED;
        }
        (void)memcpy(memory, input_bytes + offset_of(ecgd_litert_inputs, at, 1u), ecgd_litert_inputs[at].bytes);
        (void)LiteRtUnlockTensorBuffer(inputs[k]);
    }
    if (LiteRtRunCompiledModel(compiled, 0, ECGD_LITERT_INPUTS, inputs, ECGD_LITERT_OUTPUTS, outputs) != 0) {
        return ECGD_ENGINE_INVOKE_FAILED;
    }
    for (unsigned k = 0; k < ECGD_LITERT_OUTPUTS; ++k) {
        const unsigned at = output_place[k];
        if (LiteRtLockTensorBuffer(outputs[k], &memory, BUFFER_READ) != 0) {
            return ECGD_ENGINE_INVOKE_FAILED;
        }
        (void)memcpy((uint8_t *)output_bytes + offset_of(ecgd_litert_outputs, at, 8u), memory,
                     ecgd_litert_outputs[at].bytes);
        (void)LiteRtUnlockTensorBuffer(outputs[k]);
    }
    return ECGD_ENGINE_OK;
}

const void *ecgd_engine_output(unsigned index)
{
    return index < ECGD_LITERT_OUTPUTS ? (const uint8_t *)output_bytes + offset_of(ecgd_litert_outputs, index, 8u)
                                       : NULL;
}
