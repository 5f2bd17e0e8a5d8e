"""A card's figures hold exactly, or are named."""

import pytest

from ecgdeploy.errors import DataError
from ecgdeploy.measure.card import differences, read


def test_a_figure_that_changed_by_one_is_named():
    card = {"schema": 1, "flash": 100, "ram": 5}
    assert differences(card, dict(card)) == []
    assert differences(card, {**card, "flash": 101}) == ["flash: card 100, now 101"]


def test_a_preset_without_figures_is_one_line(tmp_path):
    with pytest.raises(DataError, match="no figures"):
        read(tmp_path / "device.json")
