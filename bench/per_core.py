#!/usr/bin/env python3
"""Shows what every core did under each policy: requests, datagrams, hand-offs, large replies.

Each policy has a server over kernel UDP with --threads workers and as many RX queues, which gets
the same seeded requests. The figures are counts, so that they hold on a machine with fewer CPUs
than workers too, where times would say nothing.
"""

import argparse
import os
import socket
import sys

import side_by_side
from side_by_side import Client, Progress, Server

BUILT = os.path.join(side_by_side.ROOT, "build/release")
POLICIES = ("elastic", "size-aware", "key-hash", "software-handoff", "work-stealing")
COLUMNS = ("role", "datagrams", "requests", "hand_offs_out", "hand_offs_in", "stolen", "quanta",
           "large_requests")
KEYS = ["--keys=100000", "--large-keys=200", "--large-max=500000"]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--large-percent", type=float, default=0.75)
    parser.add_argument("--rate", type=int, default=20_000, help="requests/s")
    parser.add_argument("--seconds", type=float, default=5)
    return parser.parse_args()


def stats(port):
    """{core: {name: value}}"""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"stats minos\r\nquit\r\n")
        text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    cores = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[1].startswith("core:"):
            _, core, name = words[1].split(":", 2)
            cores.setdefault(int(core), {})[name] = words[2]
    return cores


def difference(after, before, name):
    if name not in after:
        return "-"
    if not after[name].isdigit():
        return after[name]
    return f"{int(after[name]) - int(before.get(name, 0)):,}"


def main():
    plan = parse_arguments()
    client = Client(f"{BUILT}/minos", 0, 1)
    client.base = client.base[3:]  # the CPUs are everybody's
    client.base = [word for word in client.base if not word.startswith("--cpus")]
    progress = Progress(len(POLICIES))
    header = "| policy | core | " + " | ".join(COLUMNS).replace("_", " ") + " |"
    print(header + "\n|---|---:|" + "---:|" * len(COLUMNS))
    for policy in POLICIES:
        progress.step(policy)
        tcp_port = side_by_side.free_port()
        server = Server(policy, [f"{BUILT}/minosd", "--transport=tcp,udp", f"--port={tcp_port}",
                                 "--datagram-port={port}", "-t", str(plan.threads),
                                 f"--rx-queues={plan.threads}", "-m", "1g",
                                 f"--sharding={policy}"], "0,1", "udp")
        try:
            load = [*KEYS, f"--large-percent={plan.large_percent}"]
            client.load(server, "--preload-only", *load)
            before = stats(tcp_port)
            report = client.load(server, "--no-preload", f"--rate={plan.rate}", "--sleep",
                                 f"--duration={plan.seconds}", "--verify", *load)
            after = stats(tcp_port)
        finally:
            server.stop()
        wrong = report["classes"]["all"]["wrong"] + report["unanswered"]
        if wrong:
            side_by_side.fail(f"{policy}: {wrong} requests wrong or unanswered")
        for core, counted in sorted(after.items()):
            values = [difference(counted, before[core], name) for name in COLUMNS]
            print(f"| {policy} | {core} | " + " | ".join(values) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
