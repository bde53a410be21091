#!/usr/bin/env python3
"""A server of SMTP that nobody here wrote: aiosmtpd. It keeps letters in a folder, and refuses nobody@test.

    python3 smtp_server.py HOST PORT FOLDER [--cert FILE --key FILE] [--auth NAME:PASSWORD]

With a certificate it offers STARTTLS and takes nothing before it; with --auth it wants a login. It prints
`listening HOST PORT` first, and SIGTERM ends it.
"""

import argparse
import asyncio
import os
import signal
import ssl

from aiosmtpd.smtp import SMTP, AuthResult


class Keeper:
    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == "nobody@test":
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        name = os.path.join(self.folder, f"{self.count}.eml")
        with open(name, "wb") as file:
            file.write(envelope.original_content)
        return f"250 2.0.0 kept as {self.count}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("folder")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--auth")
    args = parser.parse_args()

    options = {"enable_SMTPUTF8": True}
    if args.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.cert, args.key)
        options.update(tls_context=context, require_starttls=True)
    if args.auth:
        name, password = args.auth.encode().split(b":")

        def check(server, session, envelope, mechanism, data):
            is_right = data.login == name and data.password == password
            # Not handled: the server says so itself.
            return AuthResult(success=is_right, handled=False)

        options.update(authenticator=check, auth_required=True, auth_require_tls=bool(args.cert))
    asyncio.run(serve(args, options))


async def serve(args, options):
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    keeper = Keeper(args.folder)
    server = await loop.create_server(lambda: SMTP(keeper, loop=loop, **options), args.host, args.port)
    host, port = server.sockets[0].getsockname()[:2]
    print("listening", host, port, flush=True)
    await over.wait()
    server.close()


if __name__ == "__main__":
    main()
