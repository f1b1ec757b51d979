#!/usr/bin/env python3
"""Measures what a flood of bad datagrams does to a server over kernel UDP and to its clients.

Slices of an honest open-loop load alone, beside bench/udp_flood.cc, and beside the same flood to
sockets that nobody reads alternate: the flood has to share a CPU with the honest client, and the
last tells what that costs. Then the flood goes as fast as it can for --seconds. Reported are the
honest p99, what the server counted and for which reason, its memory before and after, and what the
flood drew in reply.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys

import side_by_side
from side_by_side import Client, Progress, Server

BUILT = os.path.join(side_by_side.ROOT, "build/release")
QUEUES = 4
KEYS = ["--keys=10000", "--large-keys=20", "--large-percent=0.125", "--large-max=500000"]
COUNTERS = ("datagrams", "datagrams_foreign", "datagrams_malformed", "datagrams_other_version",
            "unproven_addresses", "datagrams_dropped", "replies_dropped")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--client-cpu", type=int, default=1)
    parser.add_argument("--rate", type=int, default=20_000, help="honest requests/s")
    parser.add_argument("--flood", type=int, default=50_000, help="bad datagrams/s in a slice")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--slice-s", type=float, default=2)
    parser.add_argument("--seconds", type=float, default=60, help="of flood at full rate")
    return parser.parse_args()


def stats(port):
    """Sums over cores of the counters named above."""
    out = dict.fromkeys(COUNTERS, 0)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"stats minos\r\nquit\r\n")
        text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[1].startswith("core:"):
            name = words[1].split(":")[2]
            if name in out:
                out[name] += int(words[2])
    return out


def resident_kib(process):
    with open(f"/proc/{process.pid}/smaps_rollup", encoding="ascii") as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Rss"))


def unread_sockets():
    """As many sockets on ports in a row as the server has."""
    while True:
        base = side_by_side.free_port()
        sockets = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(QUEUES)]
        try:
            for i, each in enumerate(sockets):
                each.bind(("127.0.0.1", base + i))
            return base, sockets
        except OSError:
            pass


def flood(plan, port, per_s, seconds):
    # At a given rate it leaves the CPU to the honest client whenever that wants it.
    idle = ["chrt", "--idle", "0"] if per_s else []
    command = ["taskset", "-c", str(plan.client_cpu), *idle, f"{BUILT}/minos_udp_flood",
               "127.0.0.1", str(port), str(QUEUES), str(per_s), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finished(process):
    return json.loads(process.communicate()[0])


def honest(plan, client, server):
    report = client.load(server, f"--rate={plan.rate}", "--no-preload", "--get-ratio=1",
                         "--warmup=0.3", f"--duration={plan.slice_s}", "--sleep", *KEYS)
    return report["slices"]["p99_us"], report["unanswered"]


def measure(plan, client, server, tcp_port):
    progress = Progress(plan.rounds + 2)
    progress.step("preload")
    client.load(server, "--preload-only", *KEYS)
    rows, drawn = [], []
    nobody, _sockets = unread_sockets()
    before = resident_kib(server.process), stats(tcp_port)
    for number in range(plan.rounds):
        progress.step(f"round {number + 1}")
        again, alone = honest(plan, client, server), honest(plan, client, server)
        bad = flood(plan, server.port, plan.flood, plan.slice_s + 1)
        beside = honest(plan, client, server)
        drawn.append(finished(bad))
        bad = flood(plan, nobody, plan.flood, plan.slice_s + 1)
        elsewhere = honest(plan, client, server)
        finished(bad)
        rows.append((alone, again, beside, elsewhere))
    progress.step(f"full rate for {plan.seconds} s")
    full = finished(flood(plan, server.port, 0, plan.seconds))
    after = resident_kib(server.process), stats(tcp_port)
    return rows, drawn, full, before, after


def report(plan, rows, drawn, full, before, after):
    def middle(index):
        return statistics.median(row[index][0] for row in rows)
    def ratio(index, base):
        return statistics.median(row[index][0] / row[base][0] for row in rows)
    paced = sum(each["sent"] for each in drawn) / sum(each["seconds"] for each in drawn)
    print(f"honest p99 of small requests, {plan.rate} requests/s: alone {middle(0):.0f} µs, again "
          f"{middle(1):.0f} µs ({ratio(1, 0):.2f}), beside {paced:,.0f} bad datagrams/s "
          f"{middle(2):.0f} µs ({ratio(2, 0):.2f}), beside as many to sockets that nobody reads "
          f"{middle(3):.0f} µs ({ratio(3, 0):.2f}); with to without the server's part "
          f"{ratio(2, 3):.2f}; unanswered {sum(row[2][1] for row in rows)}")
    print(f"full rate: {full['sent'] / full['seconds']:,.0f} datagrams/s for {full['seconds']} s, "
          f"{full['received']:,} replies; bytes drawn / bytes sent "
          f"{full['received_bytes'] / full['sent_bytes']:.3f}")
    print(f"resident: {before[0]:,} KiB before, {after[0]:,} KiB after")
    for name in COUNTERS:
        print(f"  {name}: {after[1][name] - before[1][name]:,}")


def main():
    plan = parse_arguments()
    client = Client(f"{BUILT}/minos", plan.client_cpu, plan.server_cpu)
    tcp_port = side_by_side.free_port()
    server = Server("minosd", [f"{BUILT}/minosd", "--transport=tcp,udp", f"--port={tcp_port}",
                               "--datagram-port={port}", "-t", "1", f"--rx-queues={QUEUES}",
                               "-m", "512", f"--cores={plan.server_cpu}"], plan.server_cpu, "udp")
    try:
        report(plan, *measure(plan, client, server, tcp_port))
    finally:
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
