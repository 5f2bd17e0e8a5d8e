"""A device to talk to: the emulated twin, a serial port, a remote port, a process. All speak the same protocol.

Examples
--------
An emulated board, from the ELF file of ``ecgdeploy.projects.build(..., emulate=True)``::

    from ecgdeploy.devices import open_device

    with open_device(elf=build.elf, expect_model=graph.sha256) as device:
        print(device.hello.board, device.hello.build_id, device.hello.input_bytes)
        one = device.infer(window.tobytes())
        print(one.outputs[0], one.ticks, one.unit, one.stack_used, one.flags)
        # pipelined: the next input is on its way while the device computes; results come in order, each once
        for result in device.infer_many(w.tobytes() for w in windows):
            ...
        print(device.statistics.goodput, device.statistics.retries)

A real board, or one behind ser2net::

    with open_device(port="/dev/ttyACM0") as device: ...
    with open_device(port="rfc2217://lab.example:4000") as device: ...

Input tensors are laid end to end, as raw bytes in the model's own dtypes. ``DeviceError`` (exit code 3) is raised when
the device is absent, dies for good, or runs another model than `expect_model`.
"""

from ecgdeploy.devices.device import Device, open_device
from ecgdeploy.link.values import Hello, Inference, LinkStatistics, TensorInfo

__all__ = [
    "Device",
    "Hello",
    "Inference",
    "LinkStatistics",
    "TensorInfo",
    "open_device",
]
