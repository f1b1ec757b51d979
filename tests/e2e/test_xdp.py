"""The AF_XDP data plane, over veth pairs between network namespaces."""

import json
import os
import random
import signal
import socket
import subprocess
import time

import pytest

import datagrams
import harness
import network
from test_transports import cpu_s

MINOS = harness.PROGRAM.parent / "minos"
TRANSCRIPTS = harness.PROGRAM.parent / "minos_datagram_sockets_test"
PORT = 11300
TARGET = f"--server=udp://{network.SERVER}:{PORT}"


def why_skipped():
    if not harness.IS_MINOS:
        return "a transport of its own"
    error = harness.run_to_end("--transport=xdp", "--xdp-interface=none")[2]
    return "built without libxdp" if "without libxdp" in error else network.why_missing()


@pytest.fixture(scope="module", autouse=True)
def _where_possible():
    if reason := why_skipped():
        pytest.skip(reason)


def started(net, *args):
    server = harness.Server(["--transport=xdp", f"--xdp-interface={network.INTERFACE}", *args],
                            listen=False, prefix=net.in_server())
    ended = server.process.poll
    harness.wait_until(lambda: "minosd " in server.output() or ended() is not None, "it serves")
    assert ended() is None, server.output()
    return server


def stopped(net, server):
    try:
        assert net.has_program()
        server.stop()
        assert not net.has_program()
    finally:
        server.kill()


@pytest.fixture(name="serve")
def _serve():
    """serve(queues, args...): a network of interfaces with so many queues, and a server on it."""
    running = []

    def serve(queues, *args):
        with_network = network.veth(queues)
        net = with_network.__enter__()
        running.append((with_network, net, None))
        server = started(net, *args)
        running[-1] = (with_network, net, server)
        return net, server

    yield serve
    for with_network, net, server in running:
        try:
            if server is not None and server.process.returncode is None:
                stopped(net, server)
        finally:
            with_network.__exit__(None, None, None)


def minos(net, *args, stdin=b"", code=0):
    run = subprocess.run(net.in_client(str(MINOS), *args), input=stdin, capture_output=True,
                         timeout=60, check=False)
    assert run.returncode == code, run.stderr
    return run.stdout


def client_of(net, queues):
    return net.call(net.client, datagrams.Client, network.SERVER, PORT, queues)


def load_args(*more):
    return ["load", "--protocol=udp", f"--server={network.SERVER}:{PORT}", "--json", "--quiet",
            "--keys=500", "--large-keys=5", "--large-max=200000", "--large-percent=2",
            "--timeout=20", "--warmup=0.1", "--get-ratio=0.9", "--closed", *more]


def check_load(net):
    report = json.loads(minos(net, *load_args("--duration=0.5", "--depth=8", "--connections=3",
                                              "--verify")))
    assert (report["error"], report["first_refusal"], report["unanswered"]) == (None, None, 0)
    for name in ("tiny", "small", "large"):
        row = report["classes"][name]
        assert row["count"] > 0
        assert (row["misses"], row["refused"], row["wrong"]) == (0, 0, 0)
    assert report["datagrams"]["garbage"] == 0


def check_every_queue(net, queues):
    values = random.Random(queues)
    with client_of(net, queues) as client:
        for queue in range(queues):
            for size in (0, 1, 1000, 1400, 1401, 9000, 70_000):
                key = b"k%d-%d" % (queue, size)
                value = values.randbytes(size)
                assert client.set(key, value, queue=queue) == "ok"
                assert client.get(key, queue=(queue + 1) % queues) == value
            reply = client.ask("noop", queue=queue)
            assert (reply.port, reply.queues) == (PORT + queue, queues)


@pytest.mark.parametrize("policy, threads, queues", [
    ("elastic", 1, 1), ("elastic", 2, 4), ("size-aware", 2, 2), ("size-aware", 4, 4),
    ("software-handoff", 2, 2), ("software-handoff", 3, 4)])
def test_every_client(serve, policy, threads, queues):
    net, server = serve(queues, f"--sharding={policy}", "-t", threads, f"--rx-queues={queues}",
                        "--epoch-ms=50")
    last = f"-{PORT + queues - 1}" if queues > 1 else ""
    assert f" on xdp:{network.SERVER}:{PORT}{last}: " in server.output()
    check_every_queue(net, queues)
    big = random.Random(1).randbytes(1_000_000)
    minos(net, "set", "big", "-", TARGET, stdin=big)
    assert minos(net, "get", "big", TARGET) == big
    check_load(net)


def test_an_interface_with_more_queues_than_are_served(serve):
    net, _ = serve(4, "-t", "2")
    check_every_queue(net, 2)
    # The client's system spreads what is of different sockets over the queues of its interface.
    for _ in range(12):
        with client_of(net, 2) as client:
            assert client.ask("noop").status == "ok"


