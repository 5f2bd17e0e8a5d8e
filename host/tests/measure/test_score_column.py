"""Scores of one column of the table: every task kind renders, with intervals over whole records."""

import numpy as np

from ecgdeploy.measure.score import score_column
from ecgdeploy.reports.table import interval_rows, score_rows


def test_one_label_a_window_has_intervals_of_accuracy_and_macro_f1():
    rng = np.random.default_rng(1)
    targets = rng.integers(-1, 3, 400)
    scores = np.eye(3)[np.maximum(targets, 0)] + rng.normal(0, 0.6, (400, 3))
    records = np.repeat([f"r{k}" for k in range(10)], 40)
    column = score_column(scores, targets, ("N", "S", "V"), records)
    assert column["examples"] == int((targets >= 0).sum())
    interval = column["intervals"]["accuracy"]
    assert interval["low"] < column["accuracy"] < interval["high"]
    assert column == score_column(scores, targets, ("N", "S", "V"), records)
    result = {"columns": {"device": column}, "classes": ("N", "S", "V")}
    assert score_rows(result)[-1] == ("macro F1", [column["macro_f1"]])
    assert [label for label, _ in interval_rows(result)] == ["accuracy, 95 % interval", "macro F1, 95 % interval"]


def test_several_labels_a_window_show_their_auc():
    targets = np.array([[1, 0], [0, 1], [1, 1], [0, 0]] * 5)
    scores = targets * 0.5 + np.linspace(0, 0.4, 20)[:, None]
    column = score_column(scores, targets, ("MI", "CD"), np.array([f"r{k}" for k in range(20)]))
    result = {"columns": {"device": column}, "classes": ("MI", "CD")}
    assert score_rows(result)[:2] == [("AUC MI", [1.0]), ("AUC CD", [1.0])]
    assert interval_rows(result) == [("macro AUC, 95 % interval", ["100.00 to 100.00"])]


def test_no_known_label_is_undefined():
    column = score_column(np.zeros((2, 2)), np.array([-1, -1]), ("N", "V"), np.array(["a", "b"]))
    assert column["accuracy"] is None and column["intervals"] == {}
