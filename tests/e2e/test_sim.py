"""`minos sim`: its report, its options, and what it says of wrong ones."""

import json
import subprocess

import pytest

import harness

MINOS = harness.PROGRAM.parent / "minos"

pytestmark = [pytest.mark.skipif(not harness.IS_MINOS, reason="a tool of minos"),
              pytest.mark.skipif(not MINOS.exists(), reason="the tool is not built")]

SMALL = ["--keys=2000", "--large-keys=20", "--requests=20000", "--large-percent=1"]
POLICIES = ["elastic", "size-aware", "key-hash", "software-handoff", "work-stealing"]


def sim(*args, code=0):
    run = subprocess.run([str(MINOS), "sim", "--quiet", *args], stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == code, run.stderr
    return run.stderr if code != 0 else run.stdout


@pytest.mark.parametrize("profile", ["ideal", "dpdk", "tcp"])
@pytest.mark.parametrize("policy", POLICIES)
def test_reports_every_class(policy, profile):
    report = json.loads(sim(*SMALL, f"--policy={policy}", f"--profile={profile}", "--cores=4",
                            "--load=0.15", "--json"))
    assert report["policy"] == policy and report["mean_service_us"] > 0
    assert report["throughput_mops"] == pytest.approx(report["offered_mops"], rel=0.1)
    for name in ("all", "small", "large"):
        row = report[name]
        assert 0 < row["p50_us"] <= row["p99_us"] <= row["p999_us"] <= row["max_us"] * 1.01
    assert report["all"]["count"] == 20000
    assert report["small"]["mean_slowdown"] >= 1
    assert len(report["per_core"]) >= 4 and report["plans"][0]["roles"]


def test_the_line_of_the_manual():
    report = json.loads(sim(
        "--profile=ideal", "--fixed-us=0.6", "--packet-us=0.4", "--policy=elastic", "--cores=8",
        "--load=0.8", "--sizes=bimodal", "--large-factor=100", "--large-percent=0.125",
        "--get-ratio=0.95", "--requests=30000", "--seed=1", "--json"))
    assert report["mean_service_us"] == pytest.approx(1 + 0.00125 * 99 * 0.4)
    assert report["capacity_mops"] == pytest.approx(8 / report["mean_service_us"])


def test_same_seed_same_run():
    first, again = (sim(*SMALL, "--load=0.6") for _ in range(2))
    assert first == again
    assert sim(*SMALL, "--load=0.6", "--seed=2") != first


def test_table_says_roles_and_activities(tmp_path):
    file = tmp_path / "report.json"
    table = sim(*SMALL, "--policy=size-aware", "--timeline-ms=1", f"--json={file}")
    for word in ("slowdown", "hand-off", "threshold", "small, ", "digest", "until s"):
        assert word in table
    assert json.loads(file.read_text())["timeline"]


@pytest.mark.parametrize("wrong, said", [
    ("--cores=0", "--cores=0 is out of range: 1 to 128 is allowed"),
    ("--load=3", "--load=3 is out of range: more than 0, up to 2 is allowed"),
    ("--policy=best", "no policy is called 'best'"),
    ("--profile=fast", "no cost profile is called 'fast': use one of ideal, dpdk, udp, tcp"),
    ("--sizes=normal", "--sizes=normal: trimodal or bimodal is allowed"),
    ("--fixed-us=1", "--fixed-us, --packet-us and --exponential need --profile=ideal"),
    ("--requests=-1", "--requests=-1 is out of range"),
    ("--seed=x", "--seed"),
])
def test_says_what_is_wrong(wrong, said):
    assert said in sim(wrong, code=2)
