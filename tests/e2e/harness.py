"""Starts the server under test and speaks to it.

MINOSD       the program (default build/release/minosd); /usr/bin/memcached works too, so that
             the suite itself is checked against the original
MINOSD_ARGS  more arguments for every start, such as "-u nobody"
"""

import contextlib
import os
import pathlib
import random
import re
import shlex
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = pathlib.Path(os.environ.get("MINOSD", ROOT / "build" / "release" / "minosd"))
EXTRA_ARGS = shlex.split(os.environ.get("MINOSD_ARGS", ""))
IS_MINOS = PROGRAM.name == "minosd"

HOST = "127.0.0.1"
START_S = 20
STOP_S = 5

_SANITIZER = re.compile(r"(Address|Thread|Leak|Memory|UndefinedBehavior)Sanitizer|runtime error:"
                        r"|check failed")


def sanitized():
    """Is the program built with a sanitizer (slower, and much more memory)?"""
    return PROGRAM.parent.name in ("asan", "tsan")


def user_args():
    """memcached, started by root, wants to be told as whom to run."""
    return ["-u", "root"] if os.geteuid() == 0 and not IS_MINOS and not EXTRA_ARGS else []


# Processes of a suite that runs in parallel draw from ranges of their own, below the ports that the
# kernel gives away: two servers on one port would share its connections.
_PORTS_EACH = 2000
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_FIRST_PORT = 10_000 + _WORKER % 11 * _PORTS_EACH
_next_port = random.randrange(_PORTS_EACH)


def _is_free(port):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                return False
    return True


def free_ports(count):
    """The first of so many in a row that nobody has bound, neither for TCP nor for UDP."""
    global _next_port  # pylint: disable=W0603
    while True:
        if _next_port + count > _PORTS_EACH:
            _next_port = 0
        first = _FIRST_PORT + _next_port
        _next_port += count
        if all(_is_free(first + i) for i in range(count)):
            return first


def free_port():
    return free_ports(1)


class Client:
    """A socket with the few words of the text protocol that the raw tests need."""

    def __init__(self, address, timeout=10, receive_buffer=None):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes so that the server sees an error instead of an end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _more(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise EOFError(f"closed after {self.buffer[:200]!r}")
        self.buffer += data

    def line(self):
        while b"\r\n" not in self.buffer:
            self._more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def exactly(self, count):
        parts = [self.buffer[:count]]
        self.buffer = self.buffer[count:]
        left = count - len(parts[0])
        while left > 0:
            data = self.socket.recv(min(left, 1 << 20))
            if not data:
                raise EOFError(f"closed {left} bytes early")
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    def ask(self, line):
        self.send(line + b"\r\n")
        return self.line()

    def set(self, key, value, flags=0, expire=0):
        self.send(b"set %s %d %d %d\r\n" % (key, flags, expire, len(value)) + value + b"\r\n")
        return self.line()

    def read_value(self):
        """The value of a get of one key that was sent before; None for a miss."""
        head = self.line()
        if head == b"END":
            return None
        count = int(head.split()[3])
        value = self.exactly(count + 2)
        assert value[-2:] == b"\r\n", value[-20:]
        assert self.line() == b"END"
        return value[:-2]

    def get(self, key):
        self.send(b"get " + key + b"\r\n")
        return self.read_value()

    def stats(self, *what):
        self.send(b" ".join([b"stats", *what]) + b"\r\n")
        out = {}
        while (line := self.line()) != b"END":
            _, name, *value = line.split(b" ", 2)
            out[name.decode()] = (value or [b""])[0].decode()
        return out

    def closed_by_server(self):
        """Reads until the end; True when the server ended it."""
        try:
            while self.socket.recv(1 << 16):
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False


class Server:
    """A process of the server under test."""

    def __init__(self, args=(), unix_socket=None, listen=True, env=None, cwd=None, prefix=()):
        self.port = free_port()
        self.unix_socket = unix_socket
        self.address = unix_socket or (HOST, self.port)
        command = [*prefix, str(PROGRAM), *user_args(), *EXTRA_ARGS]
        if unix_socket is not None:
            command += ["-s", unix_socket]
        elif listen:
            command += ["-p", str(self.port), "-l", HOST]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command + [str(a) for a in args], stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}, cwd=cwd)

    def wait_ready(self):
        end = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError, EOFError):
                with Client(self.address, timeout=2) as client:
                    assert client.ask(b"version").startswith(b"VERSION ")
                return self
            assert self.process.poll() is None, f"ended at its start: {self.output()}"
            assert time.monotonic() < end, f"does not answer: {self.output()}"
            time.sleep(0.02)

    def client(self, **options):
        return Client(self.address, **options)

    def output(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024

    def stop(self, with_signal=signal.SIGTERM):
        """Ends it, and checks that it ends well."""
        assert self.process.poll() is None, f"ended on its own: {self.output()}"
        self.process.send_signal(with_signal)
        try:
            code = self.process.wait(STOP_S * (4 if sanitized() else 1))
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still there {STOP_S} s after the signal: {self.output()}") \
                from None
        output = self.output()
        assert code == 0, f"exit code {code}: {output}"
        assert not _SANITIZER.search(output), output

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def run_to_end(*args, timeout=START_S, **options):
    """Runs the program with exactly these arguments: (exit code, stdout, stderr)."""
    run = subprocess.run([str(PROGRAM), *args], stdin=subprocess.DEVNULL, capture_output=True,
                         text=True, timeout=timeout, check=False, **options)
    return run.returncode, run.stdout, run.stderr


def pattern(key, size):
    """A value that says whose it is, and that no part of another one equals."""
    seed = b"<%s:%d>" % (key if isinstance(key, bytes) else key.encode(), size)
    return (seed * (size // len(seed) + 1))[:size]


def wait_until(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)
