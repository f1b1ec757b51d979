"""`minos calibrate`: that it measures, fits, and prints what `minos sim` reads."""

import json
import math
import os
import subprocess

import pytest

import harness

MINOS = harness.PROGRAM.parent / "minos"

pytestmark = [pytest.mark.skipif(not harness.IS_MINOS, reason="a tool of minos"),
              pytest.mark.skipif(not MINOS.exists(), reason="the tool is not built"),
              pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")]


def minos(*args, code=0):
    run = subprocess.run([str(MINOS), *args], stdin=subprocess.DEVNULL, capture_output=True,
                         text=True, timeout=300, check=False)
    assert run.returncode == code, run.stderr
    return run.stderr if code != 0 else run.stdout


def test_fits_a_profile_that_the_simulator_takes(tmp_path):
    file = tmp_path / "tcp.json"
    table = minos("calibrate", "--on=tcp", "--seconds=0.1", "--rounds=1", "--quiet",
                  f"--json={file}")
    report = json.loads(file.read_text())
    costs = {name: cost for name, cost in report["profile"].items() if name != "name"}
    assert costs and all(cost >= 0 for cost in costs.values())
    assert set(costs) == {name for name in report["built_in"] if name != "name"}
    assert costs["receive_ns"] + costs["reply_ns"] > 0
    assert math.isfinite(report["error_percent"])
    assert report["load_count"] > len(costs)
    assert all(row["measured_ns"] > 0 for row in report["loads"])
    for name in costs:
        assert name in table
    simulated = json.loads(minos(
        "sim", "--quiet", f"--profile={file}", "--cores=2", "--keys=2000", "--large-keys=20",
        "--requests=5000", "--json"))
    assert simulated["mean_service_us"] > 0


def test_says_what_is_wrong(tmp_path):
    assert "--minosd=PATH" in minos("calibrate", "--minosd=/nowhere/minosd", code=2)
    assert "--on" in minos("calibrate", "--on=smoke", code=2)
    assert "two CPUs are needed" in minos("calibrate", "--cpus=0", code=2)
    file = tmp_path / "profile.json"
    file.write_text('{"name": "mine"}')
    assert "'step_ns' is missing" in minos("sim", f"--profile={file}", code=2)
    assert "cannot read" in minos("sim", f"--profile={tmp_path}/none.json", code=2)
