"""Sends datagrams as frames of its own making: forged-frames.py DEVICE TO_MAC OWN_IP FORGED_IP TO_IP PORT. Each says how it was sent:
"own" as any program would, "source" from an address that is another's, the others in ways that a bridge's filter may not see."""

import socket
import struct
import sys

device, to_mac, own, forged, to, port = sys.argv[1:7]
frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
frames.bind((device, 0))
FROM_MAC = frames.getsockname()[4]
TO_MAC = bytes.fromhex(to_mac.replace(":", ""))
# LLDP's group: no bridge passes it on, IEEE 802.1Q table 8-1.
RESERVED_GROUP = bytes.fromhex("0180c200000e")
IPV4 = b"\x08\x00"
VLAN_0 = b"\x81\x00\0\0"
SERVICE_VLAN_0 = b"\x88\xa8\0\0"


def checksum(header):
    total = sum(struct.unpack("!10H", header))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def datagram(text, source):
    udp = struct.pack("!HHHH", 4000, int(port), 8 + len(text), 0) + text.encode()
    ends = socket.inet_aton(source) + socket.inet_aton(to)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, socket.IPPROTO_UDP, 0)
    return head[:10] + struct.pack("!H", checksum(head + ends)) + ends + udp


def send(text, source=own, tags=b"", mac=TO_MAC):
    frames.send(mac + FROM_MAC + tags + IPV4 + datagram(text, source))


send("source", source=forged)
send("vlan", tags=VLAN_0)
send("service-vlan", tags=SERVICE_VLAN_0)
send("two-vlans", tags=VLAN_0 + VLAN_0)
send("service-and-vlan", tags=SERVICE_VLAN_0 + VLAN_0)
send("group", mac=RESERVED_GROUP)
send("own")
