"""Sends packets as they are. Reads lines: "ip HEX" goes the way of a packet of this host's own, "frame HEX" straight out of
the device named as argument (on the loopback device: straight in). Prints "ready" as JSON; ends with its standard input."""

import json
import socket
import sys

ETH_P_IP = 0x0800
ETH_P_IPV6 = 0x86DD

# IPPROTO_RAW: the header is the sender's, in both families (raw(7)).
v4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
v6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
frames = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
device = sys.argv[1] if len(sys.argv) > 1 else "lo"


def send_packet(packet):
    if packet[0] >> 4 == 4:
        v4.sendto(packet, (socket.inet_ntop(socket.AF_INET, packet[16:20]), 0))
    else:
        v6.sendto(packet, (socket.inet_ntop(socket.AF_INET6, packet[24:40]), 0))


def send_frame(packet):
    protocol = ETH_P_IP if packet[0] >> 4 == 4 else ETH_P_IPV6
    frames.sendto(packet, (device, protocol, 0, 0, b"\0" * 6))


print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    how, text = line.split()
    try:
        (send_packet if how == "ip" else send_frame)(bytes.fromhex(text))
        print(json.dumps("sent"), flush=True)
    except OSError as error:
        print(json.dumps({"error": str(error)}), flush=True)
