#!/usr/bin/env python3
"""Measures tails over DPDK vhost: the policies side by side, at shares of what key-hash can do.

Every policy has a minosd of its own on the server CPU, of which all but one are stopped (SIGSTOP):
a data plane that polls leaves nothing to others. One client loads one at a time, open loop, in
rounds that alternate. The p99 is that of slices of a millisecond, median over slices: what pauses
of the machine do to a run, they do to some slices of it. A ratio is the median over the rounds of
the ratio within a round; a second key-hash is the control.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import side_by_side
from side_by_side import Progress, in_turn

BUILT = os.path.join(side_by_side.ROOT, "build/release")
QUEUES = 4
# Name, arguments. The first is what others are compared with, the second its control.
POLICIES = [("key-hash", ["--sharding=key-hash"]), ("key-hash again", ["--sharding=key-hash"]),
            ("elastic", ["--sharding=elastic"])]
TWO_THREADS = ("size-aware, 2 threads", ["--sharding=size-aware", "-t", "2"])


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--client-cpu", type=int, default=1)
    parser.add_argument("--large-percent", type=float, default=0.75)
    parser.add_argument("--large-max", type=int, default=500_000)
    parser.add_argument("--large-keys", type=int, default=400)
    parser.add_argument("--keys", type=int, default=200_000)
    parser.add_argument("--shares", default="0.6,0.8", help="of key-hash's capacity")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of a run")
    parser.add_argument("--two-threads", action="store_true",
                        help="size-aware with two threads on the one CPU, too")
    return parser.parse_args()


class Server:
    """A minosd over vhost that runs only inside `with`."""

    def __init__(self, name, arguments, folder, plan):
        self.name = name
        self.path = os.path.join(folder, name.replace(" ", "-").replace(",", "") + ".sock")
        self.log = open(self.path + ".log", "w+", encoding="utf8")  # pylint: disable=R1732
        threads = [] if "-t" in arguments else ["-t", "1"]
        command = [f"{BUILT}/minosd", "--transport=dpdk", f"--dpdk-vhost={self.path}",
                   f"--rx-queues={QUEUES}", f"--cores={plan.server_cpu}", "-m", "2g",
                   *threads, *arguments]
        if "-t" in arguments:
            command = [word for word in command if not word.startswith("--cores")]
            command = ["taskset", "-c", str(plan.server_cpu), *command]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        until = time.monotonic() + 20
        while not os.path.exists(self.path):
            if self.process.poll() is not None or time.monotonic() > until:
                self.log.seek(0)
                side_by_side.fail(f"{name} does not start: {self.log.read()}")
            time.sleep(0.05)
        time.sleep(0.5)
        self.process.send_signal(signal.SIGSTOP)

    def __enter__(self):
        self.process.send_signal(signal.SIGCONT)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGSTOP)

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait()
        self.log.close()


def load(server, plan, *options):
    command = ["taskset", "-c", str(plan.client_cpu), f"{BUILT}/minos", "load", "--json", "--quiet",
               "--protocol=dpdk", f"--dpdk-vhost={server.path}", f"--queues={QUEUES}",
               f"--keys={plan.keys}", f"--large-keys={plan.large_keys}",
               f"--large-percent={plan.large_percent}", f"--large-max={plan.large_max}",
               "--get-ratio=1", "--slice-ms=1", *options]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if not run.stdout:
        side_by_side.fail(f"{server.name}: {run.stderr}")
    return json.loads(run.stdout)


def figures(report):
    classes = report["classes"]
    return {"small": report["slices"]["p99_us"], "small_p50": report["slices"]["p50_us"],
            "large": classes["large"]["p99_us"], "large_p50": classes["large"]["p50_us"],
            "per_s": report["achieved_per_s"], "unanswered": report["unanswered"]}


def measure(plan, servers, progress):
    """{share: {name: [figures]}}, and the capacity in requests/s."""
    for server in servers:
        progress.step(f"preload {server.name}")
        with server:
            load(server, plan, "--preload-only")
    progress.step("capacity")
    with servers[0]:
        capacity = statistics.median(
            load(servers[0], plan, "--no-preload", "--closed", "--depth=64", "--warmup=0.3",
                 "--duration=1.5")["achieved_per_s"] for _ in range(3))
    out = {}
    for share in [float(text) for text in plan.shares.split(",")]:
        out[share] = {server.name: [] for server in servers}
        for number in range(plan.rounds):
            progress.step(f"{share:.0%}, round {number + 1}")
            for server in in_turn(servers, number):
                with server:
                    report = load(server, plan, "--no-preload", f"--rate={share * capacity:.0f}",
                                  "--warmup=0.5", f"--duration={plan.seconds}")
                out[share][server.name].append(figures(report))
    return out, capacity


def ratio(runs, base, name):
    return statistics.median(b[name] / a[name] for a, b in zip(runs, base))


def print_table(measured, capacity):
    print(f"Capacity (key-hash, closed loop): {capacity:,.0f} requests/s\n")
    print("| load | policy | small p50, µs | small p99, µs | key-hash's ÷ it | large p50, µs "
          "| large p99, µs | it ÷ key-hash's | requests/s | unanswered |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for share, servers in measured.items():
        base = next(iter(servers.values()))
        for name, runs in servers.items():
            middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            print(f"| {share:.0%} | {name} | {middle['small_p50']:.1f} | {middle['small']:.1f} "
                  f"| {ratio(runs, base, 'small'):.1f} | {middle['large_p50']:.0f} "
                  f"| {middle['large']:.0f} | {1 / ratio(runs, base, 'large'):.2f} "
                  f"| {middle['per_s']:,.0f} | {sum(run['unanswered'] for run in runs)} |")


def main():
    plan = parse_arguments()
    policies = POLICIES + ([TWO_THREADS] if plan.two_threads else [])
    servers = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name, arguments in policies:
                servers.append(Server(name, arguments, folder, plan))
            shares = plan.shares.count(",") + 1
            progress = Progress(len(servers) + 1 + shares * plan.rounds)
            print_table(*measure(plan, servers, progress))
        finally:
            for server in servers:
                server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
