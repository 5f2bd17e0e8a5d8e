/* See ecgd_grid.h. */
#include "ecgd_grid.h"

#include <float.h>
#include <string.h>

#include "ecgd_requantize.h"

/* Where an element of the stretched axis stands in memory: below 0 where nothing does. */
static inline int32_t place(int32_t at, int32_t up, int32_t extent) {
    if (at < 0) {
        return -1;
    }
    const int32_t index = up == 1 ? at : (at % up == 0 ? at / up : -1);
    return index < extent ? index : -1;
}

void ecgd_gather(const ecgd_plane_t *plane, const void *image, int32_t first, int32_t y, int32_t x, int32_t count,
                 void *out) {
    const uint32_t pixel = plane->bytes;
    uint8_t *to = out;
    for (int32_t p = 0; p < count; p++) {
        const int32_t left = (x + p) * plane->stride_w - plane->before_w;
        const int inside = plane->up_w == 1 && plane->dilation_w == 1 && left >= 0 && left + plane->taps_w <= plane->width;
        for (int32_t i = 0; i < plane->taps_h; i++) {
            const int32_t row =
                place(y * plane->stride_h + i * plane->dilation_h - plane->before_h, plane->up_h, plane->height);
            if (row < 0) {
                memset(to, 0, (uint32_t)plane->taps_w * pixel);
                to += (uint32_t)plane->taps_w * pixel;
                continue;
            }
            const uint8_t *line = (const uint8_t *)image + (uint32_t)((row - first) * plane->width) * pixel;
            if (inside) {
                memcpy(to, line + (uint32_t)left * pixel, (uint32_t)plane->taps_w * pixel);
                to += (uint32_t)plane->taps_w * pixel;
                continue;
            }
            for (int32_t j = 0; j < plane->taps_w; j++, to += pixel) {
                const int32_t column = place(left + j * plane->dilation_w, plane->up_w, plane->width);
                if (column < 0) {
                    memset(to, 0, pixel);
                } else {
                    memcpy(to, line + (uint32_t)column * pixel, pixel);
                }
            }
        }
    }
}

typedef struct {
    int32_t top, bottom, left, right;
} area_t;

/* The part of a window that lies inside the image. */
static area_t inside(const ecgd_plane_t *plane, int32_t y, int32_t x) {
    area_t a;
    a.top = y * plane->stride_h - plane->before_h;
    a.left = x * plane->stride_w - plane->before_w;
    a.bottom = a.top + plane->taps_h < plane->height ? a.top + plane->taps_h : plane->height;
    a.right = a.left + plane->taps_w < plane->width ? a.left + plane->taps_w : plane->width;
    a.top = a.top < 0 ? 0 : a.top;
    a.left = a.left < 0 ? 0 : a.left;
    return a;
}

void ecgd_grid_max_pool(const ecgd_grid_pool_t *pool, const int16_t *image, int32_t first, int32_t y, int32_t x,
                        int32_t count, int16_t *out) {
    for (int32_t p = 0; p < count; p++) {
        const area_t a = inside(&pool->plane, y, x + p);
        for (int32_t c = 0; c < pool->channels; c++) {
            int32_t best = INT16_MIN;
            for (int32_t i = a.top; i < a.bottom; i++) {
                const int16_t *line = image + (i - first) * pool->plane.width * pool->channels + c;
                for (int32_t j = a.left; j < a.right; j++) {
                    best = line[j * pool->channels] > best ? line[j * pool->channels] : best;
                }
            }
            *out++ = ecgd_clamp(best, pool->low, pool->high);
        }
    }
}

void ecgd_grid_average_pool(const ecgd_grid_pool_t *pool, const int16_t *image, int32_t first, int32_t y, int32_t x,
                            int32_t count, int16_t *out) {
    for (int32_t p = 0; p < count; p++) {
        const area_t a = inside(&pool->plane, y, x + p);
        const int32_t size = (a.bottom - a.top) * (a.right - a.left);
        for (int32_t c = 0; c < pool->channels; c++) {
            int32_t sum = size * pool->zero;
            for (int32_t i = a.top; i < a.bottom; i++) {
                const int16_t *line = image + (i - first) * pool->plane.width * pool->channels + c;
                for (int32_t j = a.left; j < a.right; j++) {
                    sum += line[j * pool->channels];
                }
            }
            const int32_t mean = sum > 0 ? (sum + size / 2) / size : (sum - size / 2) / size;
            *out++ = ecgd_clamp(mean - pool->zero, pool->low, pool->high);
        }
    }
}

static inline float clamp(float x, float low, float high) {
    x = x < low ? low : x;
    return high < x ? high : x;
}

void ecgd_grid_max_pool_f32(const ecgd_grid_pool_f32_t *pool, const float *image, int32_t first, int32_t y, int32_t x,
                            int32_t count, float *out) {
    for (int32_t p = 0; p < count; p++) {
        const area_t a = inside(&pool->plane, y, x + p);
        for (int32_t c = 0; c < pool->channels; c++) {
            float best = -FLT_MAX;
            for (int32_t i = a.top; i < a.bottom; i++) {
                const float *line = image + (i - first) * pool->plane.width * pool->channels + c;
                for (int32_t j = a.left; j < a.right; j++) {
                    best = best < line[j * pool->channels] ? line[j * pool->channels] : best;
                }
            }
            *out++ = clamp(best, pool->low, pool->high);
        }
    }
}

void ecgd_grid_average_pool_f32(const ecgd_grid_pool_f32_t *pool, const float *image, int32_t first, int32_t y,
                                int32_t x, int32_t count, float *out) {
    for (int32_t p = 0; p < count; p++) {
        const area_t a = inside(&pool->plane, y, x + p);
        for (int32_t c = 0; c < pool->channels; c++) {
            float sum = 0.0f;
            for (int32_t i = a.top; i < a.bottom; i++) {
                const float *line = image + (i - first) * pool->plane.width * pool->channels + c;
                for (int32_t j = a.left; j < a.right; j++) {
                    sum += line[j * pool->channels];
                }
            }
            *out++ = clamp(sum / (float)((a.bottom - a.top) * (a.right - a.left)), pool->low, pool->high);
        }
    }
}
