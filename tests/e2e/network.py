"""Two network namespaces and a pair of veth interfaces between them: a server's end and a client's.
Needs root and iproute2."""

import contextlib
import ctypes
import itertools
import os
import shutil
import subprocess
import threading

SERVER, CLIENT = "10.77.0.1", "10.77.0.2"
INTERFACE = "minos0"  # the server's, in its namespace

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()


def _ip(*args):
    run = subprocess.run(["ip", *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                         check=False)
    if run.returncode != 0:
        raise OSError(f"ip {' '.join(args)}: {run.stderr.strip()}")
    return run.stdout


def _enter(namespace):
    fd = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if _libc.setns(fd, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    finally:
        os.close(fd)


class Network:
    def __init__(self, queues, mtu):
        name = f"minos-{os.getpid()}-{next(_numbers)}"
        self.server, self.client = f"{name}-s", f"{name}-c"
        count = ["numrxqueues", str(queues), "numtxqueues", str(queues)]
        for namespace in (self.server, self.client):
            _ip("netns", "add", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        size = ["mtu", str(mtu)]
        _ip("link", "add", INTERFACE, "netns", self.server, *size, *count, "type", "veth",
            "peer", "name", "client0", "netns", self.client, *size, *count)
        for namespace, interface, address in ((self.server, INTERFACE, SERVER),
                                              (self.client, "client0", CLIENT)):
            _ip("-n", namespace, "address", "add", f"{address}/24", "dev", interface)
            _ip("-n", namespace, "link", "set", interface, "up")

    def ip(self, *args):
        """In the server's namespace."""
        return _ip("-n", self.server, *args)

    def has_program(self):
        return "prog/xdp" in self.ip("link", "show", INTERFACE)

    def in_server(self, *command):
        return ["ip", "netns", "exec", self.server, *command]

    def in_client(self, *command):
        return ["ip", "netns", "exec", self.client, *command]

    def call(self, namespace, function, *args, **options):
        """function(…) in a thread of that namespace: sockets that it opens stay there."""
        result = []

        def run():
            try:
                _enter(namespace)
                result.append((function(*args, **options), None))
            except BaseException as error:  # pylint: disable=broad-except
                result.append((None, error))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        value, error = result[0]
        if error is not None:
            raise error
        return value

    def remove(self):
        for namespace in (self.server, self.client):
            with contextlib.suppress(OSError):
                _ip("netns", "delete", namespace)


@contextlib.contextmanager
def veth(queues, mtu=1500):
    """A Network whose interfaces have so many queues of either kind, and packets of so many
    bytes."""
    net = None
    try:
        net = Network(queues, mtu)
        yield net
    finally:
        if net is not None:
            net.remove()


def why_missing():
    """Why there can be no network of a test's own; "" if there can."""
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("ip") is None:
        return "needs iproute2"
    try:
        with veth(1):
            return ""
    except OSError as error:
        return f"needs network namespaces: {error}"
