"""The energy proxy beside measured instructions: from the same file, as shares of the first."""

import json

import numpy as np
from click.testing import CliRunner

from ecgdeploy.cli.cost import cost as command
from ecgdeploy.graph import energy_proxy, model_cost, read_tflite, total_macs
from ecgdeploy.zoo import preset


def test_the_preset_costs_what_its_graph_says():
    graph = read_tflite(preset("beat-cnn").int8)
    found = model_cost(graph)
    weights = [o for o in graph.operators if o.kind in ("CONV_2D", "FULLY_CONNECTED")]
    assert found.parameters == sum(graph.tensors[i].elements for o in weights for i in o.inputs[1:])
    assert found.macs == total_macs(graph) >= found.macs_nonzero > 0.5 * found.macs
    assert found.weight_bytes >= found.parameters >= found.parameters_nonzero


def test_the_proxy_is_megaflops_times_milliseconds():
    # Table "ConvTransformer": 230.56 M, 30.84 ms; the paper prints 7111.40, of a longer time
    assert np.isclose(energy_proxy(230_560_000, 30.84), 7110.47)


def test_the_command_shows_proxy_and_measured_instructions_side_by_side():
    model = str(preset("beat-cnn").int8)
    done = CliRunner().invoke(command, [model, str(preset("beat-cnn").float32), "--runs", "3", "--json"])
    assert done.exit_code == 0, done.output
    int8, float32 = json.loads(done.stdout)
    assert int8["instructions"] < float32["instructions"] and int8["shares"]["instructions"] == 1.0
    assert float32["shares"]["macs"] == 1.0 and float32["shares"]["flash"] > 1.5
    shown = CliRunner().invoke(command, [model, "--runs", "2", "--no-emulate"])
    assert shown.exit_code == 0 and "proxy" in shown.output
