"""The Markdown report of side_by_side.py, from the reports of its slices."""

import os
import platform
import shlex
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def median_ratio(pairs):
    """Median, least and most of a/b over (a, b) pairs, as text."""
    ratios = [a / b for a, b in pairs if a is not None and b]
    if not ratios:
        return "–"
    low, high = min(ratios), max(ratios)
    return f"{statistics.median(ratios):.2f} ({low:.2f}–{high:.2f})"


def cpu_us(run):
    return 1e6 * run["server_cpu_s"] / max(run["classes"]["all"]["count"], 1)


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def closed_table(slices, names):
    rows = []
    for depth in sorted({s["depth"] for s in slices}):
        runs = {n: [s for s in slices if s["depth"] == depth and s["server"] == n] for n in names}
        by_round = {n: {s["round"]: s for s in r} for n, r in runs.items()}
        first = by_round[names[0]]
        for name in names:
            pairs = [(first[i], s) for i, s in by_round[name].items()]
            median = lambda value: statistics.median(value(s) for s in runs[name])
            busy = median(lambda s: s["server_cpu_s"] / s["window_s"])
            rows.append([
                str(depth),
                name,
                f"{median(lambda s: s['achieved_per_s']) / 1e3:.1f}",
                median_ratio([(a["achieved_per_s"], b["achieved_per_s"]) for a, b in pairs]),
                f"{median(cpu_us):.2f}",
                median_ratio([(cpu_us(a), cpu_us(b)) for a, b in pairs]),
                f"{100 * busy:.0f} %",
            ])
    header = ["depth", "server", "k requests/s", f"{names[0]} ÷ server", "CPU µs/request",
              f"{names[0]} ÷ server", "server busy"]
    return table(header, rows)


def small_p99(run):
    return run["slices"]["p99_us"]


def kernel_p99(run):
    return run["slices"]["kernel_p99_us"]


def large_p50(run):
    return run["classes"]["large"]["p50_us"]


def open_table(slices, names):
    runs = {(s["workload"], s["server"], s["round"]): s for s in slices}
    rounds = sorted({s["round"] for s in slices})
    small_only, *_ = workloads = list(dict.fromkeys(s["workload"] for s in slices))
    rows = []
    for workload in workloads:
        for name in names:
            mine = [runs[workload, name, i] for i in rounds]
            base = [runs[small_only, name, i] for i in rounds]
            first = [runs[workload, names[0], i] for i in rounds]
            median = lambda value: statistics.median(value(s) for s in mine)
            large = workload != small_only
            achieved = median(lambda s: s["achieved_per_s"] / s["offered_per_s"])
            ratio = lambda value, others: median_ratio(
                [(value(a), value(b)) for a, b in zip(mine, others)])
            inverse = lambda value: median_ratio(
                [(value(a), value(b)) for a, b in zip(first, mine)])
            rows.append([
                workload,
                name,
                f"{median(lambda s: s['slices']['p50_us']):.1f}",
                f"{median(small_p99):.1f}",
                inverse(small_p99),
                ratio(small_p99, base) if large else "–",
                f"{median(kernel_p99):.1f}",
                ratio(kernel_p99, base) if large else "–",
                f"{median(large_p50):.0f}" if large else "–",
                inverse(large_p50) if large else "–",
                f"{100 * achieved:.1f} %",
            ])
    header = ["workload", "server", "small p50 µs", "small p99 µs", f"p99 {names[0]} ÷ server",
              "p99 mixed ÷ small only", "p99 without the client µs", "mixed ÷ small only",
              "large p50 µs", f"large p50 {names[0]} ÷ server", "achieved"]
    return table(header, rows)


def relative(command):
    """Paths within the project, as from its root."""
    return [os.path.relpath(word, ROOT) if word.startswith(ROOT + os.sep) else word
            for word in command]


def output_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        return done.stdout.strip() if done.returncode == 0 else "unknown"
    except OSError:
        return "unknown"


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        names = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return names[0] if names else platform.machine()


def head(servers, plan):
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    dirty = output_of("git", "status", "--porcelain") not in ("", "unknown")
    commit = output_of("git", "rev-parse", "--short", "HEAD") + (" with changes" if dirty else "")
    load = os.getloadavg()[0]
    lines = [
        "# minosd beside memcached and redis",
        "",
        f"- command: `{shlex.join(sys.argv)}`",
        f"- commit: {commit}; {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}",
        f"- machine: {os.cpu_count()} CPUs, {cpu_model()}, {memory_gib:.0f} GiB, Linux "
        f"{platform.release()}; load average at the start {load:.2f}",
        f"- every server on CPU {plan.server_cpu}, the client on CPU {plan.client_cpu}, "
        f"{plan.connections} connections over loopback TCP",
    ]
    return lines + [f"- {s.name}: `{shlex.join(relative(s.command))}`" for s in servers]


def report(title_lines, servers, closed, rate, opened, plan):
    names = [s.name for s in servers]
    others = statistics.median(s["others_share"] for s in closed + opened)
    lines = title_lines + [
        f"- others used {100 * others:.0f} % of the two CPUs (median of slices): with more than a "
        "few percent only CPU per request means much",
        "",
        "## Throughput and CPU",
        "",
        "Closed loop, 100-byte values, 95 % GET (echo: GET only, it stores nothing). Ratios are "
        f"medians over {plan.closed_rounds} rounds, with the least and the most.",
        "",
        *closed_table(closed, names),
        "",
        "## Tails",
        "",
        f"Open loop, {rate} requests/s, 95 % GET, each request on an idle connection. Percentiles "
        f"are medians over slices of {plan.slice_ms} ms, then over {plan.open_rounds} rounds; "
        "without the client: from handing a request to the kernel until the kernel has its reply.",
        "",
        *open_table(opened, [s.name for s in servers if s.stores]),
        "",
    ]
    return "\n".join(lines)
