"""The plugin as a user's project meets it: a folder of its own, a few lines of test."""

import subprocess
import sys

import pytest

from ecgdeploy.devices.fake import build_fake

FIVE_LINES = """
def test_my_model(device, dataset, golden):
    some = dataset.encoded[:3]
    assert [result.outputs for result in device.infer_many(some)] == golden(some)
"""


def run(folder, *options, text=FIVE_LINES):
    (folder / "test_mine.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "ecgdeploy.pytest_plugin", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_test_of_five_lines_runs_on_the_twin_and_reports_its_measurements(tmp_path):
    done = run(tmp_path, "--ecg-task", "mitbih-beats-synthetic", "--junitxml", "junit.xml")
    assert done.returncode == 0, done.stdout
    report = (tmp_path / "junit.xml").read_text()
    assert 'name="ecg_instructions_median"' in report and 'value="nano33ble (emulated)"' in report


@pytest.mark.slow
def test_workers_of_xdist_take_turns(tmp_path):
    text = FIVE_LINES + "".join(f"\ndef test_again_{i}(device):\n    device.ping()\n" for i in range(3))
    done = run(tmp_path, "-n", "2", "--ecg-task", "mitbih-beats-synthetic", text=text)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("port", ["loop://", "/dev/ttyNone0", "socket://127.0.0.1:1"])
def test_a_port_with_no_device_ends_in_one_sentence_before_any_test(tmp_path, port):
    done = run(tmp_path, "--ecg-port", port)
    assert done.returncode == 3
    sentences = [line for line in (done.stdout + done.stderr).splitlines() if port in line]
    assert sentences and "Traceback" not in done.stdout + done.stderr


def test_a_board_with_another_model_is_skipped_with_what_to_do(tmp_path):
    process = subprocess.Popen([str(build_fake("host")), "--pty"], stderr=subprocess.PIPE, text=True)
    try:
        done = run(tmp_path, "-rs", "--ecg-port", process.stderr.readline().strip())
    finally:
        process.kill()
        process.communicate()
    assert done.returncode == 0 and "1 skipped" in done.stdout
    assert "runs another model" in done.stdout


def test_a_board_with_another_model_than_the_one_asked_for_is_an_error(tmp_path):
    process = subprocess.Popen([str(build_fake("host")), "--pty"], stderr=subprocess.PIPE, text=True)
    try:
        done = run(tmp_path, "--ecg-model", "beat-cnn", "--ecg-port", process.stderr.readline().strip())
    finally:
        process.kill()
        process.communicate()
    assert done.returncode == 3 and "runs model fa4e" in done.stdout + done.stderr


def test_an_unknown_board_is_one_sentence_with_the_nearest_name(tmp_path):
    done = run(tmp_path, "--ecg-board", "nano33bel")
    assert done.returncode == 1 and "did you mean 'nano33ble'" in done.stdout
    assert "Traceback" not in done.stdout


def test_options_that_exclude_each_other_are_refused(tmp_path):
    done = run(tmp_path, "--ecg-port", "loop://", "--ecg-emulate")
    assert done.returncode == 4 and "exclude each other" in done.stdout + done.stderr


def test_hardware_tests_are_skipped_on_the_twin_and_say_what_enables_them(tmp_path):
    done = run(tmp_path, "-rs", text="import pytest\n@pytest.mark.hardware\ndef test_x(device):\n    pass\n")
    assert done.returncode == 0 and "give --ecg-port" in done.stdout
