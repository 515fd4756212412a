"""A process in a network namespace of its own, with one tap as its only way out.

    python namespaces.py SOCKET ADDRESS COMMAND…    hand the tap over this socket, then become the command
    python namespaces.py                            only try whether that can be

Made by system calls alone: no tool is needed, and nothing is left behind. A namespace and its tap end with their
process. It needs root and /dev/net/tun.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys

PRIVATE = b"\x02\x00\x00\x00\x00"  # and the last number of the address: a hardware address
_NEW_NETWORK = 0x4000_0000  # of unshare(2)
_SET_TAP, _TAP_WITHOUT_HEADER = 0x4004_54CA, 0x0002 | 0x1000
_GET_FLAGS, _SET_FLAGS, _SET_ADDRESS, _SET_MASK, _SET_HARDWARE = 0x8913, 0x8914, 0x8916, 0x891C, 0x8924
_UP = 0x1


def missing() -> str:
    """Why there are no namespaces and taps on this machine; nothing where there are. Tried, not guessed."""
    tried = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=False)
    return tried.stderr.strip().rpartition("\n")[2]


def enter_namespace() -> None:
    """This process stands alone from now on: it has a loopback interface and nothing else."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        _raise(control, b"lo")


def open_tap(name: str, address: str) -> int:
    """An interface in this process's namespace, up, with this address; its other end is the result."""
    tap, named = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC), name.encode()
    fcntl.ioctl(tap, _SET_TAP, struct.pack("16sH22x", named, _TAP_WITHOUT_HEADER))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        hardware = struct.pack("16sH6s16x", named, 1, PRIVATE + socket.inet_aton(address)[3:])
        fcntl.ioctl(control, _SET_HARDWARE, hardware)
        for request, text in ((_SET_ADDRESS, address), (_SET_MASK, "255.255.255.0")):
            internet = struct.pack("16sH2x4s16x", named, socket.AF_INET, socket.inet_aton(text))
            fcntl.ioctl(control, request, internet)
        _raise(control, named)
    return tap


def _raise(control: socket.socket, name: bytes) -> None:
    flags = struct.unpack_from("16sH", fcntl.ioctl(control, _GET_FLAGS, struct.pack("16sH22x", name, 0)))[1]
    fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH22x", name, flags | _UP))


def _become(handed: int, address: str, command: list[str]) -> None:
    """Stand apart, hand the tap to the switch, and go on as another program."""
    enter_namespace()
    tap = open_tap("eth0", address)
    with socket.socket(fileno=handed) as to_switch:
        to_switch.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [tap]))])
    os.close(tap)
    os.execv(command[0], command)


if __name__ == "__main__":
    if sys.argv[1:]:
        _become(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
    enter_namespace()
    open_tap("eth0", "198.18.0.1")
