/* The application: link dispatch, engine, timing, stack watermark, keep-alive. Portable; runs over any ecgd_port.h. */
#ifndef ECGD_APP_H
#define ECGD_APP_H

/* a project whose build system takes no definitions (Arduino) states them in a header */
#if defined(__has_include)
#if __has_include("ecgd_build.h")
#include "ecgd_build.h"
#endif
#endif

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Most input bytes in one DATA frame; the receive buffer is this plus a header. */
#ifndef ECGD_FRAME_BYTES
#define ECGD_FRAME_BYTES 2048u
#endif
/* RESULTs kept for replay: so many inferences the host may have unanswered. */
#ifndef ECGD_REPLIES
#define ECGD_REPLIES 4u
#endif
/* Output bytes that fit into RESULT; larger outputs are read in pieces of this size. */
#ifndef ECGD_INLINE_OUTPUT_BYTES
#define ECGD_INLINE_OUTPUT_BYTES 256u
#endif
/* Stack that must never have been used, else the measurement is flagged. */
#ifndef ECGD_STACK_MARGIN_BYTES
#define ECGD_STACK_MARGIN_BYTES 256u
#endif
/* Set by the build: hash over the firmware's sources, at most 16 characters. */
#ifndef ECGD_BUILD_ID
#define ECGD_BUILD_ID "unknown"
#endif

void ecgd_app_init(void);
/* Whether the engine started; the link says the same in WELCOME. */
bool ecgd_app_ready(void);
/* Reads what has come in and answers it. */
void ecgd_app_poll(void);
/* For the port, while busy, from an interrupt or thread; see ecgd_port_busy. */
void ecgd_app_keepalive(void);

#ifdef __cplusplus
}
#endif
#endif
