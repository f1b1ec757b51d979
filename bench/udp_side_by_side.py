#!/usr/bin/env python3
"""Measures minosd's server CPU per GET over the kernel's UDP beside a bare echo.

The echo (bench/udp_echo.cc) answers every datagram with a reply of that size and does nothing
else: what it costs is the kernel's share. All servers are up at once on the server CPU; one at a
time is loaded, from the client CPU, in short slices that alternate. A ratio is the median over the
rounds of the ratio within a round; a second minosd is the control.
"""

import argparse
import os
import statistics
import sys

import side_by_side
from side_by_side import Client, Progress, Server, in_turn

BUILT = os.path.join(side_by_side.ROOT, "build/release")
VALUE_BYTES = 64
KEYS = ["--keys=10000", "--large-percent=0", f"--value-bytes={VALUE_BYTES}"]
DEPTHS = (1, 8, 32)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--client-cpu", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--slice-s", type=float, default=0.5)
    parser.add_argument("--connections", type=int, default=4)
    return parser.parse_args()


def start(plan):
    minosd = [f"{BUILT}/minosd", "--transport=udp", "--datagram-port={port}", "-t", "1",
              "-m", "256", f"--cores={plan.server_cpu}"]
    commands = [("minosd", minosd), ("minosd again", minosd),
                ("echo", [f"{BUILT}/minos_udp_echo", "{port}", str(VALUE_BYTES), "plain"]),
                ("echo, trains", [f"{BUILT}/minos_udp_echo", "{port}", str(VALUE_BYTES), "trains"])]
    return [Server(name, command, plan.server_cpu, "udp", name.startswith("minosd"))
            for name, command in commands]


def measure(plan, client, servers, progress):
    """{depth: {server: [(us of CPU per request, requests/s)]}}"""
    out = {}
    for depth in DEPTHS:
        out[depth] = {server.name: [] for server in servers}
        for number in range(plan.rounds):
            progress.step(f"depth {depth}, round {number + 1}")
            for server in in_turn(servers, number):
                report = client.load(server, "--closed", f"--depth={depth}",
                                     f"--connections={plan.connections}", "--no-preload",
                                     "--get-ratio=1", "--warmup=0", f"--duration={plan.slice_s}",
                                     *KEYS)
                requests = report["issued"]
                out[depth][server.name].append((report["server_cpu_s"] / requests * 1e6,
                                                report["achieved_per_s"]))
    return out


def print_table(measured):
    print("| depth | server | µs CPU a request | ÷ the cheaper echo | requests/s | ÷ that echo's |")
    print("|---:|---|---:|---:|---:|---:|")
    for depth, servers in measured.items():
        echoes = {name: statistics.median(us for us, _ in runs)
                  for name, runs in servers.items() if name.startswith("echo")}
        best = min(echoes, key=echoes.get)
        for name, runs in servers.items():
            cost = statistics.median(a[0] / b[0] for a, b in zip(runs, servers[best]))
            rate = statistics.median(a[1] / b[1] for a, b in zip(runs, servers[best]))
            cpu_us = statistics.median(us for us, _ in runs)
            per_s = statistics.median(per_s for _, per_s in runs)
            print(f"| {depth} | {name} | {cpu_us:.2f} | {cost:.2f} | {per_s:,.0f} | {rate:.2f} |")


def main():
    plan = parse_arguments()
    client = Client(f"{BUILT}/minos", plan.client_cpu, plan.server_cpu)
    servers = start(plan)
    try:
        progress = Progress(len(DEPTHS) * plan.rounds + 1)
        progress.step("preload")
        for server in servers:
            if server.stores:
                client.load(server, "--preload-only", *KEYS)
        print_table(measure(plan, client, servers, progress))
    finally:
        for server in servers:
            server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
