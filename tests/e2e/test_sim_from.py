"""`minos sim --from`: what it says of a server under load, and of servers that it cannot ask."""

import contextlib
import json
import socket
import subprocess
import threading

import pytest

import harness

MINOS = harness.PROGRAM.parent / "minos"
RATE = 2000
LARGE_PERCENT = 3
DATA = ["--keys=2000", "--large-keys=50", "--value-bytes=100", "--large-max=200000",
        f"--large-percent={LARGE_PERCENT}", "--get-ratio=0.9", "--quiet"]
POLICIES = {"elastic", "size-aware", "key-hash", "software-handoff", "work-stealing"}

pytestmark = [pytest.mark.skipif(not harness.IS_MINOS, reason="a tool of minos"),
              pytest.mark.skipif(not MINOS.exists(), reason="the tool is not built")]


def sim_from(port, *args, code=0):
    run = subprocess.run([str(MINOS), "sim", "--quiet", f"--from={harness.HOST}:{port}", *args],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                         check=False)
    assert run.returncode == code, run.stderr
    return run.stderr if code != 0 else run.stdout


@contextlib.contextmanager
def loaded(server):
    """Requests come at RATE."""
    load = [str(MINOS), "load", f"--server={harness.HOST}:{server.port}", *DATA]
    subprocess.run([*load, "--preload-only"], check=True, capture_output=True, timeout=60)
    with server.client() as client:
        client.ask(b"stats reset")
        with subprocess.Popen([*load, f"--rate={RATE}", "--no-preload", "--sleep",
                               "--duration=100"], stdout=subprocess.DEVNULL) as running:
            harness.wait_until(lambda: int(client.stats()["get_hits"]) > RATE, "load")
            yield client
            running.terminate()


def test_sees_the_load_and_answers(start_any):
    server = start_any("-t", "2", "-m", "256", "--sharding=size-aware", "--large-percentile=95",
                       "--epoch-ms=50")
    with loaded(server):
        report = json.loads(sim_from(server.port, "--over=2s", "--requests=5000", "--json"))
    seen = report["load"]
    assert seen["rate_per_s"] == pytest.approx(RATE, rel=0.15)
    assert report["rate_per_s"] == seen["rate_per_s"]
    assert 1.9 < seen["seconds"] < 10
    assert seen["get_share"] == pytest.approx(0.9, abs=0.03)
    # 1500 bytes to 200000 evenly, of which the threshold leaves all above 8 KiB.
    large = LARGE_PERCENT / 100 * (200_000 - seen["large_above_bytes"]) / 198_500
    assert 8192 <= seen["large_above_bytes"] < 9000
    assert seen["large_share"] == pytest.approx(large, abs=4 * (large / seen["requests"]) ** 0.5
                                                + 0.3 * large)
    assert seen["value_bytes_p50"] == 103 and 90_000 < seen["value_bytes_max"] < 210_000
    assert seen["requests"] == sum(size["read"] + size["written"] for size in seen["sizes"])
    assert report["server"]["policy"] == "size-aware" and report["server"]["threads"] == 2
    assert report["server"]["keys"] == 2050
    assert report["profile"] == "tcp"
    check_tables(report)


def check_tables(report):
    assert {point["policy"] for point in report["policies"]} == POLICIES
    assert {point["cores"] for point in report["cores"]} >= {1, 2, 4, 8}
    assert {point["large_percentile"] for point in report["percentiles"]} == {95, 99, 99.9}
    assert {point["quantum_packets"] for point in report["quanta"]} == {4, 8, 16, 22, 32, 64}
    assert report["now"]["policy"] == "size-aware" and report["now"]["cores"] == 2
    for point in [report["now"], *report["policies"], *report["percentiles"], *report["quanta"]]:
        assert not point["overloaded"]
        for name in ("all", "small", "large"):
            row = point[name]
            assert 0 < row["p50_us"] <= row["p99_us"] <= row["p999_us"]
    answer = report["answer"]
    best = min(report["policies"], key=lambda point: point["small"]["p99_us"])
    assert answer["best_policy"] == best["policy"]
    assert answer["slo_us"] == pytest.approx(10 * report["mean_service_us"])
    assert set(answer["least_cores"]) == POLICIES
    assert best["policy"] in answer["sentence"]


