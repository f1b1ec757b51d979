"""`minos experiment`: its files, and its report as a real browser shows it."""

import csv
import json
import shutil
import signal
import subprocess
import time

import pytest

import harness

MINOS = harness.PROGRAM.parent / "minos"
BROWSER = shutil.which("chromium")

pytestmark = [pytest.mark.skipif(not harness.IS_MINOS, reason="a program of its own"),
              pytest.mark.skipif(not MINOS.exists(), reason="the tool is not built")]

POLICIES = ["elastic", "size-aware", "key-hash", "software-handoff", "work-stealing"]
EXPERIMENTS = ["throughput", "large", "write-intensive", "large-share", "large-size",
               "answered-share", "balance", "changing-share", "motivating"]

# Runs at the end of a copy of the page and leaves what it saw there.
PROBE = """
<script>
const boxes = svg => [...svg.querySelectorAll('text')].map(
  text => [text, text.getBoundingClientRect()]);
const apart = (a, b) => a.right <= b.left + 1 || b.right <= a.left + 1 ||
                        a.bottom <= b.top + 2 || b.bottom <= a.top + 2;
const plots = [...document.querySelectorAll('svg.plot')].map(svg => {
  const texts = boxes(svg), frame = svg.getBoundingClientRect(), wrong = [];
  texts.forEach(([text, box], i) => {
    if (box.left < frame.left - 1 || box.right > frame.right + 1 ||
        box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
      wrong.push('outside: ' + text.textContent);
    for (const [other, otherBox] of texts.slice(i + 1))
      if (!apart(box, otherBox)) wrong.push(text.textContent + ' over ' + other.textContent);
  });
  return {
    section: svg.closest('section').id,
    title: svg.querySelector('.title').textContent,
    width: frame.width, height: frame.height,
    lengths: [...svg.querySelectorAll('path.series')].map(path => path.getTotalLength()),
    labels: [...svg.querySelectorAll('.axis-label')].map(text => text.textContent),
    legend: [...svg.querySelectorAll('.legend')].map(text => text.textContent),
    wrong,
  };
});
const tables = [...document.querySelectorAll('table')].map(table => ({
  section: table.closest('section').id,
  rows: table.querySelectorAll('tbody tr').length,
  empty: [...table.querySelectorAll('th, td')].filter(cell => !cell.textContent.trim()).length,
  unknown: [...table.querySelectorAll('td')].filter(cell => cell.textContent === '–').length,
}));
const seen = document.createElement('pre');
seen.id = 'seen';
seen.textContent = JSON.stringify({
  plots, tables, loaded: performance.getEntriesByType('resource').map(entry => entry.name),
  scripts: document.scripts.length - 1, text: document.body.innerText.slice(0, 2000),
});
document.body.append(seen);
</script>
"""


