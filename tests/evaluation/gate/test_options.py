"""What the gate asks is what a home's settings say, and without any what it asks by itself."""

import pytest

from srp_assets.evaluation.gate.options import GateOptions
from srp_assets.settings import Settings


def test_demands_are_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert GateOptions.of(settings) == GateOptions()
    written = {"METRIC": "gauc", "TOO_GOOD": "0.1", "FLOORS": '{"gauc": 0.6}', "CALIBRATION": "[0.5, 2]", "NEEDS_EXPERIMENT": "true"}
    for name, value in written.items():
        monkeypatch.setenv(f"SRP_GATE_{name}", value)
    expected = GateOptions(metric="gauc", too_good=0.1, floors={"gauc": 0.6}, calibration=(0.5, 2.0), needs_experiment=True)
    assert GateOptions.of(Settings()) == expected
