"""The program as an operator sees it: options, signals, pid file, daemon, configuration."""

import contextlib
import os
import pathlib
import re
import resource
import signal
import time

import pytest

import harness

minos_only = pytest.mark.skipif(not harness.IS_MINOS, reason="what only Minos promises")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help(flag):
    code, out, err = harness.run_to_end(flag)
    assert (code, err) == (0, "")
    for option in ["--port", "--listen", "--memory-limit", "--threads", "--conn-limit"]:
        assert option in out


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_version(flag):
    code, out, err = harness.run_to_end(flag)
    assert (code, err) == (0, "")
    assert re.fullmatch(r"(minos|memcached) [0-9][0-9.]*\n", out)


@minos_only
@pytest.mark.parametrize("arguments, named", [
    (["-p", "70000"], '-p/--port "70000"'),
    (["--port=x"], '-p/--port "x"'),
    (["-t", "0"], '-t/--threads "0"'),
    (["-m", "1"], '-m/--memory-limit "1"'),
    (["-m", "5000g"], '-m/--memory-limit "5000g": must be a size from 8m to 4096g'),
    (["-t", "128"], "-m/--memory-limit 64m: must be at least "),
    (["-I", "40m"], "-I/--max-item-size 40m"),
    (["-l", "not an address"], '-l/--listen "not an address"'),
    (["--sharding=best"], '--sharding "best"'),
    (["--cores=0", "-t", "2"], "--cores lists 1 CPUs for 2 threads"),
    (["--sharding=software-handoff", "--dispatchers=2", "-t", "2"], "--dispatchers 2: must be"),
    (["--nonsense"], '"--nonsense"'),
    (["-U", "11211"], '-U/--udp-port "11211"'),
    (["--config=/nonexistent.toml"], "/nonexistent.toml"),
    (["stray"], '"stray"'),
], ids=lambda value: value if isinstance(value, str) else " ".join(value))
def test_bad_options(arguments, named):
    code, out, err = harness.run_to_end(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("minosd: ") and named in err
    assert err.endswith("\nTry 'minosd --help'.\n")


@minos_only
@pytest.mark.parametrize("arguments, code, named", [
    (["-t", "128"], 2, "-m/--memory-limit 64m"),
    (["-m", "4g"], 1, "cannot map 4294967296 bytes of memory"),  # against the limit set below
    (["-l", "192.0.2.1"], 1, "cannot listen on 192.0.2.1"),
    (["-u", "no-such-user"], 1, "no-such-user"),
], ids=["options", "memory", "address", "user"])
@pytest.mark.parametrize("how", [[], ["-d"]], ids=["foreground", "daemon"])
def test_failed_start(folder, how, arguments, code, named):
    """Told by the exit status and in words, also by the parent of a daemon; nothing is left."""
    if named == "no-such-user" and os.geteuid() != 0:
        pytest.skip("only root changes its user")
    pidfile = folder / "failed.pid"
    limits = (2 << 30, 2 << 30)
    got, out, err = harness.run_to_end(
        *how, "-p", str(harness.free_port()), "-P", str(pidfile), *arguments,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limits))
    assert got == code
    assert named in err
    assert " workers, " not in err  # announced
    assert out == ""
    assert not pidfile.exists()


@minos_only
@pytest.mark.parametrize("how", [[], ["-d"]], ids=["foreground", "daemon"])
def test_pidfile_that_cannot_be_written(folder, how):
    socket_path = folder / "s.sock"
    code, _, err = harness.run_to_end(*how, "-s", str(socket_path),
                                      "-P", str(folder / "no" / "pid"))
    assert code == 1
    assert "cannot write the pid file" in err
    assert not socket_path.exists()


