"""Every transcript of tests/transcripts."""

import functools
import shlex

import pytest
import transcript_runner

import harness

FOLDER = harness.ROOT / "tests" / "transcripts"
FILES = sorted(FOLDER.glob("*.txt"))
SPLITS = [0, 1]  # requests whole, and in pieces of one byte

pytestmark = pytest.mark.sanitized


@functools.cache
def parsed(path):
    return transcript_runner.parse_file(path)


def for_each(files):
    return pytest.mark.parametrize("path", files, ids=lambda path: getattr(path, "stem", "none"))


def run(path, server, split):
    if parsed(path).minos_only and not harness.IS_MINOS:
        pytest.skip(f"Minos only: {parsed(path).minos_only}")
    transcript_runner.run_file(path, harness.HOST, server.port, split)


def waits(path):
    return any(step.kind == "wait" for step in parsed(path).steps)


@pytest.mark.parametrize("split", SPLITS, ids=["whole", "split"])
@for_each([path for path in FILES if not parsed(path).args and not waits(path)])
def test_transcript(server, path, split):
    run(path, server, split)


# Waiting is the same on any number of workers.
@for_each([path for path in FILES if not parsed(path).args and waits(path)])
def test_transcript_that_waits(start, path):
    run(path, start("-t", 2), 0)


@pytest.mark.parametrize("split", SPLITS, ids=["whole", "split"])
@for_each([path for path in FILES if parsed(path).args])
def test_transcript_with_arguments(start, path, split):
    if not harness.IS_MINOS and parsed(path).args.endswith("k"):
        pytest.skip("memcached 1.6.18 does not start with so small an -I")
    run(path, start("-t", 2, *shlex.split(parsed(path).args)), split)


def test_there_are_transcripts():
    assert FILES, f"no *.txt in {FOLDER}"
