/* See ecgd_preprocess.h. */
#include "ecgd_preprocess.h"

#include <math.h>

/* Saturate, then round half away from zero, as TensorFlow Lite's QUANTIZE does. The limits come first: a float beyond
 * int32 has no int32 value, and between them the fraction is exact. No libm: roundf is not on every device. */
static int8_t quantize(float value, float input_scale, int32_t zero_point)
{
    const float lowest = (float)(INT8_MIN - zero_point);
    const float highest = (float)(INT8_MAX - zero_point);
    float steps = value / input_scale;
    int32_t whole;

    if (isnan(steps)) {
        return (int8_t)zero_point;
    }
    if (steps < lowest) {
        steps = lowest;
    }
    if (steps > highest) {
        steps = highest;
    }
    whole = (int32_t)steps; /* towards zero */
    steps -= (float)whole;
    if (steps >= 0.5f) {
        whole += 1;
    }
    if (steps <= -0.5f) {
        whole -= 1;
    }
    return (int8_t)(whole + zero_point);
}

void ecgd_preprocess(const ecgd_preprocess_config *config, const float *millivolts, size_t samples, int8_t *output)
{
    for (size_t lead = 0; lead < config->leads; ++lead) {
        float offset = 0.0f;

        if (config->centre != 0 && samples > 0) {
            for (size_t i = 0; i < samples; ++i) {
                offset += millivolts[i * config->leads + lead];
            }
            offset /= (float)samples;
        }
        for (size_t i = 0; i < samples; ++i) {
            const size_t at = i * config->leads + lead;
            float value = millivolts[at];

            if (config->centre != 0) {
                value -= offset;
            }
            value = (value - config->mean[lead]) / config->scale[lead];
            output[at] = quantize(value, config->input_scale, config->zero_point);
        }
    }
}
