/* Identity of this firmware: rendered by ecgdeploy. */
#ifndef ECGD_BUILD_H
#define ECGD_BUILD_H

#define ECGD_BOARD "portenta_h7_m7"
#define ECGD_BUILD_ID "79fe504176631f73"

#endif
