/* Port for Arduino boards, one implementation a core in port/arduino_*: the sketch calls this once, then ecgd_app_init()
 * and ecgd_app_poll(). */
#ifndef ECGD_PORT_ARDUINO_H
#define ECGD_PORT_ARDUINO_H

#ifdef __cplusplus
extern "C" {
#endif

void ecgd_port_arduino_begin(void);

#ifdef __cplusplus
}
#endif
#endif
