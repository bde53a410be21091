"""One datagram, one answer: the shape of every UDP script here. 一问一答, 一个数据报。"""

import socket

import address


def ask(about, pairs):
    """Send each question, compare each answer and where it came from."""
    args = address.parser(about).parse_args()
    s, there = address.datagram_client(args)
    with s:
        for question, wanted in pairs:
            s.sendto(question, there)
            answer, source = s.recvfrom(65536)
            address.expect(f"after {question!r}", answer, wanted)
            if s.family == socket.AF_UNIX:
                source = source.encode() if isinstance(source, str) else source
                there_bytes = there.encode()
                address.expect("who answered", source, there_bytes)
            else:
                address.expect("who answered", source, there)
    print(f"ok: {len(pairs)} datagrams answered")


def answer(about, reply):
    """For every datagram, send reply(data) back to where it came from."""
    args = address.server_parser(about).parse_args()
    with address.datagram_server(args) as s:
        served = 0
        while not args.once or served < args.once:
            data, peer = s.recvfrom(65536)
            s.sendto(reply(data), peer)
            served += 1
