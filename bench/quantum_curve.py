#!/usr/bin/env python3
"""What a quantum of large work costs and buys.

One minosd per quantum, one with key-hash sharding, which sends every large value at once, and
memcached, all on the server CPU, loaded in turn in short slices: small requests only, then the mix.
Prints a Markdown table; ratios are medians over the rounds of the ratio within a round.
"""

import argparse
import os
import statistics

import side_by_side as bench

QUANTA_KIB = (16, 32, 48, 64, 96, 128, 256, 512)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minosd", default=os.path.join(bench.ROOT, "build/release/minosd"))
    parser.add_argument("--minos", default=os.path.join(bench.ROOT, "build/release/minos"))
    parser.add_argument("--memcached", default="memcached")
    parser.add_argument("--rate", type=float, default=90000, help="requests/s (90000)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.2, help="per slice (1.2)")
    parser.add_argument("--large-percent", default="0.75")
    parser.add_argument("--large-max", default="500000")
    parser.add_argument("--get-ratio", default="0.95")
    return parser.parse_args()


def start(plan):
    root = ["-u", "nobody"] if os.geteuid() == 0 else []
    common = [plan.minosd, *root, "-p", "{port}", "-t", "1", "-m", "1024", "--cores=0"]
    memcached = [plan.memcached, *root, "-p", "{port}", "-t", "1", "-m", "1024", "-U", "0"]
    servers = [bench.Server("memcached", memcached + ["-l", "127.0.0.1"], 0),
               bench.Server("key-hash", common + ["--sharding=key-hash"], 0)]
    for kib in QUANTA_KIB:
        servers.append(bench.Server(f"{kib} KiB", common + [f"--quantum-bytes={kib}k"], 0))
    return servers


def measure(plan, client, servers):
    """{name: [(report of small requests only, report of the mix) per round]}"""
    mix = bench.MIXED + [f"--large-max={plan.large_max}", f"--get-ratio={plan.get_ratio}"]
    data = [option for option in mix if not option.startswith("--spread")]
    large = f"--large-percent={plan.large_percent}"
    pace = [f"--rate={plan.rate}", f"--duration={plan.seconds}", "--warmup=0.1", "--no-preload",
            "--slice-ms=10", "--kernel-times"]
    samples = {server.name: [] for server in servers}
    for server in servers:
        server.wait_until_up()
        client.load(server, *data, large, "--preload-only")
    for round_number in range(plan.rounds):
        for server in bench.in_turn(servers, round_number):
            small = client.load(server, *mix, *pace, "--large-percent=0")
            samples[server.name].append((small, client.load(server, *mix, *pace, large)))
    return samples


def median(values):
    return statistics.median(values)


def row(name, runs, base):
    p99 = lambda run: run["slices"]["p99_us"]
    kernel = lambda run: run["slices"]["kernel_p99_us"]
    large = lambda run: run["classes"]["large"]["p50_us"]
    large_p99 = lambda run: run["classes"]["large"]["p99_us"]
    cpu = lambda run: 1e6 * run["server_cpu_s"] / run["classes"]["all"]["count"]
    mixed = [run for _, run in runs]
    others = [run for _, run in base]
    cells = [
        f"{median(map(p99, mixed)):.1f}",
        f"{median(p99(run) / p99(small) for small, run in runs):.2f}",
        f"{median(map(kernel, mixed)):.1f}",
        f"{median(kernel(run) / kernel(small) for small, run in runs):.2f}",
        f"{median(map(large, mixed)):.0f}",
        f"{median(large(run) / large(other) for run, other in zip(mixed, others)):.2f}",
        f"{median(large_p99(run) / large_p99(other) for run, other in zip(mixed, others)):.2f}",
        f"{median(cpu(run) / cpu(other) for run, other in zip(mixed, others)):.2f}",
    ]
    return f"| {name} | " + " | ".join(cells) + " |"


def main():
    plan = arguments()
    client = bench.Client(plan.minos, 1, 0)
    servers = []
    try:
        servers = start(plan)
        samples = measure(plan, client, servers)
    finally:
        for server in servers:
            server.stop()
    print(f"{plan.rate:.0f} requests/s, {plan.large_percent} % large of up to {plan.large_max} "
          f"bytes, GET {plan.get_ratio}, {plan.rounds} rounds of {plan.seconds} s; small p99: "
          "median over slices of 10 ms\n")
    print("| quantum | small p99 µs | ÷ small only | without the client µs | ÷ small only "
          "| large p50 µs | ÷ memcached | large p99 ÷ memcached | CPU/request ÷ memcached |")
    print("| --- |" + " ---: |" * 8)
    for name, runs in samples.items():
        print(row(name, runs, samples["memcached"]))


if __name__ == "__main__":
    main()
