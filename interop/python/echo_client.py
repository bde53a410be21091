#!/usr/bin/env python3
"""TCP echo client: four messages, each must come back byte for byte.

    python3 echo_client.py 127.0.0.1 9000
"""

import socket

import address

MESSAGES = ["hello", "你好,世界", "a line\n", "x" * 5000]


def main():
    args = address.parser(__doc__).parse_args()
    with address.connect(args) as s:
        for text in MESSAGES:
            data = text.encode("utf-8")
            s.sendall(data)
            address.expect("the echo", address.receive_exactly(s, len(data)), data)
        s.shutdown(socket.SHUT_WR)  # 我们说完了
        address.expect("after our end", s.recv(1024), b"")
    print(f"ok: {len(MESSAGES)} messages came back as they went")


address.run(main)
