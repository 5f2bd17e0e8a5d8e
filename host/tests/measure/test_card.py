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


@pytest.fixture()
def measured(monkeypatch):
    """`zoo verify` with a measurement that gives each card's own figures; the list of the choices it was asked for."""
    import json

    from ecgdeploy import zoo
    from ecgdeploy.measure import card, session

    asked = []

    def run(choice, _progress):
        asked.append(choice)
        return session.Outcome(choice.output, {"model": choice.model, "quick": choice.first is not None})

    def figures(result, _limit):
        kept = json.loads((zoo.config_path(result["model"]).parent / card.NAME).read_text())
        return kept[card.QUICK] if result["quick"] else {key: kept[key] for key in kept if key != card.QUICK}

    monkeypatch.setattr(session, "run", run)
    monkeypatch.setattr(card, "figures", figures)
    return asked


def test_the_quick_check_measures_the_first_windows_of_every_preset(measured):
    from click.testing import CliRunner

    from ecgdeploy import zoo
    from ecgdeploy.cli.zoo import verify
    from ecgdeploy.measure.card import QUICK_WINDOWS

    done = CliRunner().invoke(verify, ["--quick"])
    assert done.exit_code == 0, done.exception
    assert [choice.model for choice in measured] == zoo.names()
    assert {choice.first for choice in measured} == {QUICK_WINDOWS}
    assert done.stdout.count("every quick figure holds (12 windows") == len(zoo.names())


def test_a_quick_figure_that_changed_fails_the_check_by_name(measured, monkeypatch):
    from click.testing import CliRunner

    from ecgdeploy.cli.zoo import verify
    from ecgdeploy.errors import GateError
    from ecgdeploy.measure import card

    holds = card.figures
    monkeypatch.setattr(card, "figures", lambda *given: holds(*given) | {"flash": 1})
    done = CliRunner().invoke(verify, ["beat-cnn", "--quick"])
    assert len(measured) == 1 and isinstance(done.exception, GateError)
    assert "beat-cnn: flash: card" in done.stdout and "now 1" in done.stdout


def test_first_keeps_the_first_windows_alone(tmp_path):
    from ecgdeploy.measure.session import Choice, run

    both = {
        first: run(
            Choice(task="mitbih-beats-synthetic", emulate=True, limit=2, first=first, output=tmp_path / str(first)),
            lambda *_: None,
        ).result
        for first in (None, 3)
    }
    assert both[3]["provenance"]["windows"] == both[3]["bit_exact"]["identical"] == 3
    assert both[None]["provenance"]["windows"] > 3
    answers = {first: (tmp_path / str(first) / "results.jsonl").read_text().splitlines() for first in both}
    assert len(answers[3]) == 3 and answers[None][:3] == answers[3]
