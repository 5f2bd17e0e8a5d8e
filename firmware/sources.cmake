# The firmware's sources, for every build (CMake, PlatformIO, tests). Paths are relative to firmware/.
# An image is: ECGD_APP_SOURCES + one port + one engine (which implements include/ecgd_engine.h).
set(ECGD_INCLUDES include link app)
set(ECGD_APP_SOURCES
    link/ecgd_link.c
    app/ecgd_app.c
    app/ecgd_stack.c)
set(ECGD_PORT_MPS2_SOURCES
    port/mps2/startup.c
    port/mps2/semihosting.c
    port/mps2/uart.c
    port/mps2/port.c)
# a process of a computer
set(ECGD_PORT_HOST_SOURCES
    port/host/process.c)
