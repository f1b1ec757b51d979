#!/usr/bin/python3
"""Runs transcripts (tests/transcripts/README.md) against a server on HOST:PORT."""

import argparse
import dataclasses
import pathlib
import random
import re
import select
import socket
import sys
import time

REPLY_TIMEOUT_S = 5.0
SILENCE_S = 0.05  # how long nothing must come where nothing may
SPLIT_GAP_S = 0.0001
PIECES_MAX = 600  # requests of more pieces are split at random points instead
RANDOM_SPLITS = 16


class Mismatch(AssertionError):
    pass


@dataclasses.dataclass
class Step:
    line: int
    kind: str  # send, expect, match, match_all, wait, connect, closed
    payload: object = None


@dataclasses.dataclass
class Transcript:
    path: pathlib.Path
    args: str = ""
    minos_only: str = ""
    steps: list = dataclasses.field(default_factory=list)


# Bytes are a list of pieces: bytes, ("capture", name), ("name", name) or ("now", delta).
BRACE = re.compile(r"(?:cas:(?P<capture>\w+)|now(?P<now>[+-]\d+)|(?P<name>\w+))\Z")
ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\", "{": b"{", "}": b"}", "#": b"#"}


def _take_byte(text, at):
    """One byte, perhaps escaped; returns it and where the next one starts."""
    if text[at] != "\\":
        return text[at].encode("latin-1"), at + 1
    if text[at + 1] == "x":
        return bytes([int(text[at + 2 : at + 4], 16)]), at + 4
    return ESCAPES[text[at + 1]], at + 2


def _take_brace(text, at):
    """What stands in braces, from behind the brace; returns it and where the text goes on."""
    start = at
    parts = [b""]  # the bytes between unescaped #
    while text[at] != "}":
        if text[at] == "#":
            parts.append(b"")
            at += 1
        elif repeat := re.match(r"\*(\d+)\}", text[at:]):
            count = int(repeat.group(1))
            at += repeat.end()
            if len(parts) == 1:
                return parts[0] * count, at
            return b"".join(str(i).encode().join(parts) for i in range(count)), at
        else:
            byte, at = _take_byte(text, at)
            parts[-1] += byte
    match = BRACE.match(text[start:at])
    if not match:
        raise ValueError(f"unknown braces {{{text[start:at]}}}")
    if match["capture"]:
        return ("capture", match["capture"]), at + 1
    if match["now"]:
        return ("now", int(match["now"])), at + 1
    return ("name", match["name"]), at + 1


def parse_bytes(text):
    pieces = []
    at = 0
    while at < len(text):
        if text[at] == "{":
            piece, at = _take_brace(text, at + 1)
        else:
            piece, at = _take_byte(text, at)
        if isinstance(piece, bytes) and pieces and isinstance(pieces[-1], bytes):
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return pieces


def _parse_line(transcript, number, line):
    word, _, rest = line.partition(" ")
    steps = transcript.steps
    if word == ">":
        pieces = parse_bytes(rest)
        if steps and steps[-1].kind == "send":
            steps[-1].payload += pieces
        else:
            steps.append(Step(number, "send", pieces))
    elif word == "<":
        steps.append(Step(number, "expect", parse_bytes(rest)))
    elif word in ("~", "~*"):
        kind = "match" if word == "~" else "match_all"
        steps.append(Step(number, kind, re.compile(rest.encode("latin-1"))))
    elif word == "wait":
        steps.append(Step(number, "wait", float(rest)))
    elif word in ("connect", "closed"):
        steps.append(Step(number, word))
    elif word == "args":
        transcript.args = rest
    elif word == "minos-only":
        transcript.minos_only = rest
    else:
        raise ValueError(f"unknown line {line!r}")


def parse_file(path):
    transcript = Transcript(pathlib.Path(path))
    text = transcript.path.read_text(encoding="latin-1")
    for number, line in enumerate(text.split("\n"), start=1):
        if line == "" or line.startswith("#"):
            continue
        try:
            _parse_line(transcript, number, line)
        except (ValueError, KeyError, IndexError) as error:
            raise ValueError(f"{path}:{number}: {error}") from error
    return transcript


