"""Speaks with itself at an address over TCP, UDP and ICMP: ask-itself.py ADDRESS. Prints for each whether the answer came, as JSON."""

import json
import socket
import struct
import sys

address = sys.argv[1]
FAMILY = socket.AF_INET6 if ":" in address else socket.AF_INET
PATIENCE_S = 3


def tcp():
    with socket.socket(FAMILY) as listener:
        listener.bind((address, 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()[:2], PATIENCE_S) as client:
            server, _ = listener.accept()
            server.sendall(b"answer")
            return client.recv(6) == b"answer"


def udp():
    with socket.socket(FAMILY, socket.SOCK_DGRAM) as server, socket.socket(FAMILY, socket.SOCK_DGRAM) as client:
        for end in (server, client):
            end.bind((address, 0))
            end.settimeout(PATIENCE_S)
        client.sendto(b"question", server.getsockname())
        _, asker = server.recvfrom(100)
        server.sendto(b"answer", asker)
        return client.recv(100) == b"answer"


def checksum(packet):
    total = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def icmp():
    """An echo request (RFC 792, RFC 4443 section 4.1). The kernel sums for IPv6."""
    is_ipv6 = FAMILY == socket.AF_INET6
    request, reply = (128, 129) if is_ipv6 else (8, 0)
    rest = struct.pack("!HH", 4711, 1)
    total = 0 if is_ipv6 else checksum(struct.pack("!BBH", request, 0, 0) + rest)
    protocol = socket.IPPROTO_ICMPV6 if is_ipv6 else socket.IPPROTO_ICMP
    with socket.socket(FAMILY, socket.SOCK_RAW, protocol) as raw:
        raw.settimeout(PATIENCE_S)
        raw.sendto(struct.pack("!BBH", request, 0, total) + rest, (address, 0))
        while True:
            packet = raw.recv(1000)
            message = packet if is_ipv6 else packet[(packet[0] & 0xF) * 4 :]
            if message[0] == reply and message[4:8] == rest:
                return True


def tried(ask):
    try:
        return ask()
    except OSError:
        return False


print(json.dumps({"tcp": tried(tcp), "udp": tried(udp), "icmp": tried(icmp)}))
