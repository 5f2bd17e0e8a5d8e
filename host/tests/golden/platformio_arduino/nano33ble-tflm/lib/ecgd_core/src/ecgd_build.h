/* Identity of this firmware: rendered by ecgdeploy. */
#ifndef ECGD_BUILD_H
#define ECGD_BUILD_H

#define ECGD_BOARD "nano33ble"
#define ECGD_BUILD_ID "d2b1b44b0e473b99"

#endif
