#!/usr/bin/env python3
"""A letter's journey: sent with smtplib, fetched with poplib, deleted, gone.

    python3 mail_journey.py HOST SMTP_PORT POP3_PORT [--tls]

It sends letters that are hard on servers (dots, an empty one, UTF-8, a long line, 1 MiB), in clear text or behind
STARTTLS and STLS with a certificate that nobody checks, and wants each back byte for byte.
"""

import argparse
import poplib
import smtplib
import ssl
import sys

poplib._MAXLINE = 1 << 16  # it takes lines of 2,048 bytes where nobody says otherwise

LETTERS = [
    b"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\nb.\r\n",
    b"\r\n",
    "Subject: 你好\r\n\r\n李雷\r\n".encode(),
    b"Subject: long\r\n\r\n" + b"x" * 5000 + b"\r\n",
    b"Subject: large\r\n\r\n" + (b"y" * 70 + b"\r\n") * 15000,
]


def context():
    unchecked = ssl.create_default_context()
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    return unchecked


def fetch(args):
    client = poplib.POP3(args.host, args.pop3, timeout=10)
    if args.tls:
        client.stls(context())
    client.user("anybody")
    client.pass_("x")
    return client


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("smtp", type=int)
    parser.add_argument("pop3", type=int)
    parser.add_argument("--tls", action="store_true")
    args = parser.parse_args()

    with smtplib.SMTP(args.host, args.smtp, timeout=10) as sender:
        if args.tls:
            sender.starttls(context=context())
        sender.login("li", "secret")
        for letter in LETTERS:
            refused = sender.sendmail(
                "app@test", ["li@test", "han@test"], letter, mail_options=["BODY=8BITMIME", "SMTPUTF8"]
            )
            if refused:
                sys.exit(f"refused: {refused}")

    client = fetch(args)
    count, _ = client.stat()
    if count != len(LETTERS):
        sys.exit(f"{count} letters lie there, and {len(LETTERS)} were sent")
    names = client.uidl()[1]
    for number, letter in enumerate(LETTERS, 1):
        lines = client.retr(number)[1]
        text = b"\r\n".join(lines) + b"\r\n"
        if not text.startswith(b"Return-Path: <app@test>\r\nReceived: from "):
            sys.exit(f"letter {number} begins with {text[:60]!r}")
        if not text.endswith(letter):
            sys.exit(f"letter {number} is not what was sent: {text[-60:]!r}")
    client.close()

    client = fetch(args)
    if client.uidl()[1] != names:
        sys.exit("the names of the letters have changed")
    for number in range(1, count + 1):
        client.dele(number)
    client.quit()
    client = fetch(args)
    if client.stat() != (0, 0):
        sys.exit(f"not all are gone: {client.stat()}")
    client.quit()
    print(f"ok: {count} letters sent, fetched and deleted")


if __name__ == "__main__":
    main()
