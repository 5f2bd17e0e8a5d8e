/* Identity of this firmware: rendered by ecgdeploy. */
#ifndef ECGD_BUILD_H
#define ECGD_BUILD_H

#define ECGD_BOARD "nano33ble"
#define ECGD_BUILD_ID "0c4ab3f1242f7f97"
#define ECGD_STACK_BYTES 32768u

#endif
