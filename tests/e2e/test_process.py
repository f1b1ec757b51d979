"""The program as an operator sees it: options, signals, pid file, daemon, configuration."""

import os
import pathlib
import re
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
    (["-I", "40m"], "-I/--max-item-size 40m"),
    (["-l", "not an address"], '-l/--listen "not an address"'),
    (["--sharding=best"], '--sharding "best"'),
    (["--cores=0", "-t", "2"], "--cores lists 1 CPUs for 2 threads"),
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
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


def test_daemon(folder):
    path = folder / "daemon.pid"
    server = harness.Server(["-d", "-P", path])
    assert server.process.wait(harness.START_S) == 0, server.output()
    harness.wait_until(lambda: path.exists() and path.read_text(encoding="ascii").strip(), "pid")
    pid = int(path.read_text(encoding="ascii"))
    try:
        assert os.getsid(pid) != os.getsid(0)

        def answers():
            try:
                with server.client() as client:
                    return client.ask(b"version").startswith(b"VERSION")
            except OSError:
                return False

        harness.wait_until(answers, "daemon answers")
    finally:
        os.kill(pid, signal.SIGTERM)
    harness.wait_until(lambda: ended(pid), "daemon ends", harness.STOP_S)


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
