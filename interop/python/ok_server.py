#!/usr/bin/env python3
"""TCP server that puts OK... before whatever arrives, a thread per connection.

    python3 ok_server.py 127.0.0.1 9000
"""

import address
import threads


def serve(sock, peer):
    sock.sendall(b"Welcome to the server. Type something and hit enter\n")
    while True:
        data = sock.recv(1024)
        if not data:
            break
        sock.sendall(b"OK..." + data)


address.run(lambda: threads.serve(__doc__, serve))