@minos_only
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_is_told_to_become_somebody():
    for arguments, warned in [([], True), (["-u", "nobody"], False), (["-u", "root"], False)]:
        server = harness.Server(arguments)
        try:
            server.wait_ready()
            server.stop()
        finally:
            server.kill()
        lines = [line for line in server.output().splitlines() if "root" in line]
        assert len(lines) == warned
        assert not warned or "-u USER" in lines[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_end_it_well(start, number):
    server = start("-t", 2)
    clients = [server.client() for _ in range(10)]
    for client in clients:
        assert client.set(b"k", bytes(500_000)) == b"STORED"
    clients[0].send(b"get k\r\n" * 100)  # never read
    clients[1].send(b"set k2 0 0 900000\r\nhalf")
    server.stop(number)
    for client in clients:
        client.close()


@minos_only
def test_ends_at_once_right_after_its_start():
    for delay in [0, 0.005, 0.02, 0.1]:
        server = harness.Server(["-t", 2])
        time.sleep(delay)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(harness.STOP_S) in (0, -signal.SIGTERM)


def test_port_in_use(start_any):
    server = start_any()
    code, _, err = harness.run_to_end(*harness.user_args(), *harness.EXTRA_ARGS, "-l",
                                      harness.HOST, "-p", str(server.port))
    assert code != 0
    assert "in use" in err
    if harness.IS_MINOS:
        assert code == 1
        assert str(server.port) in err
    with server.client() as client:
        assert client.ask(b"version").startswith(b"VERSION")


def test_pidfile(folder, start_any):
    path = folder / "server.pid"
    server = start_any("-P", path)
    assert int(path.read_text(encoding="ascii")) == server.process.pid
    server.stop()
    if harness.IS_MINOS:
        assert not path.exists()


def ended(pid):
    """Gone, or a zombie that nobody here waits for."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").split()[2] == "Z"
    except FileNotFoundError:
        return True


@contextlib.contextmanager
def daemon(pidfile, *arguments, **options):
    """A server that has become one; ends it at the end."""
    server = harness.Server(["-d", *arguments], **options)
    assert server.process.wait(harness.START_S) == 0, server.output()
    harness.wait_until(lambda: pidfile.exists() and pidfile.read_text(encoding="ascii").strip(),
                       "pid")
    server.pid = int(pidfile.read_text(encoding="ascii"))
    try:
        yield server
    finally:
        os.kill(server.pid, signal.SIGTERM)
        harness.wait_until(lambda: ended(server.pid), "daemon ends", harness.STOP_S)


def answers(server):
    try:
        with server.client() as client:
            return client.ask(b"version").startswith(b"VERSION")
    except OSError:
        return False


def test_daemon(folder):
    pidfile = folder / "daemon.pid"
    with daemon(pidfile, "-P", pidfile) as server:
        assert os.getsid(server.pid) != os.getsid(0)
        if harness.IS_MINOS:
            assert answers(server)  # its parent waited for that
            assert os.readlink(f"/proc/{server.pid}/cwd") == "/"
            assert {os.readlink(f"/proc/{server.pid}/fd/{fd}") for fd in range(3)} == {"/dev/null"}
        harness.wait_until(lambda: answers(server), "daemon answers")
    assert not harness.IS_MINOS or not pidfile.exists()


@minos_only
def test_relative_paths_of_a_daemon(folder):
    pidfile = folder / "daemon.pid"
    with daemon(pidfile, "-P", pidfile.name, "-s", "daemon.sock", listen=False,
                cwd=folder) as server:
        server.address = str(folder / "daemon.sock")
        assert answers(server)
    assert not list(folder.iterdir())


def test_shutdown_command(start_any):
    server = start_any()
    with server.client() as client:
        assert client.ask(b"shutdown").startswith(b"ERROR")
    server = start_any("-A")
    with server.client() as client:
        client.send(b"shutdown\r\n")
        assert client.closed_by_server()
    assert server.process.wait(harness.STOP_S) == 0


def test_disable_cas(start_any):
    server = start_any("-C")
    with server.client() as client:
        assert client.set(b"k", b"v") == b"STORED"
        assert client.ask(b"gets k") == b"VALUE k 0 1 0"


def test_verbose_speaks(start_any):
    server = start_any("-vv")
    with server.client() as client:
        assert client.set(b"k", b"v") == b"STORED"
    harness.wait_until(lambda: server.output() != "", "output")


@minos_only
def test_config_file(folder):
    path = folder / "minos.toml"
    port = harness.free_port()
    path.write_text(f'port = {port}\nmemory-limit = "100m"\nthreads = 2\n'
                    'sharding = "key-hash"\n', encoding="ascii")
    server = harness.Server([f"--config={path}", "--threads=3"], listen=False)
    server.address = (harness.HOST, port)
    try:
        server.wait_ready()
        with server.client() as client:
            stats = client.stats()
            assert stats["limit_maxbytes"] == str(100 << 20)
            assert stats["threads"] == "3"
        server.stop()
    finally:
        server.kill()
    path.write_text("port = 1\nprot = 2\n", encoding="ascii")
    code, _, err = harness.run_to_end(f"--config={path}")
    assert code == 2
    assert f'{path}:2: unknown key "prot"' in err


@minos_only
def test_listens_on_loopback_only_by_default():
    server = harness.Server(["-p", harness.free_port()], listen=False)
    server.port = int(server.process.args[-1])
    server.address = (harness.HOST, server.port)
    try:
        server.wait_ready()
        listening = {line.split()[1] for name in ["tcp", "tcp6"]
                     for line in pathlib.Path(f"/proc/net/{name}").read_text("ascii").splitlines()
                     if line.split()[3] == "0A"}
        mine = [address for address in listening if int(address.split(":")[1], 16) == server.port]
        assert mine == [f"0100007F:{server.port:04X}"]
        server.stop()
    finally:
        server.kill()
