"""Limits: connections, descriptors, item size, memory, silence."""

import os
import pathlib
import pwd
import resource
import socket
import time

import pytest

import harness
from harness import Client, pattern

MB = 1 << 20


def connected(server):
    """A client that is served, or None."""
    try:
        client = server.client(timeout=1)
    except OSError:
        return None
    try:
        if client.ask(b"version").startswith(b"VERSION"):
            return client
    except (EOFError, OSError):
        pass
    client.close()
    return None


def answers(server):
    client = connected(server)
    if client is not None:
        client.close()
    return client is not None


def test_connection_limit(start_any):
    limit = 50
    server = start_any("-c", limit, "-t", 2)
    open_ones = [client for _ in range(limit) if (client := connected(server))]
    # memcached counts its own descriptors too.
    assert len(open_ones) == limit or (not harness.IS_MINOS and len(open_ones) > limit - 20)
    for _ in range(3):
        assert not answers(server)
    for client in open_ones:
        assert client.ask(b"version").startswith(b"VERSION")
    for client in open_ones:
        client.close()
    harness.wait_until(lambda: answers(server), "serves again once others have left")


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def cpu_s(server):
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text("ascii").split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not harness.IS_MINOS, reason="memcached takes this for its connection limit")
def test_out_of_descriptors(start_any):
    """Nobody new is accepted; whoever is there is served, at no cost but one line a second."""
    server = start_any("-t", 2)
    room = 10
    limit = descriptors(server) + room
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
    open_ones = [client for _ in range(room) if (client := connected(server))]
    assert len(open_ones) == room
    waiting = [server.client(timeout=5) for _ in range(20)]
    cpu_before = cpu_s(server)
    output_before = len(server.output().splitlines())
    seconds = 2
    time.sleep(seconds)
    assert cpu_s(server) - cpu_before < 0.2 * seconds
    complaints = server.output().splitlines()[output_before:]
    assert 1 <= len(complaints) <= seconds + 1, complaints
    for client in open_ones:
        assert client.ask(b"version").startswith(b"VERSION")
        client.close()
    for client in waiting[:room]:
        assert client.ask(b"version").startswith(b"VERSION")
    begin = time.monotonic()
    server.stop()
    assert time.monotonic() - begin < 2
    for client in waiting:
        client.close()


def test_item_size_limit(start):
    server = start("-I", "2m", "-m", 64, "-t", 2)
    with server.client(timeout=30) as client:
        value = pattern(b"k", 2 * MB - 1024)
        assert client.set(b"k", value) == b"STORED"
        assert client.get(b"k") == value
        assert client.set(b"k2", bytes(2 * MB + 1)).startswith(b"SERVER_ERROR object too large")
        assert client.get(b"k2") is None
        assert client.get(b"k") == value
        assert client.stats(b"settings")["item_size_max"] == str(2 * MB)


@pytest.mark.skipif(not harness.IS_MINOS, reason="memcached 1.6.18 does not start with -I 4k")
def test_small_item_size_limit(start_any):
    server = start_any("-I", "4k", "-m", 64)
    with server.client() as client:
        assert client.set(b"k", bytes(3000)) == b"STORED"
        assert client.set(b"k", bytes(5000)).startswith(b"SERVER_ERROR object too large")
        assert client.set(b"k", bytes(50)) == b"STORED"


@pytest.mark.parametrize("writer_count", [1, 100])
def test_full_memory_without_eviction(start, writer_count):
    server = start("-M", "-m", 32, "-t", 4)
    value = bytes(100_000)
    writers = [server.client(timeout=30) for _ in range(writer_count)]
    answers = [writers[i % len(writers)].set(b"k%d" % i, value) for i in range(600)]
    stored = [i for i, answer in enumerate(answers) if answer == b"STORED"]
    refused = {answer for answer in answers if answer != b"STORED"}
    assert refused == {b"SERVER_ERROR out of memory storing object"}
    assert len(stored) * len(value) > 16 * MB
    # What is left is too little for such a value; fill it to the last byte.
    for size in [4000, 100, 1]:
        for i in range(20_000):
            if writers[0].set(b"rest:%d:%d" % (size, i), bytes(size)) != b"STORED":
                break
        else:
            pytest.fail("never full")
    # Those who come now, to whatever worker, can read, and make room.
    latecomers = [server.client() for _ in range(100)]
    for i, client in enumerate(latecomers):
        assert client.ask(b"touch nothing 0") == b"NOT_FOUND"
        assert client.set(b"late%d" % i, value) == b"SERVER_ERROR out of memory storing object"
    for n, i in enumerate(stored):
        assert latecomers[n % len(latecomers)].get(b"k%d" % i) == value
    for n, i in enumerate(stored):
        assert latecomers[-1 - n % len(latecomers)].ask(b"delete k%d" % i) == b"DELETED"
    assert latecomers[0].stats()["evictions"] == "0"

    def room_again():
        return latecomers[1].set(b"again", value) == b"STORED"

    harness.wait_until(room_again, "memory of deleted items is used again")
    for client in writers + latecomers:
        client.close()


