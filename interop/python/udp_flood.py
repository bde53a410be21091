"""Sends datagrams as fast as it can, and says how many: udp_flood.py HOST PORT COUNT"""
import socket
import sys

if __name__ == "__main__":
    to, count = (sys.argv[1], int(sys.argv[2])), int(sys.argv[3])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        # Somebody who is there and never reads: no answer says that nobody is.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
            deaf.bind(to)
            for number in range(count):
                out.sendto(b"%d" % number, to)
    print(f"sent {count}")