class Peer:
    """A connection that keeps reading while it sends, lest both sides wait for each other."""

    def __init__(self, host, port):
        self._socket = socket.create_connection((host, port), timeout=REPLY_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._received = bytearray()
        self.ended = False

    def close(self):
        self._socket.close()

    def _receive(self, timeout_s):
        """Waits for some bytes or the end; false when neither came."""
        if self.ended or not select.select([self._socket], [], [], timeout_s)[0]:
            return False
        try:
            data = self._socket.recv(1 << 20)
        except ConnectionError:
            data = b""
        self.ended = not data
        self._received += data
        return True

    def send(self, data):
        view = memoryview(data)
        deadline = time.monotonic() + REPLY_TIMEOUT_S
        while view and not self.ended:
            if time.monotonic() > deadline:
                raise Mismatch(f"the server does not take the last {len(view)} bytes")
            readable, writable, _ = select.select([self._socket], [self._socket], [], 1.0)
            if readable:
                self._receive(0)
            if writable:
                try:
                    view = view[self._socket.send(view) :]
                except ConnectionError:
                    self.ended = True

    def peek(self, count, timeout_s=REPLY_TIMEOUT_S):
        """Up to `count` bytes; fewer when no more come in time."""
        deadline = time.monotonic() + timeout_s
        while len(self._received) < count:
            if not self._receive(max(0.0, deadline - time.monotonic())):
                break
        return bytes(self._received[:count])

    def take(self, count):
        data = self.peek(count)
        del self._received[: len(data)]
        return data

    def peek_line(self):
        """A line with its end, or what there is of it."""
        want = 1
        while True:
            data = self.peek(max(want, len(self._received)))
            end = data.find(b"\n")
            if end >= 0:
                return data[: end + 1]
            if len(data) < want:
                return data
            want = len(data) + 1


def _show(data, around=None):
    if around is not None and len(data) > 120:
        begin = max(0, around - 40)
        return f"...{data[begin : around + 60]!r}... ({len(data)} bytes, from {begin})"
    return repr(data)


class _Run:
    def __init__(self, transcript, host, port, split, rng):
        self.transcript = transcript
        self.address = (host, port)
        self.split = split
        self.rng = rng
        self.names = {}
        self.peer = Peer(host, port)

    def fail(self, step, text):
        raise Mismatch(f"{self.transcript.path}:{step.line}: {text}")

    def resolve(self, piece):
        if isinstance(piece, bytes):
            return piece
        kind, value = piece
        if kind == "now":
            return str(int(time.time()) + value).encode()
        return self.names[value]

    def send(self, step):
        data = b"".join(self.resolve(piece) for piece in step.payload)
        if self.split == 0:
            self.peer.send(data)
            return
        points = range(self.split, len(data), self.split)
        if len(points) > PIECES_MAX:
            points = sorted(self.rng.sample(range(1, len(data)), RANDOM_SPLITS))
        begin = 0
        for end in [*points, len(data)]:
            self.peer.send(data[begin:end])
            time.sleep(SPLIT_GAP_S)
            begin = end

    def expect(self, step):
        for piece in step.payload:
            if isinstance(piece, tuple) and piece[0] == "capture":
                digits = re.match(rb"\d*", self.peer.peek_line())[0]
                if not digits:
                    self.fail(step, f"wanted a number, got {_show(self.peer.peek(80, 0))}")
                self.names[piece[1]] = self.peer.take(len(digits))
                continue
            wanted = self.resolve(piece)
            got = self.peer.take(len(wanted))
            if got != wanted:
                self.fail_bytes(step, wanted, got)

    def fail_bytes(self, step, wanted, got):
        both = min(len(wanted), len(got))
        at = next((i for i in range(both) if wanted[i] != got[i]), both)
        more = self.peer.peek(200, 0.2)
        end = " and the end of the connection" if self.peer.ended else ""
        self.fail(
            step,
            f"first difference at byte {at}\n  wanted {_show(wanted, at)}"
            f"\n  got    {_show(got, at)}{end}\n  then   {_show(more)}",
        )

    def match(self, step):
        line = self.peer.take(len(self.peer.peek_line()))
        if not (line.endswith(b"\r\n") and step.payload.fullmatch(line[:-2])):
            self.fail(step, f"wanted a line like {step.payload.pattern!r}, got {_show(line)}")

    def match_all(self, step):
        while True:
            line = self.peer.peek_line()
            if not (line.endswith(b"\r\n") and step.payload.fullmatch(line[:-2])):
                return
            self.peer.take(len(line))

    def wait(self, step):
        time.sleep(step.payload)

    def nothing_more(self, step):
        if extra := self.peer.peek(200, SILENCE_S):
            self.fail(step, f"wanted nothing more, got {_show(extra)}")

    def connect(self, step):
        self.nothing_more(step)
        self.peer.close()
        self.peer = Peer(*self.address)

    def closed(self, step):
        if extra := self.peer.peek(200):
            self.fail(step, f"wanted the connection closed, got {_show(extra)}")
        if not self.peer.ended:
            self.fail(step, "the connection is still open")

    def run(self):
        step = Step(0, "connect")
        try:
            for step in self.transcript.steps:
                getattr(self, step.kind)(step)
            self.nothing_more(step)
        finally:
            self.peer.close()


def run_file(path, host, port, split=0, seed=1):
    """Raises Mismatch, with file, line and the first difference, unless all goes as written.

    Requests are sent whole (split 0) or in pieces of `split` bytes; long ones in a few pieces that
    end at random.
    """
    try:
        _Run(parse_file(path), host, port, split, random.Random(seed)).run()
    except Mismatch as error:
        raise Mismatch(f"{error}\n  (split {split}, seed {seed})") from None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("paths", nargs="*", help="default: all of tests/transcripts")
    parser.add_argument("--split", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--args", default="", help="flags the server was started with")
    parser.add_argument("--memcached", action="store_true", help="leave out what is minos-only")
    options = parser.parse_args()
    host, _, port = options.address.rpartition(":")
    folder = pathlib.Path(__file__).resolve().parent.parent / "transcripts"
    failures = 0
    for path in options.paths or sorted(folder.glob("*.txt")):
        transcript = parse_file(path)
        if transcript.args != options.args or (options.memcached and transcript.minos_only):
            continue
        for split in options.split:
            start = time.monotonic()
            try:
                run_file(path, host, int(port), split, options.seed)
                verdict = "ok"
            except (Mismatch, OSError) as error:
                failures += 1
                verdict = f"FAILED\n{error}"
            print(f"{path} split {split} {time.monotonic() - start:.2f}s {verdict}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
