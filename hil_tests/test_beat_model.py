"""The zoo's beat model on a device: the same tests on the emulated twin and, with --ecg-port, on a real board."""

import pytest


def test_every_answer_is_that_of_the_golden_reference(device, dataset, golden):
    answers = [result.outputs for result in device.infer_many(dataset.encoded)]
    assert len(answers) == len(dataset.encoded) > 0
    assert answers == golden(dataset.encoded)


def test_the_same_input_gives_the_same_answer_in_any_company(device, dataset):
    first, *others = dataset.encoded
    alone = device.infer(first)
    list(device.infer_many(others))
    assert device.infer(first).outputs == alone.outputs


def test_no_measurement_carries_a_flag_and_the_stack_keeps_its_margin(device, dataset):
    results = list(device.infer_many(dataset.encoded[:10]))
    assert [result.flags for result in results] == [()] * len(results)
    assert 0 < results[-1].stack_used < device.hello.stack_bytes


def test_a_restarted_board_answers_as_before(device, dataset):
    before = device.infer(dataset.encoded[0])
    device.reset()
    assert device.infer(dataset.encoded[0]).outputs == before.outputs


@pytest.mark.emulated
def test_the_image_fits_the_board_it_stands_in_for(firmware, board, device):
    assert device.hello.build_id == firmware.build_id
    assert device.hello.board == board.name
    assert device.hello.static_ram + device.hello.stack_bytes <= board.memory.ram.bytes


@pytest.mark.emulated
def test_instruction_counts_repeat_exactly(device, dataset):
    counts = [result.ticks for result in device.infer_many([dataset.encoded[0]] * 5)]
    assert device.hello.unit == "instructions"
    assert len(set(counts)) == 1


@pytest.mark.hardware
def test_a_real_board_counts_cycles(device, dataset):
    if device.hello.unit == "instructions":
        pytest.skip("behind this port is an emulated board")
    assert device.hello.unit == "cycles"
    assert device.infer(dataset.encoded[0]).ticks > 0
