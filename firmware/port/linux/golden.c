/* The golden vectors that lie beside the program: what the computer that built the bundle says of a few windows. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ecgd_engine.h"
#include "ecgd_link.h"
#include "ecgd_linux.h"

#define PATH_BYTES 4096u
#define NAME "golden.bin"
#define MAGIC "ECGDGLD1"
#define MAGIC_BYTES 8u
#define HEADER_BYTES 28u
#define CRC_BYTES 4u

bool ecgd_golden_open(ecgd_golden_t *golden)
{
    char path[PATH_BYTES];
    struct stat about;
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1u);
    if (length <= 0) {
        return false;
    }
    path[length] = '\0';
    char *const slash = strrchr(path, '/');
    if (slash == NULL || (size_t)(slash - path) + 2u + strlen(NAME) > sizeof path) {
        return false;
    }
    (void)strcpy(slash + 1, NAME);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &about) != 0 || about.st_size < (off_t)(HEADER_BYTES + CRC_BYTES)) {
        return false;
    }
    const size_t bytes = (size_t)about.st_size;
    const uint8_t *const data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, file, 0);
    (void)close(file);
    if (data == MAP_FAILED || memcmp(data, MAGIC, MAGIC_BYTES) != 0 ||
        ecgd_crc32(0, data, bytes - CRC_BYTES) != ecgd_get_u32(data + bytes - CRC_BYTES)) {
        return false;
    }
    golden->windows = ecgd_get_u32(data + 8);
    golden->input_bytes = ecgd_get_u32(data + 12);
    golden->output_bytes = ecgd_get_u32(data + 16);
    memcpy(&golden->steps, data + 20, sizeof golden->steps);
    memcpy(&golden->tolerance, data + 24, sizeof golden->tolerance);
    golden->data = data + HEADER_BYTES;
    const uint64_t window = (uint64_t)golden->input_bytes + golden->output_bytes;
    return golden->windows > 0 && window * golden->windows == bytes - HEADER_BYTES - CRC_BYTES;
}

static double value_at(ecgd_dtype_t dtype, const uint8_t *at)
{
    int16_t word;
    int32_t number;
    float real;
    switch (dtype) {
    case ECGD_INT8:
        return (double)(int8_t)*at;
    case ECGD_UINT8:
        return (double)*at;
    case ECGD_INT16:
        memcpy(&word, at, sizeof word);
        return (double)word;
    case ECGD_INT32:
        memcpy(&number, at, sizeof number);
        return (double)number;
    case ECGD_FLOAT32:
    default:
        memcpy(&real, at, sizeof real);
        return (double)real;
    }
}

static size_t size_of(ecgd_dtype_t dtype)
{
    return dtype == ECGD_INT8 || dtype == ECGD_UINT8 ? 1u : dtype == ECGD_INT16 ? 2u : 4u;
}

static bool near(const ecgd_golden_t *golden, const uint8_t *wanted)
{
    size_t start = 0;
    for (unsigned k = 0; k < ecgd_engine_info()->outputs; ++k) {
        const ecgd_tensor_info_t *const tensor = ecgd_engine_output_info(k);
        const uint8_t *const ours = ecgd_engine_output(k);
        const double limit = (double)(tensor->dtype == ECGD_FLOAT32 ? golden->tolerance : golden->steps);
        const size_t step = size_of(tensor->dtype);
        if (start + tensor->bytes > golden->output_bytes) {
            return false;
        }
        for (size_t at = 0; at < tensor->bytes; at += step) {
            const double difference =
                fabs(value_at(tensor->dtype, ours + at) - value_at(tensor->dtype, wanted + start + at));
            /* two infinities, or two NaNs, of the same bytes are the same answer */
            if (!(difference <= limit) && memcmp(ours + at, wanted + start + at, step) != 0) {
                return false;
            }
        }
        start += tensor->bytes;
    }
    return start == golden->output_bytes;
}

int ecgd_self_test(void)
{
    ecgd_golden_t golden;
    if (!ecgd_golden_open(&golden)) {
        (void)fputs("self-test: " NAME " beside the program is missing or damaged\n", stderr);
        return ECGD_EXIT_NO_GOLDEN;
    }
    if (ecgd_engine_init() != ECGD_ENGINE_OK) {
        (void)fputs("self-test: the engine did not start\n", stderr);
        return ECGD_EXIT_ENGINE;
    }
    for (uint32_t k = 0; k < golden.windows; ++k) {
        const uint8_t *const inputs = golden.data + (size_t)k * (golden.input_bytes + golden.output_bytes);
        if (ecgd_engine_begin() != ECGD_ENGINE_OK || ecgd_engine_feed(inputs, golden.input_bytes) != ECGD_ENGINE_OK ||
            ecgd_engine_finish() != ECGD_ENGINE_OK || !near(&golden, inputs + golden.input_bytes)) {
            (void)fprintf(stderr, "self-test: golden vector %u is answered otherwise\n", (unsigned)k);
            return ECGD_EXIT_GOLDEN;
        }
    }
    return 0;
}
