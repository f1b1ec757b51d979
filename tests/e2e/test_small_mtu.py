"""Kernel UDP over a path whose packets are smaller than the server's datagrams."""

import random

import pytest

import datagrams
import harness
import network
from test_xdp import MINOS, PORT, TARGET, client_of, minos

VALUE = random.Random(1400).randbytes(200_000)


@pytest.fixture(name="net")
def _net():
    if not harness.IS_MINOS:
        pytest.skip("a protocol of its own")
    if reason := network.why_missing():
        pytest.skip(reason)
    with network.veth(1, mtu=1400) as net:
        server = harness.Server(["--transport=udp", f"--datagram-port={PORT}", "-t", "1",
                                 "-l", "0.0.0.0", "-p", "0"], listen=False, prefix=net.in_server())
        try:
            harness.wait_until(lambda: "udp:" in server.output(), "it serves")
            yield net
            server.stop()
        finally:
            server.kill()


def batches(client):
    """System calls that sent something."""
    return int(client.stats(b"minos")["plane:0:batches_out"])


def test_large_values_reach_every_client(net):
    with client_of(net, 1) as client, \
            net.call(net.server, datagrams.Client, "127.0.0.1", PORT) as near:
        assert client.set(b"big", VALUE) == "ok"
        for _ in range(3):
            assert client.get(b"big") == VALUE
        # From here on the server knows better than to ask the kernel for trains to that client,
        # and goes on asking for them to others.
        for one in (client, near, client, near):
            one.retries = 0
            before = batches(one)
            assert one.get(b"big") == VALUE
            assert batches(one) - before < 40
            assert one.retries == 0


@pytest.mark.skipif(not MINOS.exists(), reason="the tool is not built")
def test_by_the_tool(net):
    minos(net, "set", "big", "-", TARGET, stdin=VALUE)
    assert minos(net, "get", "big", TARGET) == VALUE
