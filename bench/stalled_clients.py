#!/usr/bin/env python3
"""What clients that stall cost the others.

One minosd on the server CPU, small requests at a steady rate from the client CPU. Each round:
without stalled clients, once more without (the control), then with clients that stopped reading in
the middle of a large reply and as many that stopped sending in the middle of a large set. Prints
p50 and p99 of the small requests, and the medians over the rounds of the ratios to the first.
"""

import argparse
import os
import resource
import socket
import statistics

import side_by_side as bench

VALUE_BYTES = 1_000_000


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minosd", default=os.path.join(bench.ROOT, "build/release/minosd"))
    parser.add_argument("--minos", default=os.path.join(bench.ROOT, "build/release/minos"))
    parser.add_argument("--stalled", type=int, default=1000, help="half of each kind (1000)")
    parser.add_argument("--rate", type=float, default=50000, help="small requests/s (50000)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.5, help="per slice (1.5)")
    return parser.parse_args()


def stalled(port, count):
    clients = []
    for i in range(count // 2):
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", port))
        reader.sendall(b"get stalled\r\n")
        writer = socket.create_connection(("127.0.0.1", port))
        writer.sendall(b"set stalled%d 0 0 %d\r\n" % (i, VALUE_BYTES) + bytes(VALUE_BYTES // 3))
        clients += [reader, writer]
    return clients


def main():
    plan = arguments()
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * plan.stalled + 1000,) * 2)
    root = ["-u", "nobody"] if os.geteuid() == 0 else []
    server = bench.Server("minosd", [plan.minosd, *root, "-p", "{port}", "-t", "1", "-m", "4096",
                                     "--cores=0", "-c", str(plan.stalled + 500)], 0)
    client = bench.Client(plan.minos, 1, 0)
    data = ["--keys=100000", "--large-percent=0"]

    def small_requests():
        run = client.load(server, *data, "--no-preload", "--spread=idle", f"--rate={plan.rate}",
                          f"--duration={plan.seconds}", "--warmup=0.2", "--slice-ms=10")
        return run["slices"]["p50_us"], run["slices"]["p99_us"]

    rounds = []
    try:
        server.wait_until_up()
        client.load(server, *data, "--preload-only")
        with socket.create_connection(("127.0.0.1", server.port)) as setter:
            setter.sendall(b"set stalled 0 0 %d\r\n" % VALUE_BYTES + bytes(VALUE_BYTES) + b"\r\n")
            if setter.recv(100) != b"STORED\r\n":
                bench.fail("cannot store the value")
        for _ in range(plan.rounds):
            without, control = small_requests(), small_requests()
            clients = stalled(server.port, plan.stalled)
            rounds.append((without, control, small_requests()))
            for one in clients:
                one.close()
    finally:
        server.stop()
    print(f"{plan.rate:.0f} small requests/s beside {plan.stalled} stalled clients, {plan.rounds} "
          f"rounds of {plan.seconds} s; small p50 and p99: medians over slices of 10 ms\n")
    print("| | p50 µs | ÷ without | p99 µs | ÷ without |\n| --- |" + " ---: |" * 4)
    for column, name in enumerate(("without", "without again", "with stalled clients")):
        cells = []
        for value in (0, 1):
            cells.append(f"{statistics.median(r[column][value] for r in rounds):.1f}")
            cells.append(f"{statistics.median(r[column][value] / r[0][value] for r in rounds):.2f}")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
