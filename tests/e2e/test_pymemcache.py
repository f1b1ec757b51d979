"""pymemcache, as its users use it."""

import threading

import pytest
from pymemcache.client.base import Client, PooledClient
from pymemcache.client.hash import HashClient
from pymemcache.exceptions import MemcacheClientError, MemcacheServerError

import harness

pytestmark = pytest.mark.sanitized

BIG = 1024 * 1024 - 512  # the largest that memcached takes by default is just below 1 MB


@pytest.fixture(params=["plain", "pooled", "hash"])
def client(request, server):
    address = (harness.HOST, server.port)
    options = {"timeout": 20, "connect_timeout": 20, "no_delay": True}
    if request.param == "plain":
        one = Client(address, **options)
    elif request.param == "pooled":
        one = PooledClient(address, max_pool_size=4, **options)
    else:
        one = HashClient([address], use_pooling=True, **options)
    one.flush_all(noreply=False)
    yield one
    one.close()


def test_set_get_delete(client):
    assert client.get("absent") is None
    assert client.get("absent", default=b"x") == b"x"
    assert client.set("k", b"v", noreply=False) is True
    assert client.get("k") == b"v"
    assert client.set("k", b"", noreply=False) is True
    assert client.get("k") == b""
    assert client.delete("k", noreply=False) is True
    assert client.delete("k", noreply=False) is False
    assert client.get("k") is None


def test_add_replace_append_prepend(client):
    assert client.replace("k", b"1", noreply=False) is False
    assert client.append("k", b"1", noreply=False) is False
    assert client.prepend("k", b"1", noreply=False) is False
    assert client.add("k", b"b", noreply=False) is True
    assert client.add("k", b"x", noreply=False) is False
    assert client.append("k", b"c", noreply=False) is True
    assert client.prepend("k", b"a", noreply=False) is True
    assert client.get("k") == b"abc"
    assert client.replace("k", b"new", noreply=False) is True
    assert client.get("k") == b"new"


def test_cas(client):
    assert client.cas("k", b"v", b"1", noreply=False) is None
    client.set("k", b"v", noreply=False)
    value, token = client.gets("k")
    assert value == b"v"
    assert client.cas("k", b"w", token, noreply=False) is True
    assert client.cas("k", b"x", token, noreply=False) is False
    assert client.gets("k")[0] == b"w"
    assert client.gets("k")[1] != token
    assert client.gets("absent") == (None, None)


def test_incr_decr(client):
    assert client.incr("n", 1) is None
    client.set("n", b"9", noreply=False)
    assert client.incr("n", 1) == 10
    assert client.decr("n", 4) == 6
    assert client.decr("n", 100) == 0
    client.set("n", str(2**64 - 1).encode(), noreply=False)
    assert client.incr("n", 2) == 1
    client.set("n", b"text", noreply=False)
    with pytest.raises(MemcacheClientError):
        client.incr("n", 1)


def test_touch_and_expiry(client):
    assert client.touch("k", 10, noreply=False) is False
    client.set("k", b"v", noreply=False)
    assert client.touch("k", 100, noreply=False) is True
    assert client.get("k") == b"v"
    assert client.touch("k", -1, noreply=False) is True
    assert client.get("k") is None
    client.set("k", b"v", expire=-1, noreply=False)
    assert client.get("k") is None


def test_expires_after_a_second_or_two(server):
    client = Client((harness.HOST, server.port))
    client.set("short", b"v", expire=1, noreply=False)
    client.set("long", b"v", expire=100, noreply=False)
    harness.wait_until(lambda: client.get("short") is None, "expiry", 4)
    assert client.get("long") == b"v"
    client.close()


def test_flags(server):
    class Serde:
        def serialize(self, key, value):
            return value, 4321

        def deserialize(self, key, value, flags):
            return value, flags

    client = Client((harness.HOST, server.port), serde=Serde())
    client.set("k", b"v", noreply=False)
    assert client.get("k") == (b"v", 4321)
    client.close()


def test_many(client):
    values = {f"key:{i}": harness.pattern(f"key:{i}", i * 7) for i in range(500)}
    assert client.set_many(values, noreply=False) == []
    assert client.get_many(list(values) + ["absent"]) == values
    some = list(values)[:100]
    assert all(token for _, token in client.gets_many(some).values())
    client.delete_many(some, noreply=False)
    assert len(client.get_many(list(values))) == 400


