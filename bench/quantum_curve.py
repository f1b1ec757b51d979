#!/usr/bin/env python3
"""What a quantum of large work costs and buys.

One minosd per quantum, all on the server CPU, loaded in turn in short slices with the same mix.
Prints a Markdown table of small p99, large p50 and server CPU, each with the median over rounds of
the ratio to the same round's key-hash server, which sends every large value at once.
"""

import argparse
import os
import statistics

import side_by_side as bench

QUANTA_KIB = (16, 32, 64, 128, 256, 512, 1024)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minosd", default=os.path.join(bench.ROOT, "build/release/minosd"))
    parser.add_argument("--minos", default=os.path.join(bench.ROOT, "build/release/minos"))
    parser.add_argument("--rate", type=float, default=60000, help="requests/s (60000)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.5, help="per slice (1.5)")
    parser.add_argument("--large-percent", default="0.75")
    parser.add_argument("--large-max", default="500000")
    parser.add_argument("--get-ratio", default="0.95")
    return parser.parse_args()


def main():
    plan = arguments()
    common = [plan.minosd, "-p", "{port}", "-t", "1", "-m", "1024", "--cores=0", "--epoch-ms=200"]
    servers = [bench.Server("key-hash", common + ["--sharding=key-hash"], 0)]
    for kib in QUANTA_KIB:
        flags = ["--sharding=elastic", f"--quantum-bytes={kib}k"]
        servers.append(bench.Server(f"{kib} KiB", common + flags, 0))
    client = bench.Client(plan.minos, 1, 0)
    mix = bench.MIXED + [f"--large-max={plan.large_max}", f"--large-percent={plan.large_percent}"]
    data = [option for option in mix if not option.startswith("--spread")]
    samples = {server.name: [] for server in servers}
    try:
        for server in servers:
            server.wait_until_up()
            client.load(server, *data, "--preload-only")
        for round_number in range(plan.rounds):
            for server in bench.in_turn(servers, round_number):
                run = client.load(server, *mix, "--no-preload", f"--rate={plan.rate}",
                                  f"--duration={plan.seconds}", "--warmup=0",
                                  f"--get-ratio={plan.get_ratio}")
                samples[server.name].append({
                    "small p99 µs": run["slices"]["p99_us"],
                    "small p50 µs": run["slices"]["p50_us"],
                    "large p50 µs": run["classes"]["large"]["p50_us"],
                    "large p99 µs": run["classes"]["large"]["p99_us"],
                    "CPU µs/request": 1e6 * run["server_cpu_s"] / run["classes"]["all"]["count"],
                })
    finally:
        for server in servers:
            server.stop()
    columns = list(samples["key-hash"][0])
    print(f"{plan.rate:.0f} requests/s, {plan.large_percent} % large of up to "
          f"{plan.large_max} bytes, GET {plan.get_ratio}, {plan.rounds} rounds of "
          f"{plan.seconds} s\n")
    print("| quantum | " + " | ".join(f"{c} | ÷ key-hash" for c in columns) + " |")
    print("| --- |" + " ---: | ---: |" * len(columns))
    for name, runs in samples.items():
        cells = []
        for column in columns:
            ratio = [run[column] / base[column] for run, base in zip(runs, samples["key-hash"])]
            cells.append(f"{statistics.median(run[column] for run in runs):.1f}")
            cells.append(f"{statistics.median(ratio):.2f}")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
