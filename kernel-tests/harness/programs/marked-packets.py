"""Every value of the private mark field (bits 20 to 31, linux/socket.h SO_MARK), one connection and one datagram each.
Usage: marked-packets.py ADDRESS TCP_PORT UDP_PORT. Prints a JSON object: the connections' outcomes (`connected` or an errno's name) by number."""

import collections
import errno
import json
import selectors
import socket
import struct
import sys
import time

SO_MARK = 36
VALUES = 4096
SHIFT = 20
AT_ONCE = 256
TIMEOUT_S = 5

address, tcp_port, udp_port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
outcomes = collections.Counter()


def marked(kind, value):
    sock = socket.socket(family, kind)
    sock.setsockopt(socket.SOL_SOCKET, SO_MARK, struct.pack("I", value << SHIFT))
    sock.setblocking(False)
    return sock


def settle(sock):
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    outcomes[errno.errorcode[error] if error else "connected"] += 1
    sock.close()


def send_datagram(value):
    with marked(socket.SOCK_DGRAM, value) as sock:
        try:
            sock.sendto(b"marked", (address, udp_port))
        except OSError:
            pass


def connect_all(values):
    selector = selectors.DefaultSelector()
    for value in values:
        sock = marked(socket.SOCK_STREAM, value)
        error = sock.connect_ex((address, tcp_port))
        if error == errno.EINPROGRESS:
            selector.register(sock, selectors.EVENT_WRITE)
        else:
            outcomes[errno.errorcode[error] if error else "connected"] += 1
            sock.close()
    deadline = time.monotonic() + TIMEOUT_S
    while selector.get_map() and time.monotonic() < deadline:
        for key, _ in selector.select(0.1):
            selector.unregister(key.fileobj)
            settle(key.fileobj)
    for key in list(selector.get_map().values()):
        outcomes["TIMEOUT"] += 1
        key.fileobj.close()


for first in range(0, VALUES, AT_ONCE):
    batch = range(first, first + AT_ONCE)
    for value in batch:
        send_datagram(value)
    connect_all(batch)
print(json.dumps(outcomes))
