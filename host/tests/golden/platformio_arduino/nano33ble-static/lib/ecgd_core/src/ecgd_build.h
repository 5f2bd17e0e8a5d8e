/* Identity of this firmware: rendered by ecgdeploy. */
#ifndef ECGD_BUILD_H
#define ECGD_BUILD_H

#define ECGD_BOARD "nano33ble"
#define ECGD_BUILD_ID "58950f85e0ba9d28"

#endif
