#!/usr/bin/env python3
"""HTTP client by hand: a GET, read to the end, head and body apart, the body saved.

    python3 http_client.py 127.0.0.1 8000 --save page.html
"""

import address


def main():
    p = address.parser(__doc__)
    p.add_argument("--save", metavar="FILE", help="where the body goes")
    args = p.parse_args()
    with address.connect(args) as s:
        s.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        parts = []
        while True:
            part = s.recv(1024)  # 每次最多收 1k
            if not part:
                break
            parts.append(part)
    head, gap, body = b"".join(parts).partition(b"\r\n\r\n")
    if not gap:
        raise address.Unexpected(f"no end of a head in {head[:60]!r}")
    first = head.decode("utf-8").split("\r\n")[0]
    address.expect("the first line", first.split(" ", 2)[:2], ["HTTP/1.1", "200"])
    if args.save:
        with open(args.save, "wb") as f:
            f.write(body)
    print(f"ok: {first}, {len(body)} bytes of body")


address.run(main)
