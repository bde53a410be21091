#!/usr/bin/env python3
"""A chat of two people: one thread reads the socket, one reads the keyboard.

    python3 chat_peer.py --listen 127.0.0.1 9000      # one terminal
    python3 chat_peer.py 127.0.0.1 9000               # another

Ctrl-D ends our side; the program ends when both sides have ended.
"""

import codecs
import socket
import sys
import threading

import address


def read_socket(s):
    decoder = codecs.getincrementaldecoder("utf-8")("replace")  # 汉字可能分两次到
    while data := s.recv(1024):
        print(decoder.decode(data), end="", flush=True)
    print(decoder.decode(b"", True), end="", flush=True)


def read_keyboard(s):
    for line in sys.stdin:
        s.sendall(line.encode("utf-8"))
    s.shutdown(socket.SHUT_WR)  # 我们说完了, 但还在听


def meet(args, quiet):
    if not args.listen:
        return address.connect(args)
    listener = address.listen(args)
    with listener:
        listener.settimeout(quiet)
        s, _ = listener.accept()
        return s


def main():
    p = address.parser(__doc__)
    p.add_argument("--listen", action="store_true", help="wait for the other one")
    args = p.parse_args()
    quiet = address.patience(args, by_hand=sys.stdin.isatty())
    wrong = []

    def guard(work, s):
        try:
            work(s)
        except (BrokenPipeError, ConnectionResetError):
            wrong.append(address.Unexpected("the other side left in the middle"))
        except OSError as e:
            wrong.append(e)

    with meet(args, quiet) as s:
        s.settimeout(quiet)
        reader = threading.Thread(target=guard, args=(read_socket, s))
        writer = threading.Thread(target=guard, args=(read_keyboard, s), daemon=True)
        reader.start()
        writer.start()
        reader.join()
        if wrong:
            raise wrong[0]
        if writer.is_alive() and sys.stdin.isatty():
            print("(the other side has ended; Ctrl-D ends ours)", file=sys.stderr)
        writer.join(quiet)
        if writer.is_alive():
            raise TimeoutError
        if wrong:
            raise wrong[0]


address.run(main)
