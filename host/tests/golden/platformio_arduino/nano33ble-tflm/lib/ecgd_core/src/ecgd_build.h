/* Identity of this firmware: rendered by ecgdeploy. */
#ifndef ECGD_BUILD_H
#define ECGD_BUILD_H

#define ECGD_BOARD "nano33ble"
#define ECGD_BUILD_ID "abb2a1d064e91251"

#endif