def test_tables_and_another_rate(start_any, tmp_path):
    server = start_any("-t", "2", "-m", "256", "--epoch-ms=50")
    file = tmp_path / "report.json"
    with loaded(server):
        table = sim_from(server.port, "--over=0", "--requests=1000", "--rate=400000",
                         "--profile=tcp", "--jobs=2", f"--json={file}")
    for word in ("requests/s", "by policy, on 2 cores", "by the number of cores", "overload",
                 "by the percentile", "by the quantum", "fewest cores that keep it",
                 "is more than any policy can serve"):
        assert word in table
    report = json.loads(file.read_text())
    assert report["rate_per_s"] == 400000
    assert report["now"]["overloaded"] and report["answer"]["best_policy"] is None


def test_says_when_nothing_came(start_any):
    server = start_any("-t", "1")
    for over in ("300ms", "0"):
        assert "no request came in " in sim_from(server.port, f"--over={over}", code=1)


def test_says_when_counts_went_back(start_any):
    server = start_any("-t", "1")
    with server.client() as client:
        for _ in range(10):
            client.set(b"k", b"v")
        resets = threading.Timer(1, client.ask, [b"stats reset"])
        resets.start()
        assert "its counts went back" in sim_from(server.port, "--over=2s", code=1)
        resets.join()


class FakeServer:
    """Answers each of its lines as told; hangs up where there is no answer."""

    def __init__(self, answers):
        self.answers = answers
        self.listener = socket.create_server((harness.HOST, 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.thread.join()
        self.listener.close()

    def serve(self):
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rb") as lines:
            for line in lines:
                answer = self.answers.get(line.strip().decode())
                if answer is None:
                    return
                connection.sendall(answer)


def stats(**values):
    lines = "".join(f"STAT {name} {value}\r\n" for name, value in values.items())
    return lines.encode() + b"END\r\n"


GENERAL = stats(version="1.6.18", curr_items=3)
SETTINGS = stats(num_threads=2, sharding="elastic", dispatchers=1, quantum_bytes=32768,
                 epoch_ms=1000, large_percentile=99, smoothing=0.9)
PLAN = stats(threshold_bytes=8703, threshold_min_bytes=8192)
GOOD = {"stats": GENERAL, "stats settings": SETTINGS, "stats minos": PLAN}


@pytest.mark.parametrize("answers, said", [
    ({"stats": GENERAL, "stats settings": stats(num_threads=4)},
     "is no minosd: its settings do not say how it shards"),
    ({"stats": b"-ERR unknown command\r\n"}, "stats: "),
    ({}, "the server closed the connection"),
    ({**GOOD, "stats minos": stats(threshold_bytes=8703)},
     "stats minos: there is no line 'threshold_min_bytes'"),
    ({**GOOD, "stats minos sizes": b"ERROR\r\n"},
     "is too old: it does not know 'stats minos sizes'"),
    ({**GOOD, "stats minos sizes": stats(counted_us=5, without_value="many")},
     "stats minos sizes: line 'without_value many': a number from 0 to "),
    ({**GOOD, "stats minos sizes":
      b"STAT counted_us 5\r\nSTAT without_value 0\r\nSTAT size:1:2:read 5\r\nEND\r\n"},
     "stats minos sizes: line 'size:1:2:read 5': not the bounds of a size class"),
    ({**GOOD, "stats minos sizes": b"STAT counted_us 5\r\nSTAT size:1"},
     "stats minos sizes: the server did not answer in time"),
])
def test_says_what_is_wrong_with_a_server(answers, said):
    with FakeServer(answers) as server:
        error = sim_from(server.port, "--over=0", code=1)
    assert said in error and error.startswith(f"minos sim: --from={harness.HOST}:{server.port}: ")


def test_says_that_nobody_is_there():
    assert "refused" in sim_from(harness.free_port(), code=1)


@pytest.mark.parametrize("wrong, said", [
    (["--cores=4"], "--cores"),
    (["--policy=elastic"], "--policy"),
    (["--over=-1"], "--over=-1 is out of range: 0 to 86400 seconds is allowed"),
    (["--over=3h"], "h unit not recognized"),
    (["--jobs=0"], "--jobs=0 is out of range: 1 to 1024 is allowed"),
    (["--rate=1", "--load=1"], "--rate and --load exclude each other"),
])
def test_says_what_is_wrong_with_options(wrong, said):
    assert said in sim_from(1, *wrong, code=2)


def test_options_that_need_a_server():
    run = subprocess.run([str(MINOS), "sim", "--over=1s"], capture_output=True, text=True,
                         timeout=60, check=False)
    assert run.returncode == 2 and "--from" in run.stderr