def test_other_traffic_stays_the_kernels(serve):
    net, server = serve(2, "-t", "2", "--transport=tcp", "-l", network.SERVER, "-p", "11211")
    assert f"tcp:{network.SERVER}:11211, xdp:{network.SERVER}:" in server.output()
    with net.call(net.client, harness.Client, (network.SERVER, 11211)) as over_tcp:
        assert over_tcp.set(b"k", b"v") == b"STORED"
        with client_of(net, 2) as client:
            assert client.get(b"k") == b"v"

    def udp():
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    with net.call(net.server, udp) as receiver, net.call(net.client, udp) as sender:
        for port in (PORT - 1, PORT + 2):
            receiver.close()
            receiver = net.call(net.server, udp)
            receiver.bind((network.SERVER, port))
            receiver.settimeout(5)
            sender.sendto(b"for the kernel", (network.SERVER, port))
            assert receiver.recv(100) == b"for the kernel"


def test_datagrams_of_any_kind_disturb_nobody(serve):
    net, _ = serve(2, "-t", "2")
    some = random.Random(2)
    with client_of(net, 2) as other, client_of(net, 2) as client:
        for i in range(300):
            other.send(some.randbytes(some.choice([0, 1, 27, 28, 29, 100, 1472, 9000])), i % 2)
            if i % 50 == 0:
                assert client.set(b"k%d" % i, b"v") == "ok"


def test_clients_that_are_killed(serve):
    net, _ = serve(2, "-t", "2", "--sharding=size-aware")
    for _ in range(2):
        with subprocess.Popen(net.in_client(str(MINOS), *load_args("--duration=30")),
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as load:
            time.sleep(0.4)
            load.kill()
    check_every_queue(net, 2)


def test_idle_workers_use_no_cpu(serve):
    net, server = serve(2, "-t", "2")
    check_every_queue(net, 2)
    time.sleep(0.2)
    before = cpu_s(server.process.pid)
    time.sleep(1)
    assert cpu_s(server.process.pid) - before <= 0.05


def test_a_server_that_is_killed_leaves_no_program(serve):
    net, server = serve(1, "-t", "1")
    assert net.has_program()
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    harness.wait_until(lambda: not net.has_program(), "the program is gone")
    again = started(net, "-t", "1")
    check_every_queue(net, 1)
    stopped(net, again)


def refused(net, *args, **options):
    code, out, err = net.call(net.server, harness.run_to_end, "--transport=xdp", "-p", "0", *args,
                              **options)
    assert (code, out) == (1, "")
    return [line for line in err.splitlines() if line.startswith("minosd: ")][0]


def test_what_cannot_be(serve):
    on = f"--xdp-interface={network.INTERFACE}"
    net, _ = serve(2, "-t", "1")
    assert refused(net, "--xdp-interface=nope") == \
        "minosd: --xdp-interface=nope: there is no such network interface"
    assert refused(net, "--xdp-interface=lo").endswith("it is not an Ethernet interface")
    assert refused(net, on, "-t", "3").endswith(
        "the interface has 2 receive and 2 send queues, and 3 of each are needed: ethtool -L may "
        "give it more")
    assert refused(net, on, "-t", "1", "--rx-queues=3").endswith("ethtool -L may give it more")
    assert refused(net, on, "-t", "2", "--xdp-address=10.9.9.9").endswith(
        "10.9.9.9 is not an address of the interface")
    assert refused(net, on, "-t", "2").endswith("another XDP program is on the interface")
    if os.access(harness.PROGRAM, os.X_OK) and os.stat(harness.PROGRAM.parent).st_mode & 1:
        assert refused(net, on, "-t", "2", user=65534).endswith(
            "it needs root, or CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF)")
    net.ip("link", "add", "small0", "mtu", "1400", "type", "veth", "peer", "name", "small1")
    assert refused(net, "--xdp-interface=small0").endswith("the interface is down")
    net.ip("link", "set", "small0", "up")
    assert refused(net, "--xdp-interface=small0").endswith("MTU is 1400: at least 1500 is needed")
    net.ip("link", "set", "small0", "mtu", "1500")
    assert refused(net, "--xdp-interface=small0").endswith("the interface has no IPv4 address")


# All but those that wait for seconds; over the kernel's UDP every policy plays every one.
EVERY = "*/{0}_*-*_expiry:*_flush_all"
SOME = "*/{0}_*large*:*/{0}_minos_*:*/{0}_storage"


@pytest.mark.skipif(not TRANSCRIPTS.exists(), reason="the player of transcripts is not built")
@pytest.mark.parametrize("policy, queues", [("elastic", 4), ("sizeaware", 3),
                                            ("softwarehandoff", 8)])
def test_transcripts(policy, queues):
    names = EVERY if policy == "sizeaware" else SOME
    with network.veth(queues) as net:
        server = net.in_server(str(harness.PROGRAM), "--transport=xdp",
                               f"--xdp-interface={network.INTERFACE}")
        environment = {**os.environ, "MINOS_SERVER": " ".join(server),
                       "MINOS_SERVER_HOST": network.SERVER}
        run = subprocess.run(
            net.in_client(str(TRANSCRIPTS), f"--gtest_filter={names.format(policy)}"),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False,
            env=environment)
        assert run.returncode == 0, run.stdout + run.stderr
        assert " tests from 1 test suite ran" in run.stdout
        assert not net.has_program()
