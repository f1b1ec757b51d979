"""`minos experiment` on a real server of this machine."""

import csv
import os
import signal
import subprocess
import time

import pytest

import harness

MINOS = harness.PROGRAM.parent / "minos"
CPUS = len(os.sched_getaffinity(0))

pytestmark = [pytest.mark.skipif(not harness.IS_MINOS, reason="a program of its own"),
              pytest.mark.skipif(not MINOS.exists(), reason="the tool is not built"),
              pytest.mark.skipif(CPUS < 2, reason="server and client need a CPU each"),
              pytest.mark.xdist_group("dpdk")]  # one such machine-filling test at a time

POLICIES = ["elastic", "key-hash"]
TINY = ["--keys=2000", "--large-keys=10", "--cores=1", "--seconds=0.3", "--loads=0.2,0.5",
        "--policies=key-hash,elastic", "--quiet"]


def experiment(*args, code=0, prefix=()):
    run = subprocess.run([*prefix, str(MINOS), "experiment", *args], stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == code, run.stdout + run.stderr
    return run


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def minosd_children():
    """Servers of this user's that stand still, as a campaign leaves them between turns."""
    found = subprocess.run(["pgrep", "-f", f"^{harness.PROGRAM} --listen=127.0.0.1 --port"],
                           capture_output=True, text=True, check=False)
    return found.stdout.split()


def supports_dpdk():
    with harness.PROGRAM.open("rb") as file:
        return b"net_vhost0" in file.read()


@pytest.mark.parametrize("transport", [
    "tcp", "udp",
    pytest.param("dpdk", marks=pytest.mark.skipif(not supports_dpdk(), reason="without DPDK"))])
def test_a_tiny_campaign(transport, tmp_path):
    run = experiment("throughput", f"--on={transport}", *TINY, f"--out={tmp_path}")
    assert "Highest load" in run.stdout
    points = rows(tmp_path / "throughput.csv")
    assert [(row["policy"], row["load"]) for row in points] == \
        [(policy, load) for policy in POLICIES for load in ("0.2", "0.5")]
    for row in points:
        assert (row["profile"], row["cores"], row["requests"]) == (transport, "1", "")
        assert float(row["throughput_mops"]) > 0 and int(row["all_count"]) > 0
        assert float(row["capacity_mops"]) == float(points[0]["capacity_mops"])
        for column in ("all_p50_us", "all_p99_us", "small_p99_us", "all_raw_p99_us"):
            assert float(row[column]) > 0, column
        assert row["all_mean_slowdown"] == row["mean_utilisation"] == ""
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for fact in ("on a real server", f"minosd over {transport} with 1 core",
                 f"{CPUS} CPUs", "--policies=key-hash,elastic --loads=0.2,0.5"):
        assert fact in page, fact
    assert "did not run to its end" not in page
    assert minosd_children() == []


def test_says_what_it_leaves_out(tmp_path):
    run = experiment("balance", "--on=tcp", "--keys=1000", "--large-keys=5", "--cores=1",
                     "--seconds=0.3", "--policies=software-handoff,elastic", f"--out={tmp_path}")
    assert "software-handoff is left out" in run.stderr
    assert "software-handoff is left out" in \
        (tmp_path / "report.html").read_text(encoding="utf-8")
    cores = rows(tmp_path / "balance_cores.csv")
    assert [row["policy"] for row in cores] == ["elastic"]
    assert int(cores[0]["requests"]) > 0


@pytest.mark.parametrize("args, message", [
    (["motivating", "--on=udp"], "nothing is left to measure"),
    (["balance", "--on=udp", "--profile=dpdk"], "--profile needs --on=sim"),
    (["balance", "--on=udp", "--jobs=2"], "--jobs needs --on=sim"),
    (["balance", "--on=udp", "--cores=128"], "--cores=128: this process may use"),
    (["balance", "--on=tcp", "--seconds=0.1"], "a turn lasts 0.1 s at least"),
    (["balance", "--on=tcp", "--repeats=0"], "--repeats"),
    (["balance", "--on=tcp", "--minosd=/nowhere/minosd"], "/nowhere/minosd"),
    (["balance", "--on=tcp", "--policies=software-handoff", "--cores=1"], "nothing is left"),
])
def test_options_that_make_no_sense(args, message, tmp_path):
    run = experiment(*args, f"--out={tmp_path / 'out'}", code=2)
    assert message in run.stderr
    assert not (tmp_path / "out").exists()


def test_too_few_cpus(tmp_path):
    one = str(min(os.sched_getaffinity(0)))
    run = experiment("balance", "--on=tcp", f"--out={tmp_path}", code=2,
                     prefix=["taskset", "-c", one])
    assert "need a CPU each" in run.stderr


def test_a_server_that_cannot_start(tmp_path):
    program = tmp_path / "minosd"
    program.write_text("#!/bin/sh\necho no memory for this >&2\nexit 3\n", encoding="utf-8")
    program.chmod(0o755)
    run = experiment("throughput", "--on=tcp", *TINY, f"--minosd={program}", f"--out={tmp_path}",
                     code=1)
    for part in ("default, elastic: ", "exit code 3", "no memory for this"):
        assert part in run.stderr
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "did not run to its end" in page and "no memory for this" in page
    assert rows(tmp_path / "throughput.csv") == []


def test_a_server_that_dies_keeps_what_is_done(tmp_path):
    """The second of two workloads has a server that is killed."""
    program = tmp_path / "minosd"
    killed = tmp_path / "killed"
    program.write_text(f"""#!/bin/sh
case "$*" in *--memory-limit=130*) (sleep 2; kill -9 $$; touch {killed}) & ;; esac
exec {harness.PROGRAM} "$@"
""", encoding="utf-8")
    program.chmod(0o755)
    # The second workload's values are of up to 500 KB: its server gets 130 MiB, the first's 129.
    run = experiment("large-size", "--on=tcp", "--keys=1000", "--large-keys=4", "--cores=1",
                     "--seconds=0.3", "--loads=0.3", "--policies=elastic", "--quiet",
                     f"--minosd={program}", f"--out={tmp_path}", code=1)
    assert killed.exists()
    for part in ("default, elastic: ", "signal 9 (KILL)", "minosd"):
        assert part in run.stderr
    assert [row["workload"] for row in rows(tmp_path / "large-size.csv")] == ["s_L 250 KB"]


def test_an_interrupt_ends_the_servers(tmp_path):
    with subprocess.Popen(
            [str(MINOS), "experiment", "throughput", "--on=tcp", "--keys=2000", "--large-keys=10",
             "--seconds=30", "--quiet", f"--out={tmp_path}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True) as running:
        harness.wait_until(minosd_children, "a server runs")
        time.sleep(1)
        running.send_signal(signal.SIGINT)
        asked = time.monotonic()
        _, error = running.communicate(timeout=60)
        assert time.monotonic() - asked < 20
    assert running.returncode == 1
    assert "interrupted" in error
    assert minosd_children() == []
