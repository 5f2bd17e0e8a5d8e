"""A task carries the name it was asked for: it is in every manifest and names the shards' folder."""

import os

import pytest

from ecgdeploy.ecg.tasks import load_task

DATA = os.environ.get("ECGDEPLOY_DATA")


@pytest.mark.skipif(not DATA, reason="ECGDEPLOY_DATA (the data sets' folder) enables this test")
@pytest.mark.parametrize("name", ["ptbxl-statements", "ptbxl-superclasses", "cinc2017"])
def test_a_real_task_has_its_own_name(name):
    assert load_task(name, DATA).name == name
