"""pylibmc, that is libmemcached, as its users use it."""

import pylibmc
import pytest

import harness

pytestmark = pytest.mark.sanitized

BIG = 1_000_000


@pytest.fixture(params=[{}, {"tcp_nodelay": True, "cas": True}, {"no_block": True}],
                ids=["plain", "nodelay-cas", "no-block"])
def client(request, server):
    one = pylibmc.Client([f"{harness.HOST}:{server.port}"], behaviors=request.param)
    one.flush_all()
    yield one
    one.disconnect_all()


def test_set_get_delete(client):
    assert client.get("absent") is None
    assert client.set("k", "text")
    assert client.get("k") == "text"
    assert client.set("k", {"a": [1, 2, 3]})
    assert client.get("k") == {"a": [1, 2, 3]}
    assert client.delete("k")
    assert not client.delete("k")


def test_add_replace_append_prepend(client):
    assert not client.replace("k", "1")
    assert client.add("k", b"b")
    assert not client.add("k", b"x")
    assert client.append("k", b"c")
    assert client.prepend("k", b"a")
    assert client.get("k") == b"abc"
    assert client.replace("k", b"new")
    assert client.get("k") == b"new"


def test_incr_decr(client):
    with pytest.raises(pylibmc.NotFound):
        client.incr("n")
    client.set("n", 10)
    assert client.incr("n", 5) == 15
    assert client.decr("n", 20) == 0
    client.set_multi({"n1": 1, "n2": 2})
    client.incr_multi(["n1", "n2"], delta=10)
    assert client.get_multi(["n1", "n2"]) == {"n1": 11, "n2": 12}


def test_cas(server):
    client = pylibmc.Client([f"{harness.HOST}:{server.port}"], behaviors={"cas": True})
    client.set("k", "v")
    value, token = client.gets("k")
    assert value == "v"
    assert client.cas("k", "w", token)
    assert not client.cas("k", "x", token)
    assert client.get("k") == "w"
    client.disconnect_all()


def test_touch(client):
    assert not client.touch("k", 10)
    client.set("k", "v")
    assert client.touch("k", 100)
    assert client.get("k") == "v"


@pytest.mark.parametrize("compress", [0, 100], ids=["plain", "compressed"])
@pytest.mark.parametrize("size", [0, 1, 5000, 20_000, 300_000, BIG])
def test_sizes(client, compress, size):
    value = harness.pattern("k", size)
    assert client.set("k", value, min_compress_len=compress)
    assert client.get("k") == value


@pytest.mark.parametrize("compress", [0, 100], ids=["plain", "compressed"])
def test_multi(client, compress):
    values = {f"key:{i}": harness.pattern(f"key:{i}", i * i) for i in range(300)}
    values["big"] = harness.pattern("big", BIG)
    assert client.set_multi(values, min_compress_len=compress) == []
    assert client.get_multi(list(values) + ["absent"]) == values
    assert client.set_multi({"a": 1, "b": 2}, key_prefix="p:") == []
    assert client.get_multi(["a", "b"], key_prefix="p:") == {"a": 1, "b": 2}
    assert client.delete_multi(list(values))
    assert client.get_multi(list(values)) == {}


def test_flush_and_stats(client):
    client.set("k", "v")
    assert client.flush_all()
    assert client.get("k") is None
    (_, stats), = client.get_stats()
    assert {"pid", "curr_items", "version"} <= {
        name.decode() if isinstance(name, bytes) else name for name in stats}


def test_two_servers(server, start_any):
    other = start_any("-t", 2)
    both = pylibmc.Client([f"{harness.HOST}:{server.port}", f"{harness.HOST}:{other.port}"],
                          behaviors={"ketama": True})
    values = {f"two:{i}": i for i in range(200)}
    assert both.set_multi(values) == []
    assert both.get_multi(list(values)) == values
    both.disconnect_all()
