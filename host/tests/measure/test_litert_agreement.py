"""LiteRT on a board may be a quantization step from LiteRT here; more is a fault."""

import numpy as np

from ecgdeploy.measure.references import Golden, agreement, repeats_litert

HERE = Golden([np.array([[1, 5, 3], [9, 2, 2]], dtype=np.int8)], "here")


def test_one_step_is_agreement_and_counted():
    board = [np.array([[1, 4, 3], [9, 2, 2]], dtype=np.int8)]
    found = agreement(board, HERE)
    assert (found.windows, found.identical, found.values, found.differing) == (2, 1, 6, 1)
    assert found.largest == 1.0 and found.same_class == 1.0
    assert repeats_litert(board, HERE)


def test_two_steps_are_not():
    assert not repeats_litert([np.array([[1, 3, 3], [9, 2, 2]], dtype=np.int8)], HERE)


def test_extreme_values_do_not_wrap():
    low, high = Golden([np.array([[-128]], dtype=np.int8)], "here"), [np.array([[127]], dtype=np.int8)]
    assert agreement(high, low).largest == 255.0 and not repeats_litert(high, low)


def test_float_outputs_may_differ_in_their_last_bits():
    here = Golden([np.array([[0.25, 0.75]], dtype=np.float32)], "here")
    assert repeats_litert([np.array([[0.2500001, 0.75]], dtype=np.float32)], here)
    assert not repeats_litert([np.array([[0.2501, 0.75]], dtype=np.float32)], here)


def test_a_file_that_xnnpack_refuses_is_run_by_the_built_in_kernels(monkeypatch):
    """Seen on int8 networks with squeeze and excitation: the host's column must not end a measurement."""
    from ai_edge_litert import interpreter as litert_module

    from ecgdeploy import zoo
    from ecgdeploy.measure.references import BUILTIN, DELEGATE, REFERENCE_KERNELS, LiteRt, litert

    model, real = zoo.preset("beat-cnn").int8, litert_module.Interpreter

    def refusing(*args, experimental_op_resolver_type, **others):
        if experimental_op_resolver_type == litert_module.OpResolverType.AUTO:
            raise RuntimeError("failed to create XNNPACK runtime")
        return real(*args, experimental_op_resolver_type=experimental_op_resolver_type, **others)

    assert litert(model)[1] == DELEGATE
    monkeypatch.setattr(litert_module, "Interpreter", refusing)
    assert litert(model)[1] == BUILTIN
    assert litert(model, REFERENCE_KERNELS)[1] == REFERENCE_KERNELS
    assert LiteRt(model).run([np.zeros((1, 256, 1), np.float32)])[0].shape == (1, 3)
