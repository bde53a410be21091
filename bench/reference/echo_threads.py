"""The echo server of the tutorials: `echo_threads.py PORT` has a thread for each connection, and
`echo_threads.py PORT serial` serves one after another."""

import socket
import sys
import threading


def serve(connection):
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)


def main():
    is_serial = sys.argv[2:] == ["serial"]
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024) as listener:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if is_serial:
                serve(connection)
            else:
                threading.Thread(target=serve, args=(connection,), daemon=True).start()


main()
