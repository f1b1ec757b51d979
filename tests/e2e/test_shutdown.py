"""Ends the server while connections move between its workers."""

import contextlib
import random
import selectors
import socket
import threading
import time

import pytest

import harness

pytestmark = pytest.mark.sanitized

ROUNDS = 3 if harness.sanitized() else 10
CONNECTIONS = 64
SMALL = 100
LARGE = 60_000


def pipeline(rng):
    """Gets and sets of small values, and a few of large ones."""
    parts = []
    for _ in range(40):
        large = rng.random() < 0.3
        key = b"%s%d" % (b"large" if large else b"small", rng.randrange(20))
        if rng.random() < 0.7:
            parts.append(b"get %s\r\n" % key)
        else:
            size = LARGE if large else SMALL
            parts.append(b"set %s 0 0 %d\r\n%s\r\n" % (key, size, bytes(size)))
    return b"".join(parts)


def keep_busy(address, stop, seed):
    """Sends pipelines on many connections, and reads whatever comes, until the server is gone. A
    quarter of them takes its turn at a time, so that some workers have much to do, others nothing.
    """
    rng = random.Random(seed)
    pipelines = [pipeline(rng) for _ in range(8)]
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as opened:
        unsent = {}
        for _ in range(CONNECTIONS):
            one = opened.enter_context(socket.create_connection(address))
            one.setblocking(False)
            selector.register(one, selectors.EVENT_READ)
            unsent[one] = b""

        def advance(one, receive):
            try:
                if receive:
                    while one.recv(1 << 20):
                        pass
                    raise ConnectionError
                unsent[one] = unsent[one] or rng.choice(pipelines)
                unsent[one] = unsent[one][one.send(unsent[one]):]
            except BlockingIOError:
                pass
            except OSError:
                selector.unregister(one)
                del unsent[one]

        while unsent and not stop.is_set():
            turn = int(time.monotonic() * 100) % 4
            for one in list(unsent)[turn::4]:
                advance(one, receive=False)
            for key, _ in selector.select(0.002):
                advance(key.fileobj, receive=True)


@pytest.mark.skipif(not harness.IS_MINOS, reason="memcached moves no connections")
@pytest.mark.parametrize("policy", ["size-aware", "elastic", "software-handoff", "work-stealing"])
def test_ends_well_in_the_middle_of_hand_offs(policy):
    rng = random.Random(1)
    hand_offs = 0
    for number in range(ROUNDS):
        server = harness.Server(["-t", 4, f"--sharding={policy}", "--epoch-ms=10",
                                 "--large-percentile=60", "--busy-poll-us=100"])
        stop = threading.Event()
        clients = threading.Thread(target=keep_busy, args=(server.address, stop, number))
        try:
            server.wait_ready()
            clients.start()
            time.sleep(rng.uniform(0.1, 0.5))
            with contextlib.suppress(TimeoutError), \
                    server.client(timeout=5 if harness.sanitized() else 1) as client:
                stats = client.stats(b"minos")
                hand_offs += sum(int(value) for name, value in stats.items()
                                 if name.endswith(":hand_offs_out"))
            server.stop()
        finally:
            server.kill()
            stop.set()
            if clients.ident is not None:
                clients.join()
    assert hand_offs > 0
