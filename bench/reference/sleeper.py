#!/usr/bin/env python3
"""sleeper.py PORT [MS]: an echo on 127.0.0.1, one loop, that does nothing for MS (100) once a second."""

import selectors
import socket
import sys
import time

PERIOD = 1.0


def main():
    port, asleep = int(sys.argv[1]), float(sys.argv[2] if len(sys.argv) > 2 else 100) / 1e3
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    listener.setblocking(False)
    ready = selectors.DefaultSelector()
    ready.register(listener, selectors.EVENT_READ)
    next_sleep = time.monotonic() + PERIOD
    while True:
        for key, _ in ready.select(max(0, next_sleep - time.monotonic())):
            if key.fileobj is listener:
                conn, _ = listener.accept()
                conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ready.register(conn, selectors.EVENT_READ)
            else:
                echo(ready, key.fileobj)
        if time.monotonic() >= next_sleep:
            time.sleep(max(0, next_sleep + asleep - time.monotonic()))
            next_sleep += PERIOD


def echo(ready, conn):
    try:
        got = conn.recv(65536)
        conn.sendall(got)
    except OSError:
        got = b""
    if not got:
        ready.unregister(conn)
        conn.close()


if __name__ == "__main__":
    main()
