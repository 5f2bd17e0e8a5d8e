/* Windows over two dimensions: spectrograms and images [height][width][channel], and transposed convolutions.
 *
 * A convolution gathers the windows of a few outputs side by side (rows, columns, channels; zeros outside the image)
 * and gives them to the kernels of ecgd_kernels.h, for which a window is a convolution's whole input, or the taps of a
 * depthwise one. Pooling looks at the part of its window that lies inside the image. */
#ifndef ECGD_GRID_H
#define ECGD_GRID_H

#include <stdint.h>

#include "ecgd_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Tap (i, j) of output (y, x) is the element at row y * stride_h + i * dilation_h - before_h, column likewise; with
 * up > 1 only every up-th of those rows exists in memory, the others are zeros. */
typedef struct {
    int32_t height, width;       /* of the image */
    int32_t taps_h, taps_w;
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t before_h, before_w;  /* padding */
    int32_t up_h, up_w;
    uint32_t bytes;              /* of the channels of one element */
} ecgd_plane_t;

/* Windows of outputs (y, x) to (y, x + count - 1); `image` is where row `first` starts, which may lie before row 0. */
void ecgd_gather(const ecgd_plane_t *plane, const void *image, int32_t first, int32_t y, int32_t x, int32_t count,
                 void *out);

typedef struct {
    ecgd_plane_t plane;
    int32_t channels;
    int16_t low, high;
    int16_t zero; /* zero point of input and output: the average rounds quantized values */
} ecgd_grid_pool_t;

void ecgd_grid_max_pool(const ecgd_grid_pool_t *pool, const int16_t *image, int32_t first, int32_t y, int32_t x,
                        int32_t count, int16_t *out);
void ecgd_grid_average_pool(const ecgd_grid_pool_t *pool, const int16_t *image, int32_t first, int32_t y, int32_t x,
                            int32_t count, int16_t *out);

typedef struct {
    ecgd_plane_t plane;
    int32_t channels;
    float low, high;
} ecgd_grid_pool_f32_t;

void ecgd_grid_max_pool_f32(const ecgd_grid_pool_f32_t *pool, const float *image, int32_t first, int32_t y, int32_t x,
                            int32_t count, float *out);
void ecgd_grid_average_pool_f32(const ecgd_grid_pool_f32_t *pool, const float *image, int32_t first, int32_t y,
                                int32_t x, int32_t count, float *out);

#ifdef __cplusplus
}
#endif
#endif
