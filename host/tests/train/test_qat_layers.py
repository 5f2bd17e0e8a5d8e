"""QAT of networks that are not the package's: exported integer from end to end as training saw them, or refused."""

import numpy as np
import pytest

from ecgdeploy.errors import ModelError

from .unseen import LEADS, SAMPLES, over_height_one, over_time, settled, windows

pytestmark = pytest.mark.train

@pytest.mark.parametrize("make", [over_height_one, over_time])
def test_an_unseen_network_is_exported_full_integer_and_answers_as_training_saw(make, tmp_path):
    import keras

    from ecgdeploy.graph import read_tflite
    from ecgdeploy.quantization import fold, qat
    from ecgdeploy.quantization.precision import convert
    from ecgdeploy.quantization.runner import TfliteRunner
    from ecgdeploy.training.loop import predict

    keras.utils.set_random_seed(1)
    model = settled(make())
    person = np.random.default_rng(5).normal(0, 1, (48, 3)).astype(np.float32)
    inputs = (windows(), person)[: len(model.inputs)]
    expected = predict(model, inputs)
    assert np.abs(predict(fold.folded(model), inputs) - expected).max() < 1e-5
    twin = qat.fake_quantized(model, qat.observe(model, inputs))
    seen = predict(twin, inputs)
    assert np.abs(seen - expected).mean() < 0.02
    twin.save(tmp_path / "qat.keras")
    content = convert(tmp_path / "qat.keras", "int8-qat").content
    graph = read_tflite(content, supported=False)
    assert {tensor.dtype for tensor in graph.tensors if tensor.data is None} == {"int8"}
    found = TfliteRunner(content, reference=True).run(inputs if len(inputs) > 1 else inputs[0])
    # the probability's step, 1/256, and what one step of a logit makes of it
    assert np.abs(found - seen).mean() < 1 / 256


def network(*layers, join=None):
    import keras

    x = entry = keras.Input((1, SAMPLES, LEADS))
    for layer in layers:
        x = layer(x)
    return keras.Model(entry, join(x) if join else x)


def twice():
    import keras

    layer = keras.layers.Conv2D(LEADS, (1, 3), padding="same", name="again")
    return network(layer, layer)


def gelu():
    import keras

    return network(keras.layers.Dense(4, activation="gelu", name="soft"))


def own_class():
    import keras

    class Doubled(keras.layers.Conv2D):
        def call(self, inputs):
            return 2 * super().call(inputs)

    return network(Doubled(4, (1, 3), name="own"))


def over_time_softmax():
    import keras

    return network(keras.layers.Softmax(axis=2, name="attend"))


def channels_first():
    import keras

    return network(keras.layers.GlobalAveragePooling2D(data_format="channels_first", name="first"))


def joined_with_a_gate():
    import keras

    def join(x):
        gate = keras.layers.Dense(2, activation="sigmoid", name="gate")(x)
        return keras.layers.Conv2D(2, 1)(keras.layers.Concatenate()([keras.layers.Dense(2, name="free")(x), gate]))

    return network(join=join)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (twice, "layer again is used 2 times"),
        (gelu, r"layer soft \(Dense\) has an activation without quantization-aware twin, gelu"),
        (own_class, r"layer own \(Doubled\) has no quantization-aware twin"),
        (over_time_softmax, r"layer attend \(Softmax\) is over another axis than the last"),
        (channels_first, r"layer first \(GlobalAveragePooling2D\) has its channels first"),
        (joined_with_a_gate, "free and gate_sigmoid are joined, and the scale of one is fixed"),
    ],
)
def test_what_has_no_form_in_int8_is_refused_by_name(make, message):
    from ecgdeploy.quantization import qat

    with pytest.raises(ModelError, match=message):
        qat.observe(make(), windows())
