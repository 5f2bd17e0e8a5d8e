/* Identity of this firmware: rendered by ecgdeploy. */
#ifndef ECGD_BUILD_H
#define ECGD_BUILD_H

#define ECGD_BOARD "nucleo_f446re"
#define ECGD_BUILD_ID "b5f04281ebb8de3d"
#define ECGD_STACK_BYTES 16384u

#endif
