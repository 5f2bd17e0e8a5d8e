/* golden on the ST Nucleo-F446RE, engine tflm: rendered by ecgdeploy.
 *
 * The sketch knows the board, the libraries know the model: no file includes both Arduino.h and an inference library. */
#include <Arduino.h>

#include <ecgd_app.h>
#include <ecgd_engine_library.h>
#include <ecgd_port_arduino.h>

void setup()
{
    ecgd_port_arduino_begin();
    ecgd_app_init(); /* an engine that fails to start says so over the link; the board never hangs here */
}

void loop()
{
    ecgd_app_poll();
}
