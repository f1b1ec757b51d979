"""Clients that behave as only real ones do: pipelines, stalls, sudden ends, crowds."""

import contextlib
import socket
import statistics
import threading
import time

import pytest

import harness
from harness import pattern

pytestmark = pytest.mark.sanitized

BIG = 1_000_000


def small_works(server):
    """Other clients are served, and soon."""
    begin = time.monotonic()
    with server.client() as client:
        assert client.set(b"small", b"v") == b"STORED"
        assert client.get(b"small") == b"v"
    assert time.monotonic() - begin < 2


def small_latency_s(server):
    """Of the slowest of a few connections: they are spread over the workers, and one that is held
    up must show. Of each the median, since the machine pauses now and then."""
    medians = []
    for _ in range(8):
        with server.client() as client:
            assert client.set(b"small", b"v") == b"STORED"
            times = []
            for _ in range(9):
                begin = time.monotonic()
                assert client.get(b"small") == b"v"
                times.append(time.monotonic() - begin)
            medians.append(statistics.median(times))
    return max(medians)


@contextlib.contextmanager
def small_ones_unharmed(server):
    """What happens inside must not make small requests of others slower."""
    before = small_latency_s(server)
    yield
    # A worker that is really held up is so in every attempt.
    during = min(small_latency_s(server) for _ in range(3))
    assert during < 10 * before + 0.01, f"{before * 1e6:.0f} us before, {during * 1e6:.0f} us"


def test_pipelined_gets(server):
    count = 10_000
    with server.client(timeout=30) as client:
        for i in range(100):
            client.set(b"p%d" % i, pattern(b"p%d" % i, i))
        sender = threading.Thread(target=client.send, args=(
            b"".join(b"get p%d\r\n" % (i % 100) for i in range(count)),))
        sender.start()
        for i in range(count):
            assert client.read_value() == pattern(b"p%d" % (i % 100), i % 100)
        sender.join()


def test_pipeline_of_small_and_large_keeps_its_order(server):
    with server.client(timeout=30) as client:
        client.set(b"large", pattern(b"large", BIG))
        client.set(b"little", b"v")
        client.send(b"get little\r\nget large\r\n" * 20)
        for _ in range(20):
            assert client.read_value() == b"v"
            assert client.read_value() == pattern(b"large", BIG)


def test_pipelined_large_sets_and_gets(server):
    values = [pattern(b"l%d" % i, BIG - i) for i in range(8)]
    request = b""
    for i, value in enumerate(values):
        request += b"set l%d 0 0 %d\r\n" % (i, len(value)) + value + b"\r\nget l%d\r\n" % i
    with server.client(timeout=30) as client:
        sender = threading.Thread(target=client.send, args=(request,))
        sender.start()
        for value in values:
            assert client.line() == b"STORED"
            assert client.read_value() == value
        sender.join()


def test_multiget_of_small_and_large(server):
    sizes = {b"m%d" % i: (BIG if i % 5 == 0 else i) for i in range(20)}
    with server.client(timeout=30) as client:
        for key, size in sizes.items():
            assert client.set(key, pattern(key, size)) == b"STORED"
        client.send(b"get " + b" ".join(sizes) + b"\r\n")
        for key, size in sizes.items():
            assert client.line() == b"VALUE %s 0 %d" % (key, size)
            assert client.exactly(size + 2) == pattern(key, size) + b"\r\n"
        assert client.line() == b"END"


def test_client_that_stops_reading(server):
    with server.client(timeout=30) as writer:
        writer.set(b"slow", pattern(b"slow", BIG))
    stalled = [server.client(receive_buffer=4096, timeout=30) for _ in range(8)]
    with small_ones_unharmed(server):
        for client in stalled:
            client.send(b"get slow\r\n")
            assert client.line() == b"VALUE slow 0 %d" % BIG
    for client in stalled[:4]:  # wakes up and gets the rest
        assert client.exactly(BIG + 2) == pattern(b"slow", BIG) + b"\r\n"
        assert client.line() == b"END"
        assert client.get(b"small") == b"v"
        client.close()
    for client in stalled[4:]:
        client.reset()
    small_works(server)


