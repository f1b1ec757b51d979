"""A client of the Minos datagram protocol, written from docs/PROTOCOL.md alone."""

import os
import socket
import struct
import time

HEADER = struct.Struct("<BBBBIQIIHBB")
assert HEADER.size == 28

OPS = {name: number for number, name in enumerate(
    "noop get set add replace cas delete incr decr touch multi-get stats append prepend gat "
    "flush-all".split())}
STATUSES = ("ok", "not found", "exists", "too large", "out of memory", "non-numeric", "busy",
            "malformed", "version", "token", "changed", "missing")
STORES = ("set", "add", "replace", "cas", "append", "prepend")
WRITES = (*STORES, "delete", "incr", "decr", "touch", "flush-all")
FRAGMENT_BYTES = 1100  # with any header and key below 1472


class Reply:
    def __init__(self, data):
        (self.magic, self.version, op, status, self.id, self.token, self.value_bytes, self.offset,
         self.fragment_bytes, self.key_bytes, self.queues) = HEADER.unpack_from(data)
        self.op = op & 0x7f
        self.status = STATUSES[status]
        self.rest = data[HEADER.size:]


class Client:
    def __init__(self, host, port, queues=1, single_port=False, retry_s=0.25, patience_s=10):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.host, self.port, self.queues = host, port, queues
        self.single_port = single_port
        self.retry_s, self.patience_s = retry_s, patience_s
        self.token = 0
        self.next_id = int.from_bytes(os.urandom(3), "little")
        self.session = int.from_bytes(os.urandom(4), "little")
        self.write_numbers = [0] * 256  # the next one, of each queue
        self.retries = 0

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    def datagram(self, op, request_id, key=b"", fixed=b"", payload=b"", value_bytes=0, offset=0,
                 fragment_bytes=0, flags=0, queue=0):
        return HEADER.pack(0x6d, 1, OPS[op], flags, request_id, self.token, value_bytes, offset,
                           fragment_bytes, len(key), queue) + fixed + key + payload

    def write_id(self, queue=0):
        """What the fixed fields of a write begin with: the same in every copy of it."""
        self.write_numbers[queue] += 1
        return struct.pack("<II", self.session, self.write_numbers[queue] - 1)

    def send(self, data, queue=0):
        self.socket.sendto(data, (self.host, self.port if self.single_port else self.port + queue))

    def replies(self, request_id, timeout):
        """Those to this request that come until nothing comes for so long."""
        while True:
            self.socket.settimeout(timeout)
            try:
                data, peer = self.socket.recvfrom(65536)
            except TimeoutError:
                return
            reply = Reply(data)
            assert (reply.magic, reply.version) == (0x6d, 1)
            if reply.token:
                self.token = reply.token
            if reply.id == request_id:
                reply.port = peer[1]
                yield reply

    def begin(self):
        self.next_id += 1
        return self.next_id & 0xffffffff

    def ask(self, op, key=b"", fixed=b"", payload=b"", queue=0, **header):
        """One datagram out, one back; tried again until the reply is there."""
        request_id = self.begin()
        if op in WRITES:
            fixed = self.write_id(queue) + fixed
        deadline = time.monotonic() + self.patience_s
        retry = 0
        while time.monotonic() < deadline:
            self.send(self.datagram(op, request_id, key, fixed, payload, flags=retry, queue=queue,
                                    **header), queue)
            for reply in self.replies(request_id, self.retry_s):
                if reply.status in ("token", "busy"):
                    break
                return reply
            else:
                retry = 1
                self.retries += 1
        raise TimeoutError(f"{op} {key!r}")

    def connect(self):
        self.ask("noop")
        return self

    def store(self, op, key, value, flags=0, expiry=0, cas=None, queue=0):
        fixed = b""
        if op not in ("append", "prepend"):
            fixed = struct.pack("<II", flags, expiry)
        if cas is not None:
            fixed += struct.pack("<Q", cas)
        if len(value) <= FRAGMENT_BYTES:
            return self.ask(op, key, fixed, value, queue, value_bytes=len(value))
        if not self.token:
            self.connect()
        return self._store_fragments(op, key, fixed, value, queue)

    def _store_fragments(self, op, key, fixed, value, queue):
        request_id = self.begin()
        fixed = self.write_id(queue) + fixed

        def send(offset, retry):
            part = value[offset:offset + FRAGMENT_BYTES]
            self.send(self.datagram(op, request_id, key, fixed, part, len(value), offset,
                                    FRAGMENT_BYTES, retry, queue), queue)

        due = list(range(0, len(value), FRAGMENT_BYTES))
        deadline = time.monotonic() + self.patience_s
        while time.monotonic() < deadline:
            stretch, due = due[:60], due[60:]
            for offset in stretch[:-1]:
                send(offset, 0)
            send(stretch[-1] if stretch else 0, 1)
            heard = False
            for reply in self.replies(request_id, self.retry_s):
                heard = True
                if reply.status != "missing":
                    if reply.status in ("token", "busy"):
                        due = list(range(0, len(value), FRAGMENT_BYTES))
                        break
                    return reply
                gaps = [struct.unpack_from("<II", reply.rest, at)
                        for at in range(0, len(reply.rest), 8)]
                due = [at for offset, count in gaps
                       for at in range(offset, offset + count, FRAGMENT_BYTES)]
                break
            if not heard:
                self.retries += 1
        raise TimeoutError(f"{op} {key!r} of {len(value)} bytes")

    def set(self, key, value, **options):
        return self.store("set", key, value, **options).status

    def get_item(self, key, queue=0, window=65536, op="get", fixed=None):
        """(value, flags, cas), or None for a miss."""
        deadline = time.monotonic() + self.patience_s
        parts, total, fragment, cas, flags = {}, None, 0, 0, 0
        while time.monotonic() < deadline:
            offset = 0
            while total is not None and offset in parts:
                offset += fragment
            if total is not None and offset >= total:
                return b"".join(parts[at] for at in sorted(parts)), flags, cas
            request_id = self.begin()
            self.send(self.datagram(op, request_id, key,
                                    struct.pack("<Q", cas) if fixed is None else fixed,
                                    value_bytes=window if op == "get" else 0, offset=offset,
                                    fragment_bytes=fragment, queue=queue), queue)
            asked = None
            for reply in self.replies(request_id, self.retry_s):
                if reply.status == "not found":
                    return None
                if reply.status == "changed":
                    parts, total, fragment, cas = {}, None, 0, 0
                    break
                if reply.status in ("token", "busy"):
                    break
                assert reply.status == "ok", reply.status
                flags, cas = struct.unpack_from("<IQ", reply.rest)
                total, fragment = reply.value_bytes, reply.fragment_bytes
                parts[reply.offset] = reply.rest[12:]
                if asked is None:
                    step = max(fragment, 1)
                    whole = -(-window // step) * step
                    end = min(total, offset + whole) if op == "get" else total
                    asked = set(range(offset, max(end, 1), step))
                asked.discard(reply.offset)
                if not asked:
                    break
        raise TimeoutError(f"get {key!r}")

    def get(self, key, **options):
        item = self.get_item(key, **options)
        return None if item is None else item[0]

    def number(self, op, key, delta, queue=0):
        reply = self.ask(op, key, struct.pack("<Q", delta), queue=queue)
        return struct.unpack("<Q", reply.rest)[0] if reply.status == "ok" else reply.status

    def stats(self, argument=b""):
        deadline = time.monotonic() + self.patience_s
        while time.monotonic() < deadline:
            request_id = self.begin()
            self.send(self.datagram("stats", request_id, payload=argument))
            parts, snapshot = {}, None
            for reply in self.replies(request_id, self.retry_s):
                if reply.status == "token":
                    break
                assert reply.status == "ok", reply.status
                number, = struct.unpack_from("<Q", reply.rest)
                if number != snapshot:
                    parts, snapshot = {}, number
                parts[reply.offset] = reply.rest[8:]
                if sum(map(len, parts.values())) == reply.value_bytes:
                    text = b"".join(parts[at] for at in sorted(parts)).decode()
                    return dict(line.split(" ", 2)[1:] for line in text.splitlines()
                                if line.startswith("STAT "))
        raise TimeoutError("stats")
