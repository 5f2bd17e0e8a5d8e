/* How long an inference takes on this board, alone: the link's time is not in it. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "ecgd_engine.h"
#include "ecgd_linux.h"

#define LEAST_ITERATIONS 10u
#define WARM_UP_NS 1000000000u
#define NS_PER_S 1000000000u
#define SAMPLES_MAX (1u << 18)

/* mapped when a benchmark is asked for: a program that serves has no use for 2 MB */
static uint64_t *samples;

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int by_size(const void *one, const void *other)
{
    const uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

/* The smallest sample that is not below `share` of all of them (nearest rank). */
static uint64_t percentile(size_t count, unsigned per_cent)
{
    const size_t rank = (count * per_cent + 99u) / 100u;
    return samples[rank > 0 ? rank - 1u : 0u];
}

static bool infer(const ecgd_golden_t *golden, uint64_t number)
{
    const size_t window = (size_t)golden->input_bytes + golden->output_bytes;
    return ecgd_engine_begin() == ECGD_ENGINE_OK &&
           ecgd_engine_feed(golden->data + (number % golden->windows) * window, golden->input_bytes) == ECGD_ENGINE_OK &&
           ecgd_engine_finish() == ECGD_ENGINE_OK;
}

int ecgd_bench(double seconds)
{
    ecgd_golden_t golden;
    struct rusage use;
    uint64_t iterations = 0, warm_up = 0, total = 0, stride = 1;
    size_t kept = 0;
    if (!ecgd_golden_open(&golden)) {
        (void)fputs("bench: golden.bin beside the program is missing or damaged\n", stderr);
        return ECGD_EXIT_NO_GOLDEN;
    }
    if (ecgd_engine_init() != ECGD_ENGINE_OK) {
        (void)fputs("bench: the engine did not start\n", stderr);
        return ECGD_EXIT_ENGINE;
    }
    samples = mmap(NULL, SAMPLES_MAX * sizeof samples[0], PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (samples == MAP_FAILED) {
        (void)fputs("bench: no memory\n", stderr);
        return ECGD_EXIT_ENGINE;
    }
    uint64_t start = now_ns();
    while (warm_up < LEAST_ITERATIONS || now_ns() - start < WARM_UP_NS) {
        if (!infer(&golden, warm_up++)) {
            return ECGD_EXIT_ENGINE;
        }
    }
    /* before the samples are written: they are not the model's memory */
    (void)getrusage(RUSAGE_SELF, &use);
    const long peak_kib = use.ru_maxrss;
    start = now_ns();
    const uint64_t least_ns = (uint64_t)(seconds * NS_PER_S);
    while (iterations < LEAST_ITERATIONS || now_ns() - start < least_ns) {
        const uint64_t before = now_ns();
        if (!infer(&golden, iterations)) {
            return ECGD_EXIT_ENGINE;
        }
        const uint64_t taken = now_ns() - before;
        total += taken;
        if (iterations++ % stride == 0) {
            samples[kept++] = taken;
        }
        if (kept == SAMPLES_MAX) { /* every second one stays */
            for (size_t i = 0; i < SAMPLES_MAX / 2u; ++i) {
                samples[i] = samples[2u * i];
            }
            kept = SAMPLES_MAX / 2u;
            stride *= 2u;
        }
    }
    const uint64_t elapsed = now_ns() - start;
    qsort(samples, kept, sizeof samples[0], by_size);
    (void)printf("{\"iterations\": %llu, \"samples\": %zu, \"warm_up\": %llu, \"elapsed_ns\": %llu, \"minimum_ns\": %llu, "
                 "\"median_ns\": %llu, \"p95_ns\": %llu, \"p99_ns\": %llu, \"maximum_ns\": %llu, \"mean_ns\": %llu, "
                 "\"peak_rss_bytes\": %llu}\n",
                 (unsigned long long)iterations, kept, (unsigned long long)warm_up, (unsigned long long)elapsed,
                 (unsigned long long)samples[0], (unsigned long long)percentile(kept, 50u),
                 (unsigned long long)percentile(kept, 95u), (unsigned long long)percentile(kept, 99u),
                 (unsigned long long)samples[kept - 1u], (unsigned long long)(total / iterations),
                 (unsigned long long)peak_kib * 1024u);
    return 0;
}
