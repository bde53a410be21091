#!/usr/bin/env python3
"""A letter's journey with aiosmtplib and aioimaplib, many at once: sent, told of while idle, fetched, moved, deleted.

    python3 mail_async.py HOST SMTP_PORT SMTPS_PORT IMAP_PORT

Letters go in the clear, behind STARTTLS and behind TLS with a certificate that nobody checks, twenty at once. Prints one
`ok:` line.
"""

import asyncio
import ssl
import sys
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default

import aioimaplib
import aiosmtplib

COUNT = 20


def context():
    unchecked = ssl.create_default_context()
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    return unchecked


def letter(number):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "app@test", "li@test, han@test", f"你好 {number}"
    message.set_content(f".\n..{number}\n李雷\n")
    message.add_attachment(bytes(range(256)) * 20, maintype="application", subtype="octet-stream", filename="图.bin")
    return message


async def send(host, smtp, smtps):
    ways = [
        dict(port=smtp, start_tls=False),
        dict(port=smtp, start_tls=True, username="li", password="secret", tls_context=context()),
        dict(port=smtps, use_tls=True, username="li", password="secret", tls_context=context()),
    ]
    sent = [
        aiosmtplib.send(letter(number), hostname=host, timeout=15, **ways[number % 3])
        for number in range(COUNT)
    ]
    for errors, answer in await asyncio.gather(*sent):
        assert not errors and answer.startswith("2.0.0 kept as "), (errors, answer)


async def client(host, imap):
    one = aioimaplib.IMAP4(host, imap, timeout=15)
    await one.wait_hello_from_server()
    assert (await one.login("li", "secret")).result == "OK"
    assert (await one.select("INBOX")).result == "OK"
    return one


async def told_of(one, count):
    """Waits, idle, until so many letters are there."""
    idle = await one.idle_start(timeout=15)
    seen = 0
    while seen < count:
        for line in await one.wait_server_push(timeout=15):
            words = line.split()
            seen = max(seen, int(words[0])) if words[1:] == [b"EXISTS"] else seen
    one.idle_done()
    await asyncio.wait_for(idle, 15)


async def main():
    host, smtp, smtps, imap = sys.argv[1], *map(int, sys.argv[2:])
    idle, other = await client(host, imap), await client(host, imap)
    waits = asyncio.create_task(told_of(idle, COUNT))
    await send(host, smtp, smtps)
    await asyncio.wait_for(waits, 15)

    said = await idle.uid("fetch", "1:*", "(UID BODY.PEEK[])")
    letters = [BytesParser(policy=default).parsebytes(bytes(line)) for line in said.lines if isinstance(line, bytearray)]
    assert {one["subject"] for one in letters} == {f"你好 {number}" for number in range(COUNT)}, len(letters)
    for one in letters:
        number = one["subject"].split()[1]
        text = one.get_body().get_content().replace("\r\n", "\n")
        assert text == f".\n..{number}\n李雷\n", repr(text)
        [attached] = one.iter_attachments()
        assert attached.get_filename() == "图.bin" and attached.get_content() == bytes(range(256)) * 20

    await idle.create("Archive")
    assert (await idle.uid("move", "1:10", "Archive")).result == "OK"
    await other.noop()
    said = await other.search("ALL")
    assert len(said.lines[0].split()) == COUNT - 10, said.lines
    appended = await other.append(b"Subject: appended\r\n\r\nx\r\n", mailbox="Archive", flags=r"(\Flagged)")
    assert appended.result == "OK", appended
    assert (await other.status("Archive", "(MESSAGES UNSEEN)")).lines[0] == b'"Archive" (MESSAGES 11 UNSEEN 11)'
    await other.store("1:*", "+FLAGS", r"(\Deleted)")
    await other.expunge()
    await idle.noop()
    assert (await idle.search("ALL")).lines[0] == b"", "another client has deleted them"
    for one in (idle, other):
        assert (await one.logout()).result == "OK"
    print(f"ok: {COUNT} letters sent, fetched, moved and deleted")


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(main(), 20))
