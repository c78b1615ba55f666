"""Traffic for the supervisor's tests: each command prints JSON, one value a line.

serve ADDRESS PORT              echoes over TCP and UDP; prints "ready"
tcp ADDRESS PORT [MARK [SOURCE_PORT]]
                                connects, sends one byte twice, expects it back: "echo", "timeout" or an errno name, and how long it took
hold ADDRESS PORT               connects, prints "connected", then sends one byte for every line on stdin
stream ADDRESS PORT             prints "started", sends numbers and expects each back in order until a line on stdin; then how many
datagram PROTOCOL ADDRESS PORT SOURCE_PORT
                                sends a datagram, expects it back, by udp, udplite, or icmp (a ping socket, whose source port is the identifier)
udp ADDRESS PORT [SOURCE_PORT]  sends a datagram, expects it back
dns ADDRESS ROUNDS              asks for A and AAAA at once from one socket, ROUNDS times: how long the slowest took, or "timeout"
ping ADDRESS                    sends an ICMP echo request from a raw socket, expects the reply
link-message ADDRESS TYPE HOPS
                                sends an ICMPv6 message of this type and hop limit from a raw socket: "sent" or an errno name
segment SOURCE ADDRESS PORT     sends a mid-stream segment with data from a raw socket, source port 40001
option-syn SOURCE ADDRESS PORT  sends a SYN with TCP option kind 254 from a raw socket
deceive ADDRESS PORT            answers a SYN so that conntrack calls it invalid, then sends data so; prints "ready"
queue NUMBERS VERDICTS          answers packets; VERDICTS maps TCP flags ("S", "SA", "A", "PA", "*") to [verdict, mark or null]
"""

import errno
import json
import os
import select
import socket
import struct
import sys
import time

TIMEOUT_SECONDS = 0.5


def say(value):
    print(json.dumps(value), flush=True)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def outcome(action):
    began = time.monotonic()
    try:
        result = action()
    except TimeoutError:
        result = "timeout"
    except OSError as error:
        result = errno.errorcode.get(error.errno, str(error))
    say({"result": result, "ms": round((time.monotonic() - began) * 1000)})


def serve(address, port):
    listener = socket.socket(family_of(address), socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, int(port)))
    listener.listen()
    datagrams = [socket.socket(family_of(address), socket.SOCK_DGRAM, protocol) for protocol in (17, 136)]
    for each in datagrams:
        each.bind((address, int(port)))
    say("ready")
    connections = []
    while True:
        for ready in select.select([listener, *datagrams, *connections], [], [])[0]:
            if ready is listener:
                connections.append(listener.accept()[0])
            elif ready in datagrams:
                data, peer = ready.recvfrom(2048)
                answer(lambda: ready.sendto(data, peer))
            elif not answer(lambda: echo(ready)):
                connections.remove(ready)


def answer(action):
    try:
        return action()
    except OSError:
        return 0


def echo(connection):
    return connection.send(connection.recv(2048))


def tcp(address, port, mark=None, source_port="0"):
    def ask():
        client = socket.socket(family_of(address), socket.SOCK_STREAM)
        client.settimeout(TIMEOUT_SECONDS)
        client.bind(("", int(source_port)))
        if mark is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, int(mark, 0))
        client.connect((address, int(port)))
        for _ in range(2):
            client.send(b"x")
            if client.recv(1) != b"x":
                return "closed"
        return "echo"

    outcome(ask)


def hold(address, port):
    client = socket.create_connection((address, int(port)), TIMEOUT_SECONDS)
    say("connected")
    for _ in sys.stdin:

        def ask():
            client.send(b"x")
            return "echo" if client.recv(1) == b"x" else "closed"

        outcome(ask)


def stream(address, port):
    client = socket.create_connection((address, int(port)), TIMEOUT_SECONDS)
    client.settimeout(10)
    say("started")

    def ask():
        exact = 0
        while True:
            number = struct.pack("!Q", exact)
            client.sendall(number)
            if client.recv(8, socket.MSG_WAITALL) != number:
                return "wrong"
            exact += 1
            if exact % 50 == 0 and select.select([sys.stdin], [], [], 0)[0]:
                return exact
            time.sleep(0.002)

    outcome(ask)


def segment(source, address, port):
    send_raw(source, address, port, 40001, 5, 0x18, b"x" * 8)


def udp(address, port, source_port="0"):
    def ask():
        client = socket.socket(family_of(address), socket.SOCK_DGRAM)
        client.settimeout(TIMEOUT_SECONDS)
        client.bind(("", int(source_port)))
        client.connect((address, int(port)))
        client.send(b"x")
        return "echo" if client.recv(1) == b"x" else "closed"

    outcome(ask)


def datagram(protocol, address, port, source_port):
    is_v6 = ":" in address
    number = {"udp": 17, "udplite": 136, "icmp": socket.IPPROTO_ICMPV6 if is_v6 else 1}[protocol]
    sent = struct.pack("!BBHHHI", 128 if is_v6 else 8, 0, 0, 0, 1, 7) if protocol == "icmp" else b"x"

    def ask():
        client = socket.socket(family_of(address), socket.SOCK_DGRAM, number)
        client.settimeout(TIMEOUT_SECONDS)
        client.bind(("", int(source_port)))
        client.connect((address, int(port)))
        client.send(sent)
        return "echo" if client.recv(64)[-4:] == sent[-4:] else "closed"

    outcome(ask)


