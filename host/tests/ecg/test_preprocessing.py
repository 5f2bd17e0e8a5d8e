"""Steps do what their names say, survive being written down, and refuse what they cannot do."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgdeploy.cli.data import data
from ecgdeploy.ecg.preprocessing import (
    BandPass,
    Centre,
    FillMissing,
    Notch,
    PadCrop,
    Pipeline,
    RemoveBaseline,
    Resample,
    SelectLeads,
    Standardize,
)
from ecgdeploy.ecg.preprocessing.device import DevicePreprocessing, quantize
from ecgdeploy.ecg.record import STANDARD_LEADS, Annotations, Record
from ecgdeploy.ecg.sources.synthetic import Synthetic
from ecgdeploy.ecg.tasks import load_task
from ecgdeploy.ecg.windows import beat_windows
from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.resources import assets
from ecgdeploy.zoo import preset

from .test_views import KINDS, make

RATE = 500.0


def record(signal: np.ndarray, leads=("I",), rate: float = RATE, beats=()) -> Record:
    columns = np.asarray(signal, np.float32)
    columns = columns[:, None] if columns.ndim == 1 else columns
    marks = Annotations.at(beats, ["N"] * len(beats))
    return Record("r1", columns, leads, rate, "p1", "a test", "none", annotations=marks)


def tone(hertz: float, seconds: float = 8.0, rate: float = RATE) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def power(filtered: Record) -> float:
    middle = filtered.signal[filtered.samples // 4 : -filtered.samples // 4, 0]
    return float(np.sqrt(2 * np.mean(middle.astype(float) ** 2)))


EVERY_STEP = Pipeline(
    (
        FillMissing(),
        BandPass(0.5, 40.0, 3),
        Notch(50.0),
        RemoveBaseline(),
        Resample(100.0, "cubic"),
        SelectLeads(("II", "aVF"), absent="zero"),
        PadCrop(1000, "centre"),
        Centre(),
        Standardize((0.01, -0.02), (0.3, 0.1)),
    )
)


def test_a_pipeline_survives_json_and_keeps_its_hash():
    again = Pipeline.from_dict(json.loads(json.dumps(EVERY_STEP.to_dict())))
    assert again == EVERY_STEP
    assert again.sha256() == EVERY_STEP.sha256()
    assert Pipeline(EVERY_STEP.steps[:-1]).sha256() != EVERY_STEP.sha256()


def test_every_step_together_makes_a_model_input():
    source = Synthetic(1, seconds=12, rate=RATE, leads=("I", "II", "V1")).record("syn-000")
    made = EVERY_STEP(source)
    assert made.signal.shape == (1000, 2)
    assert made.signal.dtype == np.float32
    assert made.rate == 100.0
    assert made.leads == ("II", "aVF")
    assert "lead aVF was derived" in made.remarks


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kind": "bandpass"}, "did you mean 'band-pass'"),
        ({"kind": "band-pass", "lowest": 1}, "did you mean 'low'"),
        ({"kind": "resample"}, "step 'resample'"),
        ({"kind": "resample", "rate": 100, "method": "cubical"}, "did you mean 'cubic'"),
        ({"kind": "resample", "rate": "fast"}, "rate = 'fast'"),
        ({"kind": "band-pass", "low": 40, "high": 1}, "low lies below high"),
        ({"kind": "pad-crop", "samples": 0}, "samples = 0"),
        ({"kind": "standardize", "mean": [0], "scale": [0]}, "one positive scale a mean"),
        ({"kind": "standardize", "mean": [0, 1], "scale": [1]}, "one positive scale a mean"),
        ({"kind": "standardize", "mean": [float("nan")], "scale": [1]}, "one finite number"),
    ],
)
def test_a_step_that_makes_no_sense_is_refused(data, message):
    with pytest.raises((DataError, UsageError)) as refusal:
        Pipeline.from_dict([data])
    assert message in str(refusal.value)


@pytest.mark.parametrize(("hertz", "gain"), [(0.05, 0.0), (5.0, 1.0), (20.0, 1.0), (120.0, 0.0)])
def test_a_band_pass_keeps_its_band(hertz, gain):
    assert power(BandPass(0.5, 40.0)(record(tone(hertz, 40)))) == pytest.approx(gain, abs=0.02)


@pytest.mark.parametrize(("hertz", "gain"), [(50.0, 0.0), (40.0, 1.0), (60.0, 1.0)])
def test_a_notch_takes_out_its_frequency_only(hertz, gain):
    assert power(Notch(50.0)(record(tone(hertz)))) == pytest.approx(gain, abs=0.05)


def test_filters_do_not_shift_the_r_peak():
    source = Synthetic(1, seconds=20, noise=0.0).record("syn-000")
    filtered = BandPass(0.5, 40.0)(source)
    for beat in source.annotations.samples[2:-2]:
        near = slice(beat - 30, beat + 30)
        assert abs(int(np.argmax(source.signal[near, 0])) - int(np.argmax(filtered.signal[near, 0]))) <= 2


def test_the_baseline_goes_and_the_beats_stay():
    clean = Synthetic(1, seconds=20, noise=0.0).record("syn-000")
    wander = 0.5 * tone(0.2, 20, clean.rate)[:, None]
    freed = RemoveBaseline()(clean.with_signal(clean.signal + wander))
    assert np.abs(freed.signal - RemoveBaseline()(clean).signal).max() < 0.25
    assert freed.signal[clean.annotations.samples[5], 0] > 0.4


@pytest.mark.parametrize("step", [BandPass(), Notch(), RemoveBaseline(), Resample(100.0)], ids=lambda s: s.kind)
def test_a_gap_is_refused_before_it_spreads(step):
    signal = tone(5)
    signal[100] = np.nan
    with pytest.raises(DataError, match="fill-missing first"):
        step(record(signal))
    assert np.isfinite(step(FillMissing()(record(signal))).signal).all()


def test_a_corner_beyond_half_the_rate_is_refused():
    with pytest.raises(DataError, match="below half the sampling rate"):
        BandPass(0.5, 60.0)(record(tone(5), rate=100.0))


@pytest.mark.parametrize("method", ["polyphase", "cubic"])
@pytest.mark.parametrize(("old", "new"), [(500, 100), (500, 250), (300, 250), (360, 250), (100, 500)])
def test_resampling_keeps_a_slow_tone_and_its_beats(method, old, new):
    made = Resample(new, method)(record(3.0 + tone(4.0, 6, old), rate=old, beats=(0, 300)))
    expected = 3.0 + np.sin(2 * np.pi * 4.0 * np.arange(made.samples) / new)
    assert made.samples == np.ceil(6 * old * new / old)
    inside = slice(int(new), -int(new))
    np.testing.assert_allclose(made.signal[inside, 0], expected[inside], atol=0.01)
    assert made.annotations.samples.tolist() == [0, round(300 * new / old)]


def test_limb_leads_follow_from_any_two():
    full = Synthetic(1, seconds=3, leads=STANDARD_LEADS).record("syn-000")
    for pair in (("I", "II"), ("II", "III"), ("aVR", "aVL"), ("III", "aVF"), ("I", "aVF")):
        made = SelectLeads(STANDARD_LEADS[:6])(SelectLeads(pair)(full))
        np.testing.assert_allclose(made.signal, full.signal[:, :6], atol=2e-6)


def test_an_absent_lead_is_an_error_or_zero():
    one = record(tone(5), ("V1",))
    with pytest.raises(DataError, match="no lead V6"):
        SelectLeads(("V6",))(one)
    made = SelectLeads(("V6", "v1"), absent="zero")(one)
    assert made.leads == ("V6", "V1")
    assert not made.signal[:, 0].any()
    assert "lead V6 is missing and was set to zero" in made.remarks


@pytest.mark.parametrize(
    ("anchor", "samples", "expected", "beats"),
    [
        ("start", 3, [1, 2, 3], [1]),
        ("centre", 3, [2, 3, 4], [0, 2]),
        ("start", 7, [1, 2, 3, 4, 5, 9, 9], [1, 3]),
        ("centre", 7, [9, 1, 2, 3, 4, 5, 9], [2, 4]),
    ],
)
def test_padding_and_cropping_move_the_beats_along(anchor, samples, expected, beats):
    made = PadCrop(samples, anchor, 9.0)(record(np.arange(1, 6), beats=(1, 3)))
    assert made.signal[:, 0].tolist() == expected
    assert made.annotations.samples.tolist() == beats


def test_missing_samples_become_lines_and_missing_leads_zero():
    signal = np.array([[np.nan, np.nan], [1, np.nan], [np.nan, np.nan], [3, np.nan], [np.nan, np.nan]])
    made = FillMissing()(record(signal, ("I", "II")))
    assert made.signal[:, 0].tolist() == [1, 1, 2, 3, 3]
    assert not made.signal[:, 1].any()


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_statistics_come_from_a_training_view_only(kind):
    view = make(kind)
    if kind.part == "train":
        assert Standardize.fit(view).mean == (0.0,)
    else:
        with pytest.raises(DataError, match=f"was given {kind.part} data"):
            Standardize.fit(view)


def test_statistics_are_those_of_the_whole():
    blocks = [np.random.default_rng(i).normal([1, -2], [0.5, 3], (40, 50, 2)) for i in range(4)]
    fitted = Standardize.from_signals(iter(blocks))
    together = np.concatenate(blocks).reshape(-1, 2)
    np.testing.assert_allclose(fitted.mean, together.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(fitted.scale, together.std(axis=0), rtol=1e-6)


@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=1, max_size=40),
       st.floats(2**-12, 8.0, width=32), st.integers(-128, 127))
def test_quantization_rounds_half_away_from_zero_and_saturates(values, scale, zero_point):
    made = quantize(np.array(values, np.float32), scale, zero_point)
    for value, result in zip(values, made.tolist(), strict=True):
        if np.isnan(value):
            assert result == zero_point
            continue
        with np.errstate(over="ignore"):
            steps = float(np.float32(value) / np.float32(scale))
        nearest = np.sign(steps) * min(np.floor(abs(steps) + 0.5), 1e6)
        assert result == min(max(nearest + zero_point, -128), 127)


MAIN = """
#include <stdio.h>
#include "ecgd_preprocess_model.h"
static float samples[1 << 20];
static int8_t output[1 << 20];
int main(void)
{
    size_t count = fread(samples, sizeof samples[0], sizeof samples / sizeof samples[0], stdin);
    ecgd_preprocess(&ecgd_preprocess_model, samples, count / ECGD_PREPROCESS_LEADS, output);
    return fwrite(output, 1, count, stdout) == count ? 0 : 1;
}
"""


@pytest.fixture(scope="module")
def device_output(tmp_path_factory):
    """Compile the firmware's function with a model's numbers and run it on a signal."""

    def run(preprocessing: DevicePreprocessing, millivolts: np.ndarray, optimize: str) -> np.ndarray:
        folder = tmp_path_factory.mktemp("device")
        (folder / "ecgd_preprocess_model.h").write_text(preprocessing.export_header(millivolts.shape[1]))
        (folder / "main.c").write_text(MAIN)
        source = assets() / "firmware" / "preprocess"
        strict = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wconversion"]
        files = [str(folder / "main.c"), str(source / "ecgd_preprocess.c")]
        options = [*strict, optimize, f"-I{source}", f"-I{folder}"]
        subprocess.run(["gcc", *options, *files, "-lm", "-o", str(folder / "run")], check=True)
        done = subprocess.run([str(folder / "run")], input=millivolts.tobytes(), capture_output=True, check=True)
        return np.frombuffer(done.stdout, np.int8).reshape(millivolts.shape)

    return run


@pytest.mark.parametrize("optimize", ["-O0", "-O3"])
@pytest.mark.parametrize("centre", [False, True])
def test_host_and_firmware_prepare_a_record_alike_to_the_bit(device_output, centre, optimize):
    source = Synthetic(1, seconds=20, leads=STANDARD_LEADS).record("syn-000")
    millivolts = source.signal.copy()
    millivolts[7, 3] = np.float32(1e30)
    if not centre:
        millivolts[9, 4] = np.nan
    steps = (Centre(),) if centre else ()
    statistics = Standardize.from_signals([source.signal])
    preprocessing = DevicePreprocessing.of(Pipeline((*steps, statistics)), 0.0313, -7)
    assert preprocessing.centre == centre
    ours = preprocessing(millivolts[None])[0]
    assert np.array_equal(device_output(preprocessing, millivolts, optimize), ours)
    assert len(np.unique(ours)) > 100


def test_ties_are_rounded_alike_on_host_and_firmware(device_output):
    preprocessing = DevicePreprocessing(Standardize((0.0,), (0.5,)), 0.25, 3)
    ties = (np.arange(-2000, 2000, dtype=np.float32) / 16)[:, None]
    almost = np.nextafter(ties, np.float32(0))
    both = np.concatenate((ties, almost))
    assert np.array_equal(device_output(preprocessing, both, "-O2"), preprocessing(both[None])[0])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_pipeline_of_a_record_equals_what_the_device_is_given(seed):
    rng = np.random.default_rng(seed)
    source = record(rng.normal(0.2, 1, (300, 2)), ("I", "II"))
    statistics = Standardize((0.1, 0.2), (0.4, 0.7))
    whole = Pipeline((Centre(), statistics))(source).signal
    device = DevicePreprocessing(statistics, 0.02, 5, centre=True)
    assert np.array_equal(quantize(whole, 0.02, 5), device(source.signal[None])[0])


def test_a_pipeline_that_does_not_end_in_standardize_has_no_device_part():
    with pytest.raises(DataError, match="ends in 'centre'"):
        DevicePreprocessing.of(Pipeline((Centre(),)), 0.1, 0)
    with pytest.raises(DataError, match="input quantization"):
        DevicePreprocessing(Standardize((0.0,), (1.0,)), 0.0, 0)


def test_the_emulated_cortex_m4_prepares_a_real_shape_alike_to_the_bit(tmp_path):
    """On the device's own instruction set: 256 samples of two leads, ties, a gap and an overflow among them."""
    from kernels import cortex_m4

    source = Synthetic(1, seconds=2).record("syn-000")
    millivolts = source.signal[:256].copy()
    millivolts[:64, 1] = (np.arange(64, dtype=np.float32) - 32) / 64
    millivolts[100, 1] = np.float32(-1e30)
    for centre in (False, True):
        if not centre:
            millivolts[101, 0] = np.nan
        else:
            millivolts[101, 0] = 0.0
        steps = (Centre(),) if centre else ()
        made = DevicePreprocessing.of(Pipeline((*steps, Standardize((0.0, 0.1), (0.5, 0.25)))), 0.0625, -3)
        header = made.export_header(2).replace('"ecgd_preprocess.h"', '"../preprocess/ecgd_preprocess.h"')
        values = ", ".join("0.0f / 0.0f" if np.isnan(v) else f"{float(v).hex()}f" for v in millivolts.ravel())
        main = (
            f"{header}\nvoid print_number(int32_t x);\nstatic const float samples[512] = {{{values}}};\n"
            "static int8_t output[512];\nint main(void) {\n"
            "ecgd_preprocess(&ecgd_preprocess_model, samples, 256u, output);\n"
            "for (int i = 0; i < 512; ++i) print_number(output[i]);\nreturn 0; }\n"
        )
        image = cortex_m4.build(tmp_path / str(centre), main, ["../preprocess/ecgd_preprocess.c"])
        printed = np.array(cortex_m4.run(image).split(), int).reshape(256, 2)
        assert np.array_equal(printed, made(millivolts[None])[0])


def test_beats_prepared_on_a_device_are_the_quantized_view(device_output):
    task = load_task("mitbih-beats-synthetic")
    view = task.test(limit_per_record=4)
    device = task.device_preprocessing(0.0213, -12)
    record = task.reader.record(str(view.record_ids[1]))
    raw = beat_windows(record.lead("MLII"), view.positions[1:2], 256)
    expected = quantize(view.inputs[1], 0.0213, -12)
    assert np.array_equal(device(raw[:, :, None])[0], expected)
    assert np.array_equal(device_output(device, raw.T.copy(), "-O2"), expected)


def test_the_header_of_a_model_is_exported(tmp_path):
    model = preset("beat-cnn").int8
    output = tmp_path / "ecgd_preprocess_model.h"
    result = CliRunner().invoke(data, ["export", "mitbih-beats-synthetic", str(model), "-o", str(output)])
    assert result.exception is None, result.output
    text = output.read_text()
    assert ".centre = 1" in text
    assert "0x1.0000000000000p-1f" in text  # 0.5 mV
