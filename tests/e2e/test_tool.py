"""`minos get`, `set` and the like, against a whole server."""

import re
import subprocess

import pytest

import harness

MINOS = harness.PROGRAM.parent / "minos"

pytestmark = [pytest.mark.skipif(not harness.IS_MINOS, reason="a tool of its own"),
              pytest.mark.skipif(not MINOS.exists(), reason="the tool is not built")]


def minos(*args, stdin=b"", code=0):
    """What it writes: standard output, or standard error when it is to fail."""
    run = subprocess.run([str(MINOS), *args], input=stdin, capture_output=True, timeout=60,
                         check=False)
    assert run.returncode == code, run.stderr
    return run.stderr.decode() if code else run.stdout


def test_a_single_port(start_any):
    port = harness.free_ports(1)
    start_any("--transport=tcp,udp", f"--datagram-port={port}", "-t", "2", "--datagram-single-port",
              "--rx-queues=8")
    target = [f"--server=udp://{harness.HOST}:{port}", "--single-port"]
    value = harness.pattern("k", 200_000)
    for i in range(8):  # of several queues
        minos("set", f"k{i}", "-", *target, stdin=value)
        assert minos("get", f"k{i}", *target) == value
    minos("delete", "k0", *target)
    assert minos("get", "k0", *target, code=1) == "minos: no such key: k0\n"
    gets = int(re.search(rb"^cmd_get (\d+)$", minos("stats", *target), re.M)[1])
    assert gets >= 9  # more where a reply was late and the client asked again


@pytest.mark.parametrize("command", [["get", "k"], ["set", "k", "v"], ["delete", "k"], ["stats"]])
@pytest.mark.parametrize("server", [[], ["--server=127.0.0.1:1"], ["--server=tcp://127.0.0.1:1"]])
def test_a_single_port_is_for_datagrams(command, server):
    assert minos(*command, *server, "--single-port", code=2) == \
        "minos: --single-port needs --server=udp://HOST:PORT\n"