def dns(address, rounds):
    def query(number, kind):
        name = b"".join(bytes([len(part)]) + part for part in (b"name", b"test"))
        return struct.pack("!HHHHHH", number, 0x100, 1, 0, 0, 0) + name + b"\0" + struct.pack("!HH", kind, 1)

    def ask():
        slowest = 0
        for number in range(int(rounds)):
            client = socket.socket(family_of(address), socket.SOCK_DGRAM)
            client.settimeout(5)
            client.connect((address, 53))
            began = time.monotonic()
            queries = [query(number * 2, 1), query(number * 2 + 1, 28)]
            for each in queries:
                client.send(each)
            if {client.recv(512) for _ in queries} != set(queries):
                return "wrong"
            slowest = max(slowest, round((time.monotonic() - began) * 1000))
            client.close()
        return slowest

    outcome(ask)


def link_message(address, kind, hops):
    def send():
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
            raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, int(hops))
            raw.sendto(bytes([int(kind)]) + bytes(23), (address, 0))
        return "sent"

    outcome(send)


def ping(address):
    is_v6 = ":" in address
    kind, protocol = (128, socket.IPPROTO_ICMPV6) if is_v6 else (8, socket.IPPROTO_ICMP)
    request = struct.pack("!BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, 1)
    if not is_v6:
        request = request[:2] + struct.pack("!H", checksum(request)) + request[4:]

    def ask():
        client = socket.socket(family_of(address), socket.SOCK_RAW, protocol)
        client.settimeout(TIMEOUT_SECONDS)
        client.connect((address, 0))
        client.send(request)
        while True:
            reply = client.recv(2048)
            icmp = reply if is_v6 else reply[20:]
            if icmp[0] == (129 if is_v6 else 0) and icmp[4:] == request[4:]:
                return "echo"

    outcome(ask)


def option_syn(source, address, port):
    send_raw(source, address, port, 40000, 6, 2, b"\xfe\x04\x54\x52")


def deceive(address, port):
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x86DD if ":" in address else 0x0800))
    family, place = family_of(address), 8 if ":" in address else 12
    size = 16 if ":" in address else 4
    say("ready")
    while True:
        packet = sniffer.recv(2048)
        tcp = packet[40 if ":" in address else 20 :]
        if packet[place + size : place + 2 * size] != socket.inet_pton(family, address) or len(tcp) < 20:
            continue
        client_port, own_port, sequence = struct.unpack_from("!HHI", tcp)
        if own_port != int(port) or tcp[13] & 0x3F != 2:
            continue
        client = socket.inet_ntop(family, packet[place : place + size])
        acknowledged = (sequence + 1) & 0xFFFFFFFF
        send_raw(address, client, client_port, own_port, 5, 0x32, b"", (1, acknowledged))
        send_raw(address, client, client_port, own_port, 5, 0x11, b"xx", (2, acknowledged))


def send_raw(source, address, port, source_port, words, flags, rest, numbers=(1, 0)):
    header = struct.pack("!HHIIBBHHH", source_port, int(port), *numbers, words << 4, flags, 65535, 0, 0) + rest
    family = family_of(address)
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, address)
    total = checksum(ends + struct.pack("!II", 6, len(header)) + header)
    raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
    raw.bind((source, 0))
    raw.sendto(header[:16] + struct.pack("!H", total) + header[18:], (address, 0))
    say("sent")


def checksum(data):
    words = struct.unpack(f"!{len(data) // 2}H", data)
    total = sum(words)
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def netlink(kind, queue, attributes):
    body = b"".join(
        struct.pack("HH", 4 + len(value), number) + value + bytes(-len(value) % 4) for number, value in attributes
    )
    return struct.pack("IHHII", 20 + len(body), 0x300 | kind, 1, 0, 0) + struct.pack("!BBH", 0, 0, queue) + body


def attributes_of(message):
    found, at = {}, 20
    while at + 4 <= len(message):
        length, number = struct.unpack_from("HH", message, at)
        found[number & 0x3FFF] = message[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def tcp_flags(packet):
    is_v6 = packet[0] >> 4 == 6
    protocol, at = (packet[6], 40) if is_v6 else (packet[9], (packet[0] & 15) * 4)
    if protocol != 6:
        return "-"
    return "".join(name for bit, name in enumerate("FSRPA") if packet[at + 13] >> bit & 1)


def queue(numbers, verdicts):
    codes = {"drop": 0, "accept": 1, "repeat": 4}
    answers = json.loads(verdicts)
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    link.bind((0, 0))
    for number in json.loads(numbers):
        link.send(netlink(2, number, [(1, struct.pack("!BBH", 1, 0, 0))]))
        link.send(netlink(2, number, [(2, struct.pack("!IB", 0xFFFF, 2))]))
    say("ready")
    while True:
        message = link.recv(70000)
        kind, number = struct.unpack_from("H", message, 4)[0], struct.unpack_from("!H", message, 18)[0]
        if kind != 0x300:
            continue
        found = attributes_of(message)
        identifier, _, hook = struct.unpack_from("!IHB", found[1])
        mark = struct.unpack("!I", found[3])[0] if 3 in found else 0
        flags = tcp_flags(found[10])
        verdict, new_mark = answers.get(flags, answers.get("*"))
        reply = [(2, struct.pack("!II", codes[verdict], identifier))]
        if new_mark is not None:
            reply.append((3, struct.pack("!I", new_mark)))
        say({"queue": number, "mark": mark, "flags": flags, "hook": hook})
        link.send(netlink(1, number, reply))


COMMANDS = {
    "serve": serve,
    "tcp": tcp,
    "hold": hold,
    "stream": stream,
    "segment": segment,
    "udp": udp,
    "datagram": datagram,
    "dns": dns,
    "link-message": link_message,
    "ping": ping,
    "option-syn": option_syn,
    "deceive": deceive,
    "queue": queue,
}
COMMANDS[sys.argv[1]](*sys.argv[2:])
