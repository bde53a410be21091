#!/usr/bin/env python3
"""TCP greeting server that mends cut characters and cut lines.

    python3 gathering_server.py 127.0.0.1 9000

greeting_server.py takes one recv() for one message, which TCP never promised (粘包、半包).
This one does what `hobnob serve hello` does: until a peer has sent a newline, what arrives
together is a message, but an unfinished character waits 20 ms for its rest; from the first
newline on, a message is a line.
"""

import address
import threads


def unfinished(data):
    """Does data end in the middle of a UTF-8 character?"""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as e:
        return e.end == len(data) and e.reason == "unexpected end of data"
    return False


def messages(sock):
    patience = sock.gettimeout()
    data, lines = b"", False
    while True:
        sock.settimeout(0.02 if data and not lines else patience)
        try:
            part = sock.recv(1024)
        except TimeoutError:
            if not data:
                raise
            yield data  # 剩下的半个字没有来
            data = b""
            continue
        data += part
        lines = lines or b"\n" in data
        if lines:
            *whole, data = data.split(b"\n")
            yield from (line + b"\n" for line in whole)
        elif data and not unfinished(data):
            yield data
            data = b""
        if not part:
            if data:
                yield data
            return


def serve(sock, peer):
    sock.sendall(b"Welcome!")
    for message in messages(sock):
        name = message.rstrip(b"\n")
        if name == b"exit":
            break
        sock.sendall(b"Hello, " + name + b"!" + message[len(name):])


address.run(lambda: threads.serve(__doc__, serve))
