"""libmemcached's own conformance test."""

import re
import shutil
import subprocess

import pytest

import harness

pytestmark = pytest.mark.sanitized

TESTS = 27


def test_memccapable(server):
    program = shutil.which("memccapable")
    assert program, "memccapable is missing: tools/install_deps.sh build test"
    run = subprocess.run([program, "-a", "-h", harness.HOST, "-p", str(server.port)],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                         check=False)
    output = run.stdout + run.stderr
    results = re.findall(r"^ascii .*\[(\w+)\]$", output, re.MULTILINE)
    assert results == ["pass"] * TESTS, output
    assert "All tests passed" in output
    assert run.returncode == 0
