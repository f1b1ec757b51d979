#!/usr/bin/env python3
"""Measures minosd beside memcached and redis, each on the same CPU, and writes a Markdown report.

All servers are up at once on the server CPU; one at a time is loaded, from the client CPU, in short
slices that alternate. A ratio is the median over the rounds of the ratio within a round, so that
what slows the machine down for a while slows both sides. A second minosd process is the control:
how far its ratio is from 1.00 is what the method cannot tell apart.
"""

import argparse
import json
import os
import resource
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import side_by_side_report

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEPTHS = (1, 8, 32)
PLAIN = ["--keys=100000", "--large-percent=0", "--value-bytes=100", "--first-key=1000000000"]
MIXED = ["--keys=100000", "--large-keys=200", "--spread=idle"]
WORKLOADS = {
    "small only": MIXED + ["--large-max=500000", "--large-percent=0"],
    "0.75 % large, up to 500 KB": MIXED + ["--large-max=500000", "--large-percent=0.75"],
    "0.125 % large, up to 1 MB": MIXED
    + ["--large-max=1000000", "--large-percent=0.125", "--first-key=2000000000"],
}


def fail(message):
    sys.exit(f"side_by_side: {message}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One server process, pinned to the server CPU."""

    def __init__(self, name, command, cpu, protocol="memcached", stores=True):
        self.name = name
        self.protocol = protocol
        self.stores = stores
        self.port = free_port()
        self.command = [word.replace("{port}", str(self.port)) for word in command]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            ["taskset", "-c", str(cpu)] + self.command,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            cwd=tempfile.gettempdir(),
        )

    def wait_until_up(self, timeout_s=10):
        deadline = time.monotonic() + timeout_s
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.log.seek(0)
        fail(f"{shlex.join(self.command)} does not listen:\n{self.log.read().decode()[-2000:]}")

    def cpu_s(self):
        """CPU time of all threads so far, from the scheduler: nanoseconds, not ticks."""
        process_clock = (~self.process.pid << 3) | 2
        return time.clock_gettime(process_clock)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def busy_s(cpus):
    """Time that these CPUs were not idle so far, for whatever process or other guest."""
    ticks = 0
    with open("/proc/stat", encoding="ascii") as stat:
        for name, *counts in (line.split() for line in stat):
            if name in {f"cpu{cpu}" for cpu in cpus}:
                user, nice, system, _idle, _wait, irq, softirq, steal = map(int, counts[:8])
                ticks += user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def children_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Client:
    def __init__(self, minos, cpu, server_cpu):
        self.cpus = (cpu, server_cpu)
        self.base = ["taskset", "-c", str(cpu), minos, "load", f"--cpus={cpu}", "--quiet", "--json"]

    def load(self, server, *options):
        """One run of minos load; its report, with the server's and strangers' CPU time added."""
        command = self.base + [
            f"--server=127.0.0.1:{server.port}",
            f"--protocol={server.protocol}",
            *options,
        ]
        before = server.cpu_s(), children_s(), busy_s(self.cpus), time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            fail(f"{server.name}: {shlex.join(command)}\n{done.stderr.strip()}")
        report = json.loads(done.stdout)
        if not report.get("slices", {"count": 1})["count"]:
            fail(f"{server.name} fell so far behind that nothing was measured: a lower --rate, or "
                 f"--load-share?")
        report["server"] = server.name
        report["server_cpu_s"] = server.cpu_s() - before[0]
        ours_s = report["server_cpu_s"] + children_s() - before[1]
        others_s = max(busy_s(self.cpus) - before[2] - ours_s, 0)
        report["others_share"] = others_s / (2 * (time.monotonic() - before[3]))
        return report


class Progress:
    def __init__(self, total):
        self.start, self.total, self.done = time.monotonic(), total, 0

    def step(self, what):
        elapsed = time.monotonic() - self.start
        left = f", {elapsed / self.done * (self.total - self.done):.0f} s left" if self.done else ""
        self.done += 1
        print(f"[{self.done}/{self.total}{left}] {what}", file=sys.stderr, flush=True)


def in_turn(servers, round_number):
    """Every other round backwards: nobody is always first."""
    return servers if round_number % 2 == 0 else servers[::-1]


def preload(client, servers, progress):
    for server in servers:
        progress.step(f"preload {server.name}")
        for options in (PLAIN, *list(WORKLOADS.values())[1:]):
            plain = [o for o in options if not o.startswith("--spread")]
            client.load(server, "--preload-only", *plain)


def closed_loops(client, servers, plan, progress):
    slices = []
    for depth in DEPTHS:
        for round_number in range(plan.closed_rounds):
            progress.step(f"closed loop, depth {depth}, round {round_number + 1}")
            for server in in_turn(servers, round_number):
                report = client.load(
                    server,
                    "--closed",
                    f"--depth={depth}",
                    f"--connections={plan.connections}",
                    "--no-preload",
                    f"--get-ratio={0.95 if server.stores else 1}",
                    "--warmup=0",  # so that every request that the server worked for is counted
                    f"--duration={plan.slice_s}",
                    *PLAIN,
                )
                slices.append({"depth": depth, "round": round_number, **report})
    return slices


def find_rate(client, servers, plan, progress):
    """A share of what the slowest server does of the heaviest mix with one request a connection."""
    if plan.rate:
        return plan.rate, {}
    peaks = {}
    for name, options in WORKLOADS.items():
        progress.step(f"peak, {name}")
        plain = [o for o in options if not o.startswith("--spread")]
        for server in servers:
            run = client.load(
                server,
                "--closed",
                "--no-preload",
                f"--connections={plan.connections}",
                f"--duration={plan.peak_s}",
                "--warmup=0.1",
                *plain,
            )
            peaks[f"{server.name}, {name}"] = run["achieved_per_s"]
    return round(plan.load_share * min(peaks.values())), peaks


