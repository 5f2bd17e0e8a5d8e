"""Kota's and Gaurhar's networks: the printed parameter counts, and that they run and save."""

import numpy as np
import pytest

from ecgdeploy import models
from ecgdeploy.errors import UsageError
from ecgdeploy.models import gaurhar, kota

pytestmark = pytest.mark.train


@pytest.mark.parametrize(("name", "printed"), kota.PRINTED.items())
def test_kotas_networks_have_the_printed_parameter_counts(name, printed):
    assert kota.printed_parameters(models.build(name)) == printed


@pytest.mark.parametrize(
    ("name", "options", "classes"),
    [
        ("kota-cnn1d", {"samples": 64}, 3),
        ("kota-resnet1d-attn", {"samples": 64}, 3),
        ("kota-cnn-lstm-attn", {"samples": 64}, 3),
        ("kota-resnet1d-se-attn", {"samples": 64}, 5),
        ("kota-convtransformer", {"samples": 64}, 5),
        ("gaurhar-resnet1d", {"samples": 1024, "filters": (8, 16)}, 4),
        ("hubert-ecg", {"samples": 1280, "size": "tiny"}, 4),
    ],
)
def test_a_network_answers_with_probabilities_and_survives_saving(name, options, classes, tmp_path):
    import keras

    model = models.build(name, **options)
    x = np.random.default_rng(0).normal(size=(2, *model.inputs[0].shape[1:])).astype(np.float32)
    found = np.asarray(model(x, training=False))
    assert found.shape == (2, classes) and (found >= 0).all() and (found <= 1).all()
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", compile=False)
    np.testing.assert_allclose(np.asarray(again(x, training=False)), found, atol=1e-6)


def test_gaurhars_resnet_keeps_about_the_papers_share_in_float():
    share = gaurhar.float_share(models.build("gaurhar-resnet1d"))
    assert share == pytest.approx(gaurhar.FLOAT_SHARE["gaurhar-resnet1d"], rel=0.1)


def test_hubert_small_has_the_published_designs_count():
    assert gaurhar.hubert_encoder(size="small").count_params() == 31_782_400


def test_an_unknown_size_is_refused():
    with pytest.raises(UsageError, match="no size 'huge'"):
        models.build("hubert-ecg", size="huge")


STRIDED = {
    "kota-resnet1d-attn": {"samples": 64},
    "kota-resnet1d-se-attn": {"samples": 64},
    "gaurhar-resnet1d": {"samples": 1024, "filters": (8, 16)},
    "weimann-resnet": {},
    "ahmed-resnet": {},
}


@pytest.mark.parametrize("name", STRIDED)
def test_no_pointwise_convolution_strides_over_time_alone(name):
    """OneDNN overruns its memory in the gradient of one with strides (1, 2), from some 2,500 samples on."""
    import keras

    pointwise = [
        layer.strides
        for layer in models.build(name, **STRIDED[name]).layers
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (1, 1)
    ]
    assert any(stride > 1 for _, stride in pointwise)
    assert all(height == time for height, time in pointwise)


def test_the_stride_over_the_height_of_one_changes_no_answer():
    import keras

    model = models.build("kota-resnet1d-attn", samples=64)

    def over_time_alone(layer):
        config = layer.get_config()
        if isinstance(layer, keras.layers.Conv2D):
            config["strides"] = (1, layer.strides[1])
        return layer.__class__.from_config(config)

    other = keras.models.clone_model(model, clone_function=over_time_alone)
    other.set_weights(model.get_weights())
    x = np.random.default_rng(0).normal(size=(3, 1, 64, 1)).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(other(x, training=False)), np.asarray(model(x, training=False)))


def test_gaurhars_resnet_learns_from_records_of_5120_samples():
    import keras
    import tensorflow as tf

    model = models.build("gaurhar-resnet1d", filters=(8, 16))
    x = tf.constant(np.random.default_rng(0).normal(size=(4, 1, 5120, 1)), tf.float32)
    with tf.GradientTape() as tape:
        answers = model(x, training=True)
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(tf.constant([0, 1, 2, 3]), answers))
    gradients = tape.gradient(loss, model.trainable_variables)
    assert all(np.isfinite(np.asarray(gradient)).all() for gradient in gradients)
