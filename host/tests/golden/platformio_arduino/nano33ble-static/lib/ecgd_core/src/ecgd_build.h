/* Identity of this firmware: rendered by ecgdeploy. */
#ifndef ECGD_BUILD_H
#define ECGD_BUILD_H

#define ECGD_BOARD "nano33ble"
#define ECGD_BUILD_ID "fff9b0cb96d620e5"

#endif