def open_loops(client, servers, plan, rate, progress):
    slices = []
    for round_number in range(plan.open_rounds):
        progress.step(f"open loop, {rate}/s, round {round_number + 1}")
        for server in in_turn(servers, round_number):
            for name, options in WORKLOADS.items():
                report = client.load(
                    server,
                    f"--rate={rate}",
                    "--no-preload",
                    f"--connections={plan.connections}",
                    "--warmup=0.2",
                    f"--duration={plan.open_s}",
                    f"--slice-ms={plan.slice_ms}",
                    "--kernel-times",
                    *options,
                )
                slices.append({"workload": name, "round": round_number, **report})
    return slices


def server_commands(plan):
    """(name, command, protocol, stores) of every server wanted; the first is compared to."""
    root = ["-u", "nobody"] if os.geteuid() == 0 else []
    minosd = shlex.split(plan.minosd_cmd) if plan.minosd_cmd else (
        [plan.minosd, "-p", "{port}"]
        + f"-t 1 -m 4096 --cores={plan.server_cpu} -l 127.0.0.1 -U 0".split())
    memcached = [plan.memcached, *root, "-p", "{port}"] + "-t 1 -m 4096 -c 4096 -U 0".split()
    redis = [plan.redis, "--port", "{port}", "--save", "", "--appendonly", "no"]
    redis += "--io-threads 1 --maxmemory 4gb --protected-mode no --bind 127.0.0.1".split()
    return [
        ("minosd", minosd, "memcached", True),
        ("minosd again", minosd, "memcached", True),
        ("memcached", memcached + ["-l", "127.0.0.1"], "memcached", True),
        ("redis", redis, "redis", True),
        ("echo", [plan.echo, "{port}"], "memcached", False),
    ]


def start_servers(plan, servers):
    for name, command, protocol, stores in server_commands(plan):
        if shutil.which(command[0]) is None:
            if not plan.skip_missing:
                fail(f"no {name}: {command[0]} cannot be run; --skip-missing goes on without it")
            print(f"side_by_side: no {name}, left out", file=sys.stderr)
            continue
        servers.append(Server(name, command, plan.server_cpu, protocol, stores))
    if not any(server.stores for server in servers):
        fail("no server to measure")
    for server in servers:
        server.wait_until_up()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    built = os.path.join(ROOT, "build/release")
    add = parser.add_argument
    add("--minosd", default=f"{built}/minosd", help="path [%(default)s]")
    add("--minosd-cmd", help="whole command instead, {port} in it is replaced")
    add("--memcached", default="memcached", help="path or name [%(default)s]")
    add("--redis", default="redis-server", help="path or name [%(default)s]")
    add("--echo", default=f"{built}/minos_echo", help="path [%(default)s]")
    add("--minos", default=f"{built}/minos", help="the client's path [%(default)s]")
    add("--skip-missing", action="store_true", help="leave out servers that are not there")
    add("--server-cpu", type=int, default=0, help="[%(default)s]")
    add("--client-cpu", type=int, default=1, help="[%(default)s]")
    add("--rate", type=int, help="requests/s of the open loops [a share of the slowest peak]")
    add("--load-share", type=float, default=0.65, help="that share, 0 to 1 [%(default)s]")
    add("--connections", type=int, default=50, help="[%(default)s]")
    add("--quick", action="store_true", help="about 60 s instead of about 6 min")
    add("--out", help="Markdown file [standard output]")
    add("--json", help="file for every slice's whole report")
    plan = parser.parse_args()
    plan.closed_rounds, plan.open_rounds = (2, 3) if plan.quick else (4, 9)
    plan.slice_s, plan.peak_s = (0.7, 0.5) if plan.quick else (2.5, 1)
    plan.open_s, plan.slice_ms = (0.7, 10) if plan.quick else (1.5, 10)
    if not 0 < plan.load_share <= 1:
        parser.error(f"--load-share={plan.load_share} is out of range: above 0 to 1")
    if plan.rate is not None and plan.rate < 1:
        parser.error(f"--rate={plan.rate} is out of range: 1 and up")
    if missing := {plan.server_cpu, plan.client_cpu} - os.sched_getaffinity(0):
        parser.error(f"no CPU {min(missing)} here")
    if shutil.which(plan.minos) is None:
        parser.error(f"--minos: {plan.minos} cannot be run")
    return plan


def main():
    plan = parse_arguments()
    client = Client(plan.minos, plan.client_cpu, plan.server_cpu)
    servers = []
    try:
        start_servers(plan, servers)
        title = side_by_side_report.head(servers, plan)
        stores = [s for s in servers if s.stores]
        rounds = len(DEPTHS) * plan.closed_rounds + plan.open_rounds
        progress = Progress(len(stores) + rounds + (0 if plan.rate else len(WORKLOADS)))
        preload(client, stores, progress)
        closed = closed_loops(client, servers, plan, progress)
        rate, peaks = find_rate(client, stores, plan, progress)
        opened = open_loops(client, stores, plan, rate, progress)
    finally:
        for server in servers:
            server.stop()
    text = side_by_side_report.report(title, servers, closed, rate, opened, plan)
    if plan.json:
        with open(plan.json, "w", encoding="utf-8") as out:
            parts = {"head": title, "rate": rate, "peaks": peaks, "closed": closed, "open": opened}
            json.dump(parts, out, indent=1)
    if plan.out:
        with open(plan.out, "w", encoding="utf-8") as out:
            out.write(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
