"""The application on QEMU's Cortex-M4F, reached as the product reaches it."""

import os
import random
import signal

import pytest

from ecgdeploy.devices import open_device
from ecgdeploy.devices.fake import MODEL_SHA256, build_fake, expected
from ecgdeploy.errors import DeviceError


@pytest.fixture(scope="module")
def elf():
    return build_fake("mps2", FAKE_INPUT_BYTES=3000)


def inputs(count, size=3000):
    source = random.Random(1)
    return [source.randbytes(size) for _ in range(count)]


@pytest.mark.parametrize("uart", [False, True], ids=["console", "uart"])
def test_results_come_in_order_and_are_those_of_the_inputs(elf, uart):
    data = inputs(3 if uart else 40)
    with open_device(elf=elf, uart=uart, expect_model=MODEL_SHA256) as device:
        results = list(device.infer_many(data))
        assert [result.outputs[0] for result in results] == [expected(item) for item in data]
        # nothing was damaged or lost; a retry after a silence only says that this computer was busy
        assert device.statistics.naks == device.statistics.bad_frames == 0


def test_instruction_counts_are_exact_and_repeat_between_runs(elf):
    counts = []
    for _ in range(2):
        with open_device(elf=elf) as device:
            results = list(device.infer_many(inputs(8)))
            assert device.hello.unit == "instructions"
            assert all(result.flags == () for result in results)
            counts.append([result.ticks for result in results])
    assert counts[0] == counts[1]
    assert len(set(counts[0])) == 1


def test_a_restarted_board_is_greeted_again(elf):
    data = inputs(2)
    with open_device(elf=elf) as device:
        first = device.infer(data[0])
        device.reset()
        assert device.infer(data[1]).outputs[0] == expected(data[1])
        assert device.infer(data[0]).outputs == first.outputs
        assert device.statistics.sessions == 2


def test_another_model_is_refused(elf):
    with pytest.raises(DeviceError, match="runs model fa4e"), open_device(elf=elf, expect_model="00" * 32):
        pass


def test_a_killed_emulator_ends_in_one_sentence(elf):
    with open_device(elf=elf) as device:
        results = device.infer_many(inputs(1000))
        next(results)
        os.kill(device._client.transport.process.pid, signal.SIGKILL)
        with pytest.raises(DeviceError, match="killed by SIGKILL") as caught:
            list(results)
    assert "--resume" in caught.value.hint
