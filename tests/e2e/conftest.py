"""Fixtures: a server per policy and number of workers, shared by the whole run, and servers of a
test's own."""

import contextlib
import pathlib
import resource
import shutil
import sys
import tempfile

import pytest

import harness

POLICIES = (["elastic", "size-aware", "key-hash", "software-handoff", "work-stealing"]
            if harness.IS_MINOS else ["memcached"])


def shapes():
    """Policies and numbers of workers of the common servers. In virtual time every policy plays
    every transcript on more of them; sanitizers are slow."""
    if not harness.IS_MINOS:
        return [("memcached", workers) for workers in (1, 2, 4)]
    if harness.sanitized():
        return [("elastic", 2), ("size-aware", 2), ("software-handoff", 2)]
    return [*((policy, workers) for policy in POLICIES[:2] for workers in (1, 2, 4)),
            ("key-hash", 2), ("software-handoff", 3), ("work-stealing", 4)]


def pytest_configure(config):
    config.addinivalue_line("markers", "sanitized: also run against sanitizer builds")
    sys.dont_write_bytecode = True
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16384)), hard))
    if not harness.PROGRAM.exists():
        raise pytest.UsageError(f"no {harness.PROGRAM}: run make build, or set MINOSD")


def policy_args(policy):
    # Short epochs, so that plans change while tests run.
    return [f"--sharding={policy}", "--epoch-ms=50"] if harness.IS_MINOS else []


def started(args, **options):
    server = harness.Server(args, **options)
    try:
        return server.wait_ready()
    except BaseException:
        server.kill()
        raise


def stopped(server):
    try:
        server.stop()
    finally:
        server.kill()


@pytest.fixture(scope="session", params=shapes(), ids=lambda pair: f"{pair[0]}-{pair[1]}")
def server(request):
    """The common server; a test leaves no connections, and expects no empty store."""
    policy, workers = request.param
    one = started(["-t", workers, "-m", 256, "-c", 4096, *policy_args(policy)])
    yield one
    stopped(one)


@pytest.fixture(params=POLICIES)
def policy(request):
    return request.param


@contextlib.contextmanager
def starter(*first_args):
    """A function that starts servers; those that still run at the end are stopped and checked."""
    servers = []

    def start_one(*args, **options):
        servers.append(started([*first_args, *args], **options))
        return servers[-1]

    yield start_one
    for one in servers:
        if one.process.returncode is None:
            stopped(one)


@pytest.fixture
def start(policy):
    """start(args..., **Server options): a server of the test's own, under each policy."""
    with starter(*policy_args(policy)) as start_one:
        yield start_one


@pytest.fixture
def start_any():
    """As start, under the default policy only: for what no policy can change."""
    with starter() as start_one:
        yield start_one


@pytest.fixture
def folder():
    """A folder that the server may write to even if it becomes another user."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="minos-e2e-"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)
