"""`ecgdeploy data show`: twelve leads on paper, to scale, with the annotations; anything else in rows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from ecgdeploy.cli.data import data
from ecgdeploy.ecg import draw
from ecgdeploy.ecg.record import STANDARD_LEADS
from ecgdeploy.ecg.sources.synthetic import Synthetic
from ecgdeploy.errors import DataError, UsageError

from .conftest import real


def twelve():
    return Synthetic(1, seconds=12, rate=250, leads=STANDARD_LEADS).record("syn-000")


def test_twelve_leads_make_the_paper_layout():
    pieces, width = draw.layout(twelve(), 1.0)
    assert width == 10.0
    assert [piece.lead for piece in pieces[:4]] == ["I", "aVR", "V1", "V4"]
    assert {piece.lead for piece in pieces} == set(STANDARD_LEADS)
    assert (pieces[-1].lead, pieces[-1].first, pieces[-1].end) == ("II", 250, 2750)
    # one row is one stretch of time: each column goes on where the one before ended
    assert [(piece.first, piece.end) for piece in pieces[:4]] == [(250, 875), (875, 1500), (1500, 2125), (2125, 2750)]


def test_other_leads_make_one_row_each():
    record = Synthetic(1, seconds=12).record("syn-000")
    pieces, width = draw.layout(record, 0.0, 4.0)
    assert [(piece.lead, piece.row) for piece in pieces] == [("MLII", 0), ("V1", 1)]
    assert width == 4.0
    assert pieces[0].end == 1440


def test_the_sheet_is_to_scale_and_shows_its_beats():
    record = twelve()
    sheet = draw.figure(record)
    axes = sheet.axes[0]
    assert axes.get_xlim()[1] == pytest.approx(sheet.get_figwidth() * 25.4)  # one unit is one millimetre
    strip = axes.lines[-1]
    assert np.ptp(strip.get_xdata()) == pytest.approx(10.0 * 25.0, abs=0.2)
    lead = record.lead("II")[:2500]
    assert np.ptp(strip.get_ydata()) == pytest.approx(np.ptp(lead) * 10.0, rel=1e-3)
    inside = sum(sample < 2500 for sample in record.annotations.samples)
    assert sum(text.get_text() in ("N", "V", "A") for text in axes.texts) == inside
    assert any("synthetic" in text.get_text() for text in axes.texts)


def test_a_missing_lead_is_said_and_not_drawn():
    record = twelve()
    signal = record.signal.copy()
    signal[:, 6] = np.nan
    sheet = draw.figure(record.with_signal(signal))
    assert any(text.get_text() == "no signal" for text in sheet.axes[0].texts)


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("html", b"<!doctype html>")])
def test_a_record_is_drawn_into_a_file(tmp_path, suffix, start):
    path = tmp_path / f"r.{suffix}"
    draw.save(twelve(), path)
    content = path.read_bytes()
    assert content.startswith(start)
    if suffix == "html":  # self-contained
        assert b"data:image/svg+xml;base64," in content
        assert b"http" not in content.replace(b"http://www.w3.org", b"")


@pytest.mark.parametrize(("start", "seconds"), [(-1.0, None), (12.0, None), (0.0, 0.0), (1e9, 1.0)])
def test_a_stretch_that_is_not_there_is_refused(start, seconds):
    with pytest.raises(UsageError, match="it has 12 s"):
        draw.layout(twelve(), start, seconds)


def test_what_cannot_be_shown_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.delenv("ECGDEPLOY_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="cannot draw into"):
        draw.save(twelve(), tmp_path / "r.bmp")
    with pytest.raises(UsageError, match="unknown data set 'mitdbx'"):
        draw.read_record("mitdbx", "100")
    with pytest.raises(DataError, match="is not on this machine"):
        draw.read_record("mitdb", "100")


def test_the_command_shows_the_facts_of_a_real_record(real_data, tmp_path):
    folder = real(real_data, "mitdb")
    drawn = tmp_path / "208.png"
    arguments = ["show", "mitdb", "208", "--data", str(folder), "--start", "60", "-o", str(drawn), "--json"]
    result = CliRunner().invoke(data, arguments, standalone_mode=False)
    assert result.exception is None, result.output
    facts = json.loads(result.stdout)
    assert facts["leads"] == ["MLII", "V1"]
    assert "V 992" in facts["annotations"]
    assert drawn.stat().st_size > 10_000
