"""What listens where, by --transport."""

import os
import pathlib
import random
import re
import socket
import time

import pytest

import harness

pytestmark = pytest.mark.skipif(not harness.IS_MINOS, reason="options of its own")


def udp_bound(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((harness.HOST, port))
            return False
        except OSError:
            return True


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_tcp_and_udp(start_any):
    base = harness.free_ports(3)
    server = start_any("--transport=tcp,udp", f"--datagram-port={base}", "-t", "3")
    assert [udp_bound(base + i) for i in range(4)] == [True, True, True, False]
    assert f"tcp:127.0.0.1:{server.port}, udp:127.0.0.1:{base}-{base + 2}: " in server.output()
    with server.client() as client:
        assert client.set(b"k", b"v") == b"STORED"
        assert client.get(b"k") == b"v"


def test_udp_alone_on_a_single_port():
    base = harness.free_ports(1)
    server = harness.Server(["--transport=udp", f"--datagram-port={base}", "-t", "2",
                             "--datagram-single-port"])
    try:
        harness.wait_until(lambda: f" on udp:127.0.0.1:{base}: " in server.output(), "it serves")
        assert udp_bound(base)
        with pytest.raises(OSError):
            server.client()
        server.stop()
    finally:
        server.kill()


def test_a_unix_socket_beside_udp(folder, start_any):
    base = harness.free_ports(2)
    path = str(folder / "s")
    server = start_any("--transport=udp", f"--datagram-port={base}", "-t", "2", unix_socket=path)
    assert re.search(rf"on unix:{path}, udp:127\.0\.0\.1:{base}-{base + 1}: ", server.output())


def test_a_port_that_is_taken(start_any):
    base = harness.free_ports(2)
    start_any("--transport=tcp,udp", f"--datagram-port={base}", "-t", "2")
    for more in ([], ["--datagram-single-port"]):
        code, out, err = harness.run_to_end("-p", "0", "--transport=tcp,udp", "-t", "2",
                                            f"--datagram-port={base}", *more)
        assert (code, out) == (1, "")
        assert f"cannot receive datagrams on udp:127.0.0.1:{base}: Address already in use" in err


def test_idle_workers_use_no_cpu(start_any):
    base = harness.free_ports(4)
    server = start_any("--transport=tcp,udp", f"--datagram-port={base}", "-t", "4")
    time.sleep(0.5)
    before = cpu_s(server.process.pid)
    time.sleep(2)
    assert cpu_s(server.process.pid) - before <= 0.1


@pytest.mark.sanitized
def test_datagrams_of_any_kind_disturb_nobody(start_any):
    base = harness.free_ports(2)
    server = start_any("--transport=tcp,udp", f"--datagram-port={base}", "-t", "2")
    random_bytes = random.Random(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, server.client() as client:
        for i in range(300):
            size = random_bytes.choice([0, 1, 27, 28, 29, 100, 1472, 9000])
            sender.sendto(random_bytes.randbytes(size), (harness.HOST, base + i % 2))
            if i % 50 == 0:
                assert client.set(b"k%d" % i, b"v") == b"STORED"
