/* Identity of this firmware: rendered by ecgdeploy. */
#ifndef ECGD_BUILD_H
#define ECGD_BUILD_H

#define ECGD_BOARD "portenta_h7_m7"
#define ECGD_BUILD_ID "424c669a47b452a9"
#define ECGD_STACK_BYTES 32768u

#endif
