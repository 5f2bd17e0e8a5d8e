/* Instances of the convolution kernels, by position stride. Included by ecgd_kernels.h. */
#ifndef ECGD_KERNELS_DSP_H
#define ECGD_KERNELS_DSP_H

/* Portable targets: an instance is the shared function under another name. */
#define ECGD_CONV_KERNEL(name, stride, mode)                                                                         \
    static void name(const ecgd_conv_t *conv, const int16_t *window, uint32_t positions, int16_t *out) {             \
        ecgd_conv_portable(conv, window, positions, out);                                                            \
    }

#endif
