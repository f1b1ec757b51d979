"""What differs from policy to policy: who executes requests, and that none of them costs anything
while nothing happens."""

import os
import pathlib
import threading
import time

import pytest

import harness
from harness import pattern

pytestmark = [
    pytest.mark.sanitized,
    pytest.mark.skipif(not harness.IS_MINOS, reason="policies are of Minos"),
]

HANDOFF = "--sharding=software-handoff"


def cpu_s(server):
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text("ascii").split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def of_cores(stats, what, cores):
    return [stats[f"core:{core}:{what}"] for core in range(cores)]


def requests_of_cores(client, cores):
    return [int(count) for count in of_cores(client.stats(b"minos"), "requests", cores)]


def small_traffic(address, name, rounds, failures):
    try:
        with harness.Client(address, timeout=30) as client:
            for i in range(rounds):
                value = pattern(name, 1 + i % 500)
                client.send(b"set %s 0 0 %d\r\n%s\r\nget %s\r\n" % (name, len(value), value, name))
                assert client.line() == b"STORED"
                assert client.read_value() == value
    except BaseException as error:  # told to the thread that asserts
        failures.append(f"{name}: {error!r}")


def in_threads(address, count, rounds):
    failures = []
    threads = [threading.Thread(target=small_traffic,
                                args=(address, b"small:%d" % i, rounds, failures))
               for i in range(count)]
    for thread in threads:
        thread.start()
    return threads, failures


def joined(threads, failures):
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    assert not failures


@pytest.mark.skipif(harness.sanitized(), reason="sanitizers have threads of their own")
def test_costs_nothing_while_nothing_happens(start):
    server = start("-t", 4)
    joined(*in_threads(server.address, 8, 100))
    with server.client() as half, server.client() as quiet:
        half.send(b"get k")  # a command that is not whole is no work either
        assert quiet.ask(b"version").startswith(b"VERSION")
        time.sleep(0.3)
        before = cpu_s(server)
        time.sleep(1)
        assert cpu_s(server) - before <= 0.03


@pytest.mark.parametrize("threads, dispatchers", [(1, 1), (2, 1), (4, 1), (4, 2), (4, 3)])
def test_dispatchers_execute_nothing(start_any, threads, dispatchers):
    server = start_any("-t", threads, HANDOFF, f"--dispatchers={dispatchers}")
    joined(*in_threads(server.address, 12, 200))
    with server.client() as client:
        roles = of_cores(client.stats(b"minos"), "role", threads)
        counts = requests_of_cores(client, threads)
    if threads == 1:
        assert roles == ["any"]
        return
    assert roles == ["dispatcher"] * dispatchers + ["worker"] * (threads - dispatchers)
    assert not any(counts[:dispatchers])
    assert sum(counts) >= 12 * 200 * 2


def test_small_requests_pass_a_large_value(start, policy):
    """Its reader takes all the time it wants, in the middle of it."""
    size = 20_000_000
    server = start("-t", 3, "-m", 256, "-I", "32m")
    with server.client(timeout=60) as large, server.client() as other:
        value = pattern(b"large", size)
        assert large.set(b"large", value) == b"STORED"
        large.send(b"get large\r\n")
        assert large.line() == b"VALUE large 0 %d" % size
        joined(*in_threads(server.address, 6, 50))
        assert other.ask(b"touch nothing 0") == b"NOT_FOUND"
        assert large.exactly(size) == value, policy
        assert large.exactly(2) == b"\r\n"
        assert large.line() == b"END"


def test_many_connections_that_come_and_go(start_any):
    """More of them wait than the dispatcher reads ahead, and some leave while they wait."""
    server = start_any("-t", 3, HANDOFF, "-c", 2000)
    for _ in range(3):
        clients = [server.client(timeout=30) for _ in range(300)]
        for i, client in enumerate(clients):
            client.send(b"set k%d 0 0 5000\r\n%s\r\nget k%d\r\n" % (i, pattern(b"k", 5000), i))
        for client in clients[::3]:
            client.reset()
        for i, client in enumerate(clients):
            if i % 3 == 0:
                continue
            assert client.line() == b"STORED"
            assert client.read_value() == pattern(b"k", 5000)
            client.close()
    with server.client() as client:
        harness.wait_until(lambda: client.stats()["curr_connections"] == "1", "all are gone")
