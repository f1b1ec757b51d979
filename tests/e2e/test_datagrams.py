"""The Minos datagram protocol over real sockets, with a client written from its page."""

import os
import random
import threading
import time

import pytest

import datagrams
import harness

pytestmark = [pytest.mark.skipif(not harness.IS_MINOS, reason="a protocol of its own"),
              pytest.mark.sanitized]

POLICIES = ["elastic", "size-aware", "key-hash", "work-stealing", "software-handoff"]


@pytest.fixture(name="serve")
def _serve(start_any):
    def serve(*args, threads=2, queues=None):
        queues = queues or threads
        base = harness.free_ports(queues)
        server = start_any("--transport=tcp,udp", f"--datagram-port={base}", "-t", str(threads),
                           f"--rx-queues={queues}", *args)
        server.udp_port = base
        return server
    return serve


def client_of(server, queues=1, **options):
    return datagrams.Client(harness.HOST, server.udp_port, queues, **options)


def value_of(size, seed):
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("threads, queues", [(1, 1), (1, 4), (3, 3), (4, 8)])
def test_every_request(serve, policy, threads, queues):
    server = serve(f"--sharding={policy}", threads=threads, queues=queues)
    with client_of(server) as client:
        for queue in range(queues):
            key = b"k%d" % queue
            assert client.get(key, queue=queue) is None
            assert client.store("replace", key, b"x", queue=queue).status == "not found"
            assert client.store("add", key, b"7", queue=queue, flags=5).status == "ok"
            assert client.store("add", key, b"8", queue=queue).status == "exists"
            assert client.number("incr", key, 5, queue=queue) == 12
            assert client.number("decr", key, 50, queue=queue) == 0
            assert client.store("append", key, b"z", queue=queue).status == "ok"
            assert client.store("prepend", key, b"a", queue=queue).status == "ok"
            assert client.number("incr", key, 1, queue=queue) == "non-numeric"
            value, flags, cas = client.get_item(key, queue=queue)
            assert (value.replace(b" ", b""), flags) == (b"a0z", 5)
            assert client.store("cas", key, b"n", cas=cas + 1, queue=queue).status == "exists"
            assert client.store("cas", key, b"n", cas=cas, queue=queue).status == "ok"
            assert client.ask("touch", key, b"\x0a\0\0\0", queue=queue).status == "ok"
            assert client.get(key, op="gat", fixed=b"\0\0\0\0", queue=queue) == b"n"
            reply = client.ask("noop", queue=queue)
            assert (reply.queues, reply.port) == (queues, server.udp_port + queue)
            with server.client() as tcp:
                assert tcp.get(key) == b"n"
            assert client.ask("delete", key, queue=queue).status == "ok"
            assert client.ask("delete", key, queue=queue).status == "not found"
        assert client.set(b"gone", b"x") == "ok"
        assert client.ask("flush-all", fixed=b"\0\0\0\0").status == "ok"
        assert client.get(b"gone") is None
        assert int(client.stats()["threads"]) == threads
    server.stop()


@pytest.mark.parametrize("policy", POLICIES)
def test_values_of_every_size(serve, policy):
    server = serve(f"--sharding={policy}", "--epoch-ms=20", "-I", "8m", "-m", "128", threads=3)
    sizes = [0, 1, 1100, 1101, 1432, 1433, 8192, 8193, 100_000, 1_048_576, 5_000_000]
    with client_of(server, queues=3) as client:
        for round_ in range(3):
            for i, size in enumerate(sizes):
                key, value = b"k%d" % size, value_of(size, round_)
                queue = (i + round_) % 3
                assert client.set(key, value, queue=queue) == "ok"
                assert client.get(key, queue=(queue + 1) % 3) == value
                with server.client() as tcp:
                    assert tcp.get(key) == value
            time.sleep(0.05)  # the next round has another plan
        assert client.set(b"k", bytes((8 << 20) + 1)) == "too large"
    server.stop()


def test_a_single_port(serve):
    server = serve("--datagram-single-port", threads=3)
    with client_of(server, single_port=True) as client:
        for queue in range(3):
            assert client.set(b"k", b"v%d" % queue, queue=queue) == "ok"
            assert client.get(b"k", queue=queue) == b"v%d" % queue
        assert client.ask("noop").queues == 3


def test_a_repeated_write_is_executed_once(serve):
    server = serve()
    with client_of(server) as client:
        client.connect()
        assert client.set(b"n", b"0") == "ok"
        for i in range(1, 200):
            request_id = client.begin()
            one = client.datagram("incr", request_id, b"n",
                                  client.write_id() + b"\1\0\0\0\0\0\0\0")
            for _ in range(3):
                client.send(one)
            numbers = [int.from_bytes(reply.rest, "little")
                       for _, reply in zip(range(3), client.replies(request_id, 5))]
            assert numbers == [i] * 3
            if i == 100:
                late = one
        # Long after its answer: not executed, not answered.
        client.send(late)
        assert client.get(b"n") == b"199"