def experiment(*args, code=0):
    run = subprocess.run([str(MINOS), "experiment", *args], stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == code, run.stdout + run.stderr
    return run


# Filling the store would otherwise take longer than the simulation.
FEW = ["--requests=300", "--keys=1000", "--large-keys=10"]


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(name="results", scope="module")
def _results(tmp_path_factory):
    """All experiments, with so few requests that only the shape of the output means anything."""
    out = tmp_path_factory.mktemp("experiments") / "deeper" / "results"
    experiment("all", *FEW, "--jobs=2", f"--out={out}")
    return out


def test_files(results):
    expected = {f"{name}.csv" for name in EXPERIMENTS}
    expected |= {"report.html", "summary.csv", "balance_cores.csv", "changing-share_windows.csv"}
    assert {path.name for path in results.iterdir()} == expected
    for name in EXPERIMENTS:
        points = rows(results / f"{name}.csv")
        assert {row["policy"] for row in points} == set(POLICIES)
        for row in points:
            assert row["experiment"] == name
            assert float(row["throughput_mops"]) > 0
            assert 0 < float(row["all_p50_us"]) <= float(row["all_p99_us"])
    assert len(rows(results / "balance_cores.csv")) == 8 * len(POLICIES)
    summary = rows(results / "summary.csv")
    assert len(summary) == 8 * len(POLICIES)
    assert all(0 <= float(row["slo_load"]) < 1 for row in summary)


@pytest.mark.skipif(BROWSER is None, reason="no chromium")
def test_report_in_a_browser(results, tmp_path):
    page = tmp_path / "report.html"
    page.write_text((results / "report.html").read_text(encoding="utf-8") + PROBE,
                    encoding="utf-8")
    run = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", f"--user-data-dir={tmp_path}/profile", "--window-size=1400,1000",
         "--enable-logging=stderr", "--dump-dom", page.as_uri()],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert "CONSOLE" not in run.stderr, run.stderr
    seen = json.loads(run.stdout.split('<pre id="seen">')[1].split("</pre>")[0]
                      .replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))

    assert seen["scripts"] == 0 and seen["loaded"] == []
    for fact in ("minos experiment all --on=sim", "300 requests", "seed 1", "profile dpdk",
                 "8 cores"):
        assert fact in seen["text"]
    assert {plot["section"] for plot in seen["plots"]} == set(EXPERIMENTS)
    for plot in seen["plots"]:
        where = f"{plot['section']}: {plot['title']}"
        assert plot["width"] > 300 and plot["height"] > 200, where
        policies = POLICIES[:2] if plot["title"] == "Cores for large requests" else POLICIES
        assert len(plot["lengths"]) == len(policies) and min(plot["lengths"]) > 10, where
        assert plot["legend"] == policies, where
        assert len(plot["labels"]) == 2 and all(plot["labels"]), where
        assert plot["wrong"] == [], where
    assert {table["section"] for table in seen["tables"]} == {"summary", *EXPERIMENTS}
    for table in seen["tables"]:
        assert table["rows"] > 0 and table["empty"] == 0, table
        # Of so few requests there may be no large one to compare.
        assert table["unknown"] == 0 or table["section"] == "summary", table


def test_runs_are_deterministic(tmp_path):
    for out, jobs in (("a", 1), ("b", 2)):
        experiment("balance", "--requests=2000", f"--jobs={jobs}", f"--out={tmp_path / out}",
                   "--quiet")
    for name in ("balance.csv", "balance_cores.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    experiment("balance", "--requests=2000", "--seed=2", f"--out={tmp_path / 'c'}", "--quiet")
    assert (tmp_path / "a" / "balance.csv").read_bytes() != \
        (tmp_path / "c" / "balance.csv").read_bytes()


def test_chosen_policies_and_loads(tmp_path):
    experiment("throughput", *FEW, "--policies=key-hash,elastic", "--loads=0.8,0.3", "--quiet",
               f"--out={tmp_path}")
    points = rows(tmp_path / "throughput.csv")
    assert {row["policy"] for row in points} == {"elastic", "key-hash"}
    assert {"0.3", "0.8"} <= {row["load"] for row in points}
    assert "--policies=key-hash,elastic --loads=0.8,0.3" in \
        (tmp_path / "report.html").read_text(encoding="utf-8")


def test_an_interrupt_keeps_what_is_done(tmp_path):
    with subprocess.Popen(
            [str(MINOS), "experiment", "throughput", "--requests=30000", f"--out={tmp_path}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True) as running:
        running.stderr.readline()  # a tenth is done
        running.send_signal(signal.SIGINT)
        asked = time.monotonic()
        _, error = running.communicate(timeout=60)
        assert time.monotonic() - asked < 30
    assert running.returncode == 1
    assert "interrupted" in error
    done = rows(tmp_path / "throughput.csv")
    assert 0 < len(done) < 5 * 13
    assert "did not run to its end" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("args, message", [
    (["nothing"], "no experiment \"nothing\""),
    (["balance", "--on=paper"], "--on"),
    (["balance", "--policies=fastest"], "--policies: "),
    (["balance", "--loads=2"], "--loads"),
    (["balance", "--seconds=1"], "--seconds needs a real server"),
    (["balance", "--minosd=minosd"], "--minosd needs a real server"),
    (["balance", "--profile=fast"], "--profile: "),
    (["balance", "--requests=0"], "--requests"),
    (["balance", "--cores=0"], "--cores"),
    (["balance", "--jobs=0"], "--jobs"),
    (["balance", "--out=/dev/null/x"], "/dev/null/x"),
    ([], "NAME"),
])
def test_options_that_make_no_sense(args, message):
    run = experiment(*args, code=2)
    assert message in run.stderr
