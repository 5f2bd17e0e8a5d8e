/* Identity of this firmware: rendered by ecgdeploy. */
#ifndef ECGD_BUILD_H
#define ECGD_BUILD_H

#define ECGD_BOARD "nrf52840_dk"
#define ECGD_BUILD_ID "105741a2cf6b0285"
#define ECGD_STACK_BYTES 4096u

#endif