def test_two_clients_write_while_two_read(serve):
    server = serve("-m", "128", threads=3)
    stop = threading.Event()
    failures = []

    def write(seed):
        try:
            with client_of(server) as client:
                version = 0
                while not stop.is_set():
                    version += 1
                    size = random.Random(version).choice([10, 2000, 9000, 120_000])
                    assert client.set(b"k", bytes([version % 256]) * size, queue=seed) == "ok"
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)

    def read(seed):
        try:
            with client_of(server) as client:
                while not stop.is_set():
                    value = client.get(b"k", queue=seed)
                    assert value is None or value == value[:1] * len(value), "torn"
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)

    threads = [threading.Thread(target=f, args=(i,)) for i in range(2) for f in (write, read)]
    for thread in threads:
        thread.start()
    time.sleep(4)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    server.stop()


def test_garbage_is_counted_and_answered_with_no_more_than_came(serve):
    server = serve()
    with client_of(server) as client, client_of(server) as honest:
        honest.connect()
        assert honest.set(b"k", b"v") == "ok"
        source = random.Random(1)
        sent = 0
        for i in range(3000):
            data = bytearray(source.randbytes(source.randrange(200)))
            if i % 2 and len(data) > 3:
                data[:3] = [0x6d, source.choice([1, 1, 1, 9]), source.randrange(20)]
            sent += len(data)
            client.send(data, queue=i % 2)
        assert honest.get(b"k") == b"v"
        received = 0
        client.socket.settimeout(0.5)
        try:
            while True:
                received += len(client.socket.recv(65536))
        except TimeoutError:
            pass
        assert received <= sent
        stats = honest.stats(b"minos")
        counted = {name: sum(int(value) for key, value in stats.items() if key.endswith(name))
                   for name in ("datagrams_foreign", "datagrams_malformed",
                                "datagrams_other_version", "unproven_addresses")}
        assert all(counted.values()), counted
    server.stop()


def test_what_is_wrong_is_counted_by_its_reason(serve):
    server = serve(threads=1)

    def counted(client, *names):
        stats = client.stats(b"minos")
        return [int(stats[name]) for name in names]

    with client_of(server) as client:
        assert client.set(b"k", b"v") == "ok"
        reasons = ("core:0:datagrams_foreign", "core:0:datagrams_malformed",
                   "core:0:unproven_addresses", "plane:0:packets_in")
        before = counted(client, *reasons)
        whole = client.datagram("get", client.begin(), b"k", b"\0" * 8)
        client.send(b"nothing that Minos knows")
        client.send(whole[:len(whole) - 3])
        client.token ^= 1
        client.send(client.datagram("get", client.begin(), b"k", b"\0" * 8))
        client.token ^= 1
        harness.wait_until(lambda: all(now > then for now, then in
                                       zip(counted(client, *reasons), before)), "they are counted")
        stats = client.stats(b"minos")
        assert stats["plane:0:name"] == f"udp:{harness.HOST}:{server.udp_port}"
        for name in ("truncated", "receive_errors", "send_errors", "tx_full", "not_kept",
                     "socket_dropped"):
            assert stats[f"plane:0:{name}"] == "0"
        assert int(stats["plane:0:packets_out"]) >= int(stats["plane:0:batches_out"]) > 0
    with server.client() as tcp:
        assert int(tcp.stats(b"minos")["plane:0:packets_in"]) > 0
    server.stop()


def test_a_reply_comes_from_the_address_that_was_asked():
    base = harness.free_ports(2)
    server = harness.Server(["--transport=udp", f"--datagram-port={base}", "-t", "2",
                             "-l", "0.0.0.0"], listen=False)
    try:
        harness.wait_until(lambda: " on udp:" in server.output(), "it serves")
        for host in (harness.HOST, "127.0.0.2"):
            with datagrams.Client(host, base, 2) as client:
                client.socket.connect((host, base))  # to hear nobody else
                value = os.urandom(100_000)
                assert client.set(b"k", value) == "ok"
                assert client.get(b"k") == value
        server.stop()
    finally:
        server.kill()


def test_a_restarted_server_gives_new_tokens(serve):
    server = serve()
    with client_of(server) as client:
        assert client.set(b"k", b"v") == "ok"
        before = client.token
        port = server.udp_port
        server.stop()
        again = harness.Server(["--transport=udp", f"--datagram-port={port}", "-t", "2"])
        try:
            harness.wait_until(lambda: " on udp:" in again.output(), "it serves")
            assert client.get(b"k") is None
            assert client.set(b"k", b"w") == "ok"
            assert client.token != before
            again.stop()
        finally:
            again.kill()


def test_a_full_memory_goes_on_serving(serve):
    server = serve("-m", "64", "-I", "4m", threads=2)
    with client_of(server, queues=2) as client:
        for i in range(400):
            size = [100, 3000, 60_000, 2_000_000][i % 4]
            assert client.set(b"k%d" % i, os.urandom(64) * (size // 64), queue=i % 2) == "ok", i
        assert client.set(b"last", b"here") == "ok"
        assert client.get(b"last") == b"here"
        stats = client.stats()
        assert int(stats["evictions"]) > 0
    server.stop()
