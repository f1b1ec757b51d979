"""Several processes of clients with small and large values at once; every byte read is checked."""

import hashlib
import multiprocessing
import random
import time
import traceback

import pytest

import harness
from harness import Client

pytestmark = pytest.mark.sanitized

SECONDS = 3
PROCESSES = 4
KEYS = 300
SMALL = [1, 10, 100, 1000, 4000, 8192, 8193]
LARGE = [20_000, 100_000, 500_000, 1_000_000]
DIGEST = 16


def make_value(rng, size):
    """Random bytes that end in their own digest; a value too short for that is one letter."""
    if size <= DIGEST:
        return b"x" * size
    body = rng.randbytes(size - DIGEST)
    return body + hashlib.blake2b(body, digest_size=DIGEST).digest()


def whole(value):
    if len(value) <= DIGEST:
        return value == b"x" * len(value)
    return hashlib.blake2b(value[:-DIGEST], digest_size=DIGEST).digest() == value[-DIGEST:]


def one_round(client, rng, values):
    """A pipeline of a few requests on keys that all processes share."""
    expected = []
    request = []
    for _ in range(rng.randint(1, 8)):
        key = b"stress:%d" % rng.randrange(KEYS)
        kind = rng.random()
        if kind < 0.45:
            request.append(b"get %s\r\n" % key)
            expected.append("get")
        elif kind < 0.9:
            value = rng.choice(values)
            request.append(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value))
            expected.append("set")
        elif kind < 0.95:
            request.append(b"delete %s\r\n" % key)
            expected.append("delete")
        else:
            request.append(b"incr stress:counter 1\r\n")
            expected.append("incr")
    client.send(b"".join(request))
    reads = 0
    for kind in expected:
        if kind == "get":
            value = client.read_value()
            assert value is None or whole(value), f"{len(value)} bytes, not whole"
            reads += value is not None
        elif kind == "set":
            assert client.line() == b"STORED"
        elif kind == "delete":
            assert client.line() in (b"DELETED", b"NOT_FOUND")
        else:
            assert client.line().isdigit()
    return reads, expected.count("incr")


def run_client(address, seed, results):
    try:
        rng = random.Random(seed)
        values = [make_value(rng, size) for size in SMALL * 6 + LARGE]
        reads = increments = 0
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            with Client(address, timeout=30) as client:
                # Small receive buffers now and then, so that replies wait for their reader.
                for _ in range(50):
                    r, i = one_round(client, rng, values)
                    reads += r
                    increments += i
        results.put((reads, increments, None))
    except BaseException:
        results.put((0, 0, f"seed {seed}: {traceback.format_exc()}"))


@pytest.mark.parametrize("megabytes", [512, 48], ids=["roomy", "evicting"])
def test_mixed_load(start, policy, megabytes):
    server = start("-t", 2, "-m", megabytes)
    with server.client() as client:
        assert client.set(b"stress:counter", b"0") == b"STORED"
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=run_client, args=(server.address, 1000 + i, results))
                 for i in range(PROCESSES)]
    for process in processes:
        process.start()
    outcomes = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert not [error for *_, error in outcomes if error]
    assert sum(reads for reads, *_ in outcomes) > 100
    with server.client() as client:
        counter = client.get(b"stress:counter")
        if megabytes == 512:
            assert int(counter) == sum(increments for _, increments, _ in outcomes)
        assert int(client.stats()["curr_connections"]) < 20
