"""Listens on a port of its own or one that it shares (SO_REUSEPORT): shared-port.py PORT ADDRESS [steer]. With `steer` it has every
connection of the group given to the member that listens last. Says `{"listening": PORT}`, then a line for each connection: what it read."""

import ctypes
import json
import socket
import struct
import sys
import threading

SO_ATTACH_REUSEPORT_CBPF = 51
BPF_RET_K = 0x06

port, address = int(sys.argv[1]), sys.argv[2]
steers = sys.argv[3:] == ["steer"]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
listener = socket.socket(family)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
listener.bind((address, port))
listener.listen()
if steers:
    # A classic BPF program of one instruction: return 1, the group's second member.
    program = ctypes.create_string_buffer(struct.pack("HBBI", BPF_RET_K, 0, 0, 1))
    listener.setsockopt(
        socket.SOL_SOCKET,
        SO_ATTACH_REUSEPORT_CBPF,
        struct.pack("HxxxxxxP", 1, ctypes.addressof(program)),
    )


def say(what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def serve(connection):
    while data := connection.recv(65536):
        say({"read": len(data)})
        connection.sendall(data)


def accept():
    while True:
        connection = listener.accept()[0]
        say({"accepted": True})
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
say({"listening": port})
sys.stdin.read()
