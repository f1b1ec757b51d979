"""`minos load` over Minos datagrams against a whole server."""

import json
import subprocess
import time

import pytest

import harness

MINOS = harness.PROGRAM.parent / "minos"

pytestmark = [pytest.mark.skipif(not harness.IS_MINOS, reason="a protocol of its own"),
              pytest.mark.skipif(not MINOS.exists(), reason="the tool is not built")]

KEYS = ["--keys=2000", "--large-keys=20", "--large-max=200000", "--large-percent=2", "--quiet"]
TIME = ["--timeout=20", "--warmup=0.2", "--duration=1"]
DATA = [*KEYS, *TIME, "--get-ratio=0.9"]
# Where both ends poll and tests beside them want the CPUs too.
LONGER = ["--duration=3" if word == "--duration=1" else word for word in DATA]
QUEUES = 4


def supports_dpdk():
    return harness.IS_MINOS and "--dpdk-vhost" in harness.run_to_end("--help")[1]


def load(*args, code=0):
    """Its report. The exit code says that no value was wrong and every request was answered."""
    run = subprocess.run([str(MINOS), "load", "--json", *args], stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == code, run.stderr
    return json.loads(run.stdout) if run.stdout else run.stderr


def check(report, protocol, classes=("tiny", "small", "large")):
    assert report["error"] is None and report["first_refusal"] is None
    assert report["options"]["protocol"] == protocol
    assert report["unanswered"] == 0
    for name in classes:
        row = report["classes"][name]
        assert row["count"] > 0
        assert (row["misses"], row["refused"], row["wrong"]) == (0, 0, 0)
        assert 0 < row["p50_us"] <= row["p99_us"] <= row["max_us"]
    assert report["slices"]["p99_us"] > 0
    assert report["bytes_in"] > report["bytes_out"] > 0
    datagrams = report["datagrams"]
    assert datagrams["sent"] - datagrams["retries"] >= report["classes"]["all"]["count"]
    assert datagrams["garbage"] == 0


@pytest.fixture(name="udp_server")
def _udp_server(start):
    base = harness.free_ports(QUEUES)
    server = start("--transport=tcp,udp", f"--datagram-port={base}", "-t", "2",
                   f"--rx-queues={QUEUES}")
    server.udp_address = f"{harness.HOST}:{base}"
    return server


def test_closed_and_open_loop(udp_server):
    target = ["--protocol=udp", f"--server={udp_server.udp_address}"]
    report = load(*target, *DATA, "--closed", "--depth=8", "--threads=2", "--connections=5",
                  "--verify")
    check(report, "udp")
    assert report["preload"]["stored"] == 2020
    assert report["options"]["connections"] == 5
    # As many as a connection takes: what the preload has left over must not add to them.
    check(load(*target, *DATA, "--closed", "--depth=300"), "udp")

    report = load(*target, *DATA, "--no-preload", "--rate=2000", "--verify", "--sleep")
    check(report, "udp")
    assert report["options"]["connections"] == 1
    assert report["classes"]["all"]["count"] == report["issued"]


def test_a_single_port(start_any):
    port = harness.free_ports(1)
    start_any("--transport=tcp,udp", f"--datagram-port={port}", "-t", "2", "--datagram-single-port",
              f"--rx-queues={QUEUES}")
    report = load("--protocol=udp", f"--server={harness.HOST}:{port}", "--single-port", *DATA,
                  "--closed", "--depth=8", "--connections=3", "--verify")
    check(report, "udp")
    assert report["options"]["single_port"] is True


def test_a_refused_preload_says_why(start_any):
    port = harness.free_ports(1)
    start_any("--transport=tcp,udp", f"--datagram-port={port}", "-t", "1", "-I", "100k")
    report = load("--protocol=udp", f"--server={harness.HOST}:{port}", *KEYS, "--preload-only",
                  code=1)
    assert "values to preload, the first: the value is too large" in report["error"]


def test_what_is_stored_is_what_tcp_reads(start_any):
    base = harness.free_ports(1)
    server = start_any("--transport=tcp,udp", f"--datagram-port={base}", "-t", "1")
    stored = load("--protocol=udp", f"--server={harness.HOST}:{base}", *KEYS, "--preload-only")
    assert (stored["preload"]["stored"], stored["preload"]["refused"]) == (2020, 0)
    reads = [*KEYS, *TIME, "--no-preload", "--closed", "--get-ratio=1"]
    over_tcp = load(f"--server={harness.HOST}:{server.port}", *reads, "--verify")
    assert over_tcp["classes"]["all"]["misses"] == 0
    assert over_tcp["datagrams"] is None
    wrong = load("--protocol=udp", f"--server={harness.HOST}:{base}", *reads, "--seed=2", code=1)
    assert wrong["classes"]["all"]["wrong"] > 0


def test_a_server_that_is_down():
    port = harness.free_ports(1)
    report = load("--protocol=udp", f"--server={harness.HOST}:{port}", "--closed", "--timeout=0.3",
                  "--quiet", code=1)
    assert "the server has not answered for 0.3 s" in report["error"]


@pytest.mark.parametrize("args, message", [
    (["--protocol=udp", "--kernel-times"], "--kernel-times needs TCP"),
    (["--protocol=dpdk"], "--dpdk-vhost"),
    (["--protocol=dpdk", "--threads=2"], "--threads=2"),
    (["--protocol=dpdk", "--dpdk-vhost=/x", "--server=name"], "--server=name"),
    (["--protocol=udp", "--dpdk-vhost=/x"], "--dpdk-vhost needs --protocol=dpdk"),
    (["--single-port"], "--single-port needs --protocol=udp"),
    (["--protocol=tcp"], "tcp"),
])
def test_options_that_make_no_sense(args, message):
    error = load(*args, "--closed", code=2)
    assert message in error or "built without DPDK" in error


@pytest.mark.skipif(not supports_dpdk(), reason="a server without DPDK")
@pytest.mark.xdist_group("dpdk")
@pytest.mark.parametrize("threads, queues", [(1, 1), (2, 3)])
def test_over_dpdk(start, folder, threads, queues):
    path = folder / "vhost.sock"
    server = start("--transport=tcp,dpdk", f"--dpdk-vhost={path}", "-t", str(threads),
                   f"--rx-queues={queues}")
    target = ["--protocol=dpdk", f"--dpdk-vhost={path}", f"--queues={max(threads, queues)}"]
    check(load(*target, *LONGER, "--closed", "--depth=32", "--connections=3", "--verify"), "dpdk")
    check(load(*target, *LONGER, "--no-preload", "--rate=5000"), "dpdk")
    with server.client() as tcp:
        stats = tcp.stats(b"minos")
    assert stats["plane:0:name"].startswith("dpdk:")
    assert int(stats["plane:0:packets_in"]) > 2000
    assert int(stats["plane:0:packets_out"]) > 2000
    assert int(stats["plane:0:answered"]) > 0  # ARP
    for name in ("dropped_bad_checksum", "dropped_fragment", "tx_given_up", "unsendable"):
        assert stats[f"plane:0:{name}"] == "0"


@pytest.mark.skipif(not supports_dpdk(), reason="a server without DPDK")
@pytest.mark.xdist_group("dpdk")
def test_a_dpdk_server_that_leaves(start_any, folder):
    path = folder / "vhost.sock"
    server = start_any("--transport=tcp,dpdk", f"--dpdk-vhost={path}", "-t", "1")
    command = [str(MINOS), "load", "--json", "--protocol=dpdk", f"--dpdk-vhost={path}", "--quiet",
               "--keys=100", "--closed", "--timeout=1", "--duration=30"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as running:
        time.sleep(3)
        server.kill()
        output, _ = running.communicate(timeout=30)
    assert running.returncode == 1
    assert "the server has not answered for 1 s" in json.loads(output)["error"]