def test_full_memory_of_small_items_without_eviction(start):
    server = start("-M", "-m", 16, "-I", "1m", "-t", 2)
    with server.client(timeout=60) as client:
        count = 200_000
        out_of_memory = 0
        for begin in range(0, count, 1000):
            client.send(b"".join(b"set key:%d 0 0 100\r\n%s\r\n" % (i, b"v" * 100)
                                 for i in range(begin, begin + 1000)))
            answers = [client.line() for _ in range(1000)]
            assert set(answers) <= {b"STORED", b"SERVER_ERROR out of memory storing object"}
            out_of_memory += answers.count(b"SERVER_ERROR out of memory storing object")
        assert out_of_memory > 0
        assert client.get(b"key:0") == b"v" * 100


@pytest.mark.parametrize("size", [100, 4000, 60_000, 900_000])
def test_full_memory_with_eviction(start, size):
    limit = 64 * MB
    # What is not of the store: code, stacks, tables of connections and rings.
    empty = start("-m", 8, "-t", 2)
    other_bytes = empty.rss_bytes()
    empty.stop()
    server = start("-m", limit // MB, "-t", 2)
    total = 4 * limit if size > 1000 else limit * 3 // 2
    batch = max(1, 200_000 // size)
    with server.client(timeout=60) as client:
        for begin in range(0, total // size, batch):
            keys = [b"key:%d" % i for i in range(begin, begin + batch)]
            client.send(b"".join(b"set %s 0 0 %d\r\n%s\r\n" % (k, size, pattern(k, size))
                                 for k in keys))
            for key in keys:
                assert client.line() == b"STORED", key
            assert client.get(keys[-1]) == pattern(keys[-1], size)
        stats = client.stats()
        assert int(stats["evictions"]) > 0
        assert int(stats["bytes"]) <= limit
        assert int(stats["bytes"]) > limit * 0.5
    if harness.IS_MINOS and not harness.sanitized():
        assert server.rss_bytes() < limit * 1.05 + other_bytes


def test_mixed_sizes_in_full_memory(start):
    server = start("-m", 64, "-t", 2)
    sizes = [10, 900_000, 500, 20_000, 8192, 8193, 300_000]
    with server.client(timeout=60) as client:
        for i in range(3000):
            key = b"mix:%d" % i
            size = sizes[i % len(sizes)]
            assert client.set(key, pattern(key, size)) == b"STORED"
            if i % 3 == 0:
                assert client.get(key) == pattern(key, size)
        assert int(client.stats()["evictions"]) > 0


def test_stalled_large_sets_do_not_use_up_memory(start):
    """Reserved and never filled: others still find room, by eviction or by refusal."""
    server = start("-m", 64, "-t", 2)
    stalled = []
    for i in range(100):
        client = server.client(timeout=30)
        client.send(b"set s%d 0 0 1000000\r\nstart" % i)
        stalled.append(client)
    with server.client(timeout=30) as client:
        assert client.ask(b"version").startswith(b"VERSION")
        answer = client.set(b"k", b"v")
        assert answer in (b"STORED", b"SERVER_ERROR out of memory storing object")
    for client in stalled:
        client.close()

    def room_again():
        with server.client(timeout=30) as client:
            return client.set(b"k", bytes(900_000)) == b"STORED"

    harness.wait_until(room_again, "memory of broken sets is used again")


def test_unix_socket(folder, start_any):
    path = str(folder / "s.sock")
    server = start_any("-a", "700", unix_socket=path)
    with Client(path) as client:
        assert client.set(b"k", pattern(b"k", 900_000)) == b"STORED"
        assert client.get(b"k") == pattern(b"k", 900_000)
    assert (folder / "s.sock").stat().st_mode & 0o777 == 0o700
    server.stop()


@pytest.mark.skipif(os.geteuid() != 0 or harness.EXTRA_ARGS != [], reason="needs root")
@pytest.mark.parametrize("mode", ["0700", "0770"])
def test_unix_socket_is_the_users(folder, start_any, mode):
    folder.chmod(0o1777)  # files can be removed by their owner only
    path = folder / "s.sock"
    user = pwd.getpwnam("nobody")
    server = start_any("-a", mode, "-u", user.pw_name, unix_socket=str(path))
    status = path.stat()
    assert (status.st_uid, status.st_gid) == (user.pw_uid, user.pw_gid)
    assert status.st_mode & 0o777 == int(mode, 8)
    server.stop()
    assert not harness.IS_MINOS or not path.exists()


@pytest.mark.skipif(not harness.IS_MINOS, reason="memcached waits")
def test_unix_socket_that_is_too_busy_to_answer(folder):
    """A second server neither waits for it nor takes its place."""
    path = str(folder / "s.sock")
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(path)
        busy.listen(1)
        waiting = []
        with pytest.raises(BlockingIOError):
            while len(waiting) < 100:
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].setblocking(False)
                waiting[-1].connect(path)
        code, _, err = harness.run_to_end(*harness.user_args(), "-s", path)
        assert code != 0
        assert "in use" in err
        for one in waiting:
            one.close()


def test_idle_timeout(start_any):
    """After so long and soon after it, whatever others do; and not while something is asked."""
    seconds = 2
    server = start_any("-t", 1, "-o", f"idle_timeout={seconds}")
    with server.client() as busy:
        for _ in range(3):
            time.sleep(0.4)  # begin at different parts of a second
            with server.client() as client:
                begin = time.monotonic()
                assert client.ask(b"version").startswith(b"VERSION")
                client.socket.settimeout(0.05)
                while not client.closed_by_server():
                    assert time.monotonic() - begin < seconds + 4
                    assert busy.ask(b"version").startswith(b"VERSION")
                assert time.monotonic() - begin >= seconds