def test_many_big(client):
    sizes = [0, 1, 8191, 8192, 8193, 65536, 500_000, BIG]
    values = {f"big:{size}": harness.pattern(f"big:{size}", size) for size in sizes}
    assert client.set_many(values, noreply=False) == []
    for _ in range(3):
        assert client.get_many(list(values)) == values


@pytest.mark.parametrize("size", [1, 1000, 8000, 16_384, 100_000, 1_000_000, BIG])
def test_sizes(client, size):
    value = harness.pattern("k", size)
    assert client.set("k", value, noreply=False) is True
    assert client.get("k") == value
    assert client.append("k", b"", noreply=False) is True
    assert client.get("k") == value


def test_too_large_is_refused(client):
    client.set("k", b"old", noreply=False)
    with pytest.raises(MemcacheServerError, match="object too large for cache"):
        client.set("k", bytes(2 * 1024 * 1024), noreply=False)
    client.set("other", b"v", noreply=False)
    assert client.get("other") == b"v"
    assert client.get("k") is None  # as memcached: a failed set leaves no stale value


def test_noreply(client):
    client.set("k", b"1", noreply=True)
    client.add("k2", b"a", noreply=True)
    client.append("k2", b"b", noreply=True)
    client.prepend("k2", b"c", noreply=True)
    client.replace("k2", b"d", noreply=True)
    client.incr("k", 5, noreply=True)
    client.touch("k", 100, noreply=True)
    client.delete("absent", noreply=True)
    client.set("big", harness.pattern("big", BIG), noreply=True)
    # The pool may use another connection, so the last effect may show a little later.
    harness.wait_until(lambda: client.get("k") == b"6", "incr")
    harness.wait_until(lambda: client.get("k2") == b"d", "replace")
    harness.wait_until(lambda: client.get("big") == harness.pattern("big", BIG), "set")


def test_flush_all(client):
    client.set("k", b"v", noreply=False)
    client.flush_all(noreply=False)
    assert client.get("k") is None
    client.set("k", b"w", noreply=False)
    assert client.get("k") == b"w"


def test_stats_and_version(server):
    client = Client((harness.HOST, server.port))
    stats = client.stats()
    for name in [b"pid", b"uptime", b"curr_items", b"total_items", b"bytes", b"curr_connections",
                 b"cmd_get", b"cmd_set", b"get_hits", b"get_misses", b"evictions", b"threads",
                 b"limit_maxbytes", b"version"]:
        assert name in stats, stats
    assert stats[b"pid"] == server.process.pid
    gets = stats[b"cmd_get"]
    client.get("absent-from-stats")
    assert client.stats()[b"cmd_get"] == gets + 1
    assert client.version()
    client.close()


def test_gat(server):
    with server.client() as raw:
        assert raw.set(b"g", b"v", flags=3) == b"STORED"
        raw.send(b"gat 100 g\r\n")
        assert raw.read_value() == b"v"
        assert raw.ask(b"gats 100 g").startswith(b"VALUE g 3 1 ")
        assert (raw.line(), raw.line()) == (b"v", b"END")
        raw.send(b"gat -1 g\r\n")
        assert raw.read_value() == b"v"
        assert raw.get(b"g") is None
        assert raw.ask(b"gat 1 absent") == b"END"


def test_bad_keys_do_not_break_the_connection(server):
    with server.client() as raw:
        assert raw.ask(b"get " + b"k" * 251).startswith(b"CLIENT_ERROR")
        assert raw.set(b"k" * 250, b"v") == b"STORED"
        assert raw.get(b"k" * 250) == b"v"
        assert raw.ask(b"delete " + b"k" * 250) == b"DELETED"
        assert raw.ask(b"nonsense") == b"ERROR"
        assert raw.ask(b"version").startswith(b"VERSION ")


def test_threads_share_a_pool(server):
    client = PooledClient((harness.HOST, server.port), max_pool_size=8, timeout=20)
    client.set("counter", b"0", noreply=False)
    each = 300

    def work():
        for _ in range(each):
            client.incr("counter", 1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("counter") == str(8 * each).encode()
    client.close()
