"""TCP in the forms that sockets give it. Prints JSON lines; ends with its standard input.

tcp-forms.py serve FIRST  Listens on FIRST (plain), FIRST+1 (TCP_DEFER_ACCEPT), FIRST+2 (Fast Open), FIRST+3 (multipath TCP) and
                          FIRST+4 (TCP MD5 signatures, RFC 2385). Sends back what it receives; prints { listening }, and { accepted: port, bytes, end } of every
                          connection that ended, `end` being `end` or an errno's name.
tcp-forms.py call         Makes a connection for every line of standard input, a JSON object { form, address, port, from? }:
                          sends 100,000 bytes, awaits them back, and prints { outcome }: `exact`, `CUT`, `OTHER BYTES`,
                          `TIMEOUT` or an errno's name. The forms `close`, `reset` and `silent` send nothing; `silent` awaits something.
"""

import errno
import json
import os
import socket
import struct
import sys
import threading

IPPROTO_MPTCP = 262
MSG_FASTOPEN = 0x20000000
TCP_MD5SIG = 14
TCP_MD5SIG_EXT = 32
MD5SIG_PREFIX = 1
IPV6_DSTOPTS = 59
TIMEOUT_S = 8
COUNT = 100_000


def say(what):
    # Threads say things, and a line is to stay in one piece.
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def name_of(error):
    if isinstance(error, TimeoutError):
        return "TIMEOUT"
    return errno.errorcode.get(error.errno or 0, str(error))


def serve(first):
    for port, prepare in enumerate([plain, defer_accept, fast_open, plain, signed], first):
        protocol = IPPROTO_MPTCP if port == first + 3 else 0
        listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        prepare(listener)
        listener.bind(("::", port))
        listener.listen(64)
        threading.Thread(target=accept, args=(listener, port), daemon=True).start()
    say({"listening": first})
    sys.stdin.read()


def plain(_listener):
    pass


def defer_accept(listener):
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)


def fast_open(listener):
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)


def signed(listener):
    for everybody in ["::", "::ffff:0.0.0.0"]:
        listener.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG_EXT, signature_for(socket.AF_INET6, everybody, MD5SIG_PREFIX))


def accept(listener, port):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=echo, args=(connection, port), daemon=True).start()


def echo(connection, port):
    count, end = 0, "end"
    try:
        while data := connection.recv(65_536):
            count += len(data)
            connection.sendall(data)
    except OSError as error:
        end = name_of(error)
    connection.close()
    say({"accepted": port, "bytes": count, "end": end})


def call(form, address, port, **rest):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    protocol = IPPROTO_MPTCP if form == "multipath" else 0
    connection = socket.socket(family, socket.SOCK_STREAM, protocol)
    connection.settimeout(rest.get("timeout", TIMEOUT_S))
    try:
        if "from" in rest:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            connection.bind(("", rest["from"]))
        return talk(connection, form, (address, port))
    except OSError as error:
        return name_of(error)
    finally:
        connection.close()


def talk(connection, form, peer):
    sent = os.urandom(COUNT)
    if form == "close":
        connection.connect(peer)
        return "exact"
    if form == "silent":
        connection.connect(peer)
        return "exact" if connection.recv(1) else "CUT"
    if form == "reset":
        connection.connect(peer)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return "exact"
    first = begin(connection, form, peer, sent)
    writer = threading.Thread(target=write, args=(connection, sent[first:]))
    writer.start()
    received = bytearray()
    while data := connection.recv(65_536):
        received += data
    writer.join()
    if bytes(received) == sent:
        return "exact"
    return "CUT" if sent.startswith(received) else "OTHER BYTES"


def begin(connection, form, peer, data):
    """Connects, and answers how much of the data went along."""
    if form == "queued write":
        connection.setblocking(False)
        if connection.connect_ex(peer) != errno.EINPROGRESS:
            raise OSError("the connect did not take its time")
        # The kernel waits with the third packet for a write that is under way.
        connection.setblocking(True)
        return connection.send(data[:500])
    if form == "fast open":
        connection.setblocking(True)
        return connection.sendto(data[:500], MSG_FASTOPEN, peer)
    if form == "IP options" and connection.family == socket.AF_INET:
        # No operations, and a router alert (RFC 2113).
        connection.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, bytes([1, 1, 1, 1, 148, 4, 0, 0]))
    if form == "IP options" and connection.family == socket.AF_INET6:
        # A destination options header with nothing but padding (RFC 8200 §4.6).
        connection.setsockopt(socket.IPPROTO_IPV6, IPV6_DSTOPTS, bytes([0, 0, 1, 4, 0, 0, 0, 0]))
    if form == "signature":
        connection.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, signature_for(connection.family, peer[0]))
    connection.connect(peer)
    return 0


def signature_for(family, address, flags=0):
    """struct tcp_md5sig (linux/tcp.h): sockaddr_storage, flags, prefix length, key length, interface, key."""
    packed = socket.inet_pton(family, address)
    v4, v6 = struct.pack("=HH", family, 0) + packed, struct.pack("=HHI", family, 0, 0) + packed
    storage = (v4 if family == socket.AF_INET else v6).ljust(128, b"\0")
    return storage + struct.pack("=BBHi", flags, 0, 6, 0) + b"secret".ljust(80, b"\0")


def write(connection, data):
    try:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # whoever reads hears of it


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    say("ready")
    for line in sys.stdin:
        say({"outcome": call(**json.loads(line))})