def test_client_that_never_reads_pipelined_replies(server):
    """Replies must not pile up without bound: the server stops reading such a client."""
    with server.client(timeout=30) as writer:
        writer.set(b"slow", pattern(b"slow", BIG))
    client = server.client(receive_buffer=4096)
    client.socket.settimeout(0.5)
    before = server.rss_bytes()
    with small_ones_unharmed(server), contextlib.suppress(TimeoutError):  # as it should be
        for _ in range(2000):
            client.send(b"get slow\r\n" * 100)
    assert harness.sanitized() or server.rss_bytes() - before < 64 << 20
    client.reset()


def test_client_that_stops_sending(server):
    value = pattern(b"half", BIG)
    stalled = [server.client(timeout=30) for _ in range(8)]
    with small_ones_unharmed(server):
        for client in stalled:
            client.send(b"set half 0 0 %d\r\n" % BIG + value[:BIG // 2])
    for client in stalled[:4]:  # goes on
        client.send(value[BIG // 2:] + b"\r\n")
        assert client.line() == b"STORED"
        assert client.get(b"half") == value
        client.close()
    for client in stalled[4:]:
        client.reset()
    with server.client(timeout=30) as client:
        assert client.get(b"half") == value


@pytest.mark.parametrize("request_part", [
    b"", b"g", b"get small", b"set x 0 0 10\r\n", b"set x 0 0 10\r\nabc",
    b"set x 0 0 1000000\r\n", b"set x 0 0 1000000\r\n" + b"y" * 300_000,
    b"get big\r\n", b"get big\r\n" * 50, b"get big small big",
], ids=lambda part: f"{len(part)}-{part[:12].decode().strip()}")
@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
def test_client_killed_mid_request(server, request_part, how):
    with server.client(timeout=30) as writer:
        writer.set(b"big", pattern(b"big", BIG))
        assert writer.ask(b"delete x") in (b"DELETED", b"NOT_FOUND")
    for _ in range(3):
        client = server.client(timeout=30)
        client.send(request_part)
        if how == "half-close":
            client.socket.shutdown(socket.SHUT_WR)
            assert client.closed_by_server()
        getattr(client, "reset" if how == "reset" else "close")()
    small_works(server)
    with server.client(timeout=30) as client:
        assert client.get(b"x") is None  # half a value is no value
        assert client.get(b"big") == pattern(b"big", BIG)


def test_request_byte_by_byte(server):
    with server.client() as client:
        for byte in b"set bytes 5 0 10\r\n0123456789\r\nget bytes\r\n":
            client.send(bytes([byte]))
        assert client.line() == b"STORED"
        assert client.line() == b"VALUE bytes 5 10"
        assert client.line() == b"0123456789"


def test_a_thousand_idle_connections(server):
    idle = [server.client() for _ in range(1000)]
    small_works(server)
    for client in idle:
        client.send(b"version\r\n")
    for client in idle:
        assert client.line().startswith(b"VERSION")
        client.close()
    harness.wait_until(lambda: connections(server) < 100, "closed connections are forgotten")


def connections(server):
    with server.client() as client:
        return int(client.stats()["curr_connections"])


def test_many_connections_come_and_go(server):
    def come_and_go(name):
        for i in range(150):
            with server.client() as client:
                key = b"%d:%d" % (name, i)
                assert client.set(key, key) == b"STORED"
                assert client.get(key) == key
            done.append(1)

    done = []
    threads = [threading.Thread(target=come_and_go, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 600
    harness.wait_until(lambda: connections(server) < 100, "closed connections are forgotten")


def test_quit(server):
    with server.client() as client:
        client.send(b"version\r\nquit\r\nversion\r\n")
        assert client.line().startswith(b"VERSION")
        assert client.closed_by_server()


def test_garbage(server):
    for garbage in [b"\x80" * 100, b"\r\n" * 100, b"\n", b"get\r\n", b"set a b c d\r\n",
                    b"a" * 5000, b"set k 0 0 -1\r\n", b"get " + b"k " * 5000, b"\x00" * 20_000]:
        with server.client() as client:
            with contextlib.suppress(OSError):  # it may have closed already
                client.send(garbage)
                client.socket.shutdown(socket.SHUT_WR)
            assert client.closed_by_server()
    small_works(server)
