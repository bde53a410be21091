#!/usr/bin/env python3
"""What naive POP3 servers get wrong, asked of one by Python's poplib and by hand.

    python3 pop3_probe.py HOST POP3_PORT SMTP_PORT

Letters come by SMTP; each rule fetches what it needs and deletes it. Prints what is wrong, and `N of N` at the end; exit
code 1 where it is not all.
"""

import poplib
import re
import smtplib
import socket
import ssl
import sys

HEAD = b"From: li@test\r\nSubject: one\r\n\r\n"


class Wrong(Exception):
    pass


def expect(is_right, said):
    if not is_right:
        raise Wrong(repr(said))


class Probe:
    def __init__(self, host, pop3, smtp):
        self.host, self.pop3, self.smtp = host, pop3, smtp

    def send(self, *bodies):
        with smtplib.SMTP(self.host, self.smtp, timeout=5) as sender:
            for body in bodies:
                sender.sendmail("app@test", ["li@test"], HEAD + body)

    def client(self):
        client = poplib.POP3(self.host, self.pop3, timeout=5)
        client.user("li")
        client.pass_("x")
        return client

    def box(self, *bodies):
        """A client with these letters and no others."""
        client = self.client()
        for number in range(1, client.stat()[0] + 1):
            client.dele(number)
        client.quit()
        self.send(*bodies)
        return self.client()

    def raw(self):
        conversation = socket.create_connection((self.host, self.pop3), timeout=5)
        file = conversation.makefile("rb")
        expect(file.readline().startswith(b"+OK"), "a greeting")
        return conversation, file


def refused(call, *args):
    try:
        call(*args)
    except poplib.error_proto as error:
        return error.args[0]
    raise Wrong(f"{call.__name__}{args} is not refused")


def names_last(probe):
    client = probe.box(b"a\r\n", b"a\r\n", b"b\r\n")
    names = client.uidl()[1]
    plain = [name.split(b" ")[1] for name in names]
    expect(len(set(plain)) == 3, names)
    expect(all(re.fullmatch(rb"[\x21-\x7e]{1,70}", name) for name in plain), names)
    expect(client.uidl(2).endswith(names[1]), "UIDL of one")
    client.dele(1)
    client.quit()
    probe.send(b"c\r\n")
    client = probe.client()
    again = [name.split(b" ")[1] for name in client.uidl()[1]]
    expect(again[:2] == plain[1:] and again[2] not in plain, "a name is never used again")
    client.quit()


def deletes_with_quit_alone(probe):
    client = probe.box(b"a\r\n", b"b\r\n", b"c\r\n")
    size = client.stat()[1]
    client.dele(2)
    refused(client.retr, 2), refused(client.dele, 2), refused(client.top, 2, 0), refused(client.uidl, 2), refused(client.list, 2)
    expect(client.stat()[0] == 2 and client.stat()[1] < size, "STAT leaves out what is deleted")
    expect([line.split()[0] for line in client.list()[1]] == [b"1", b"3"], "numbers do not shift")
    expect(b"c" in client.retr(3)[1], "nor do letters")
    client.rset()
    expect(client.stat() == (3, size), "RSET takes it all back")
    client.dele(1)
    client.close()
    client = probe.client()
    expect(client.stat() == (3, size), "a conn that breaks off deletes nothing")
    client.dele(1)
    client.quit()
    client = probe.client()
    expect(client.stat()[0] == 2, "QUIT deletes")
    client.quit()


def one_at_a_time(probe):
    client = probe.box(b"a\r\n")
    second = poplib.POP3(probe.host, probe.pop3, timeout=5)
    second.user("li")
    expect(refused(second.pass_, "x").startswith(b"-ERR [IN-USE]"), "[IN-USE]")
    client.quit()
    second.user("li")
    expect(second.pass_("x").startswith(b"+OK"), "and then it is free")
    second.quit()


def bytes_are_counted(probe):
    bodies = [b".\r\n..\r\n.a\r\n", b"x" * 2000 + b"\r\n", b""]
    client = probe.box(*bodies)
    for number, body in enumerate(bodies, 1):
        lines, octets = client.retr(number)[1:]
        text = b"\r\n".join(lines) + b"\r\n"
        expect(text.endswith(HEAD + body), (number, text[-60:]))
        expect(int(client.list(number).split()[2]) == len(text), (number, client.list(number), len(text)))
    expect(client.stat()[1] == sum(int(line.split()[1]) for line in client.list()[1]), "STAT is the sum of LIST")
    client.quit()


def top(probe):
    client = probe.box(b"one\r\n.two\r\nthree\r\n")
    head = client.top(1, 0)[1]
    expect(head[-1] == b"" and head[-2] == b"Subject: one", head)
    expect(client.top(1, 2)[1][len(head):] == [b"one", b".two"], "TOP 1 2")
    expect(client.top(1, 99)[1] == client.retr(1)[1], "TOP of more than there is")
    refused(client._longcmd, "TOP 1"), refused(client._longcmd, "TOP 1 x"), refused(client._longcmd, "TOP 9 0")
    client.quit()


def capabilities(probe):
    client = poplib.POP3(probe.host, probe.pop3, timeout=5)
    said = client.capa()
    for word in ["USER", "UIDL", "TOP", "SASL", "IMPLEMENTATION", "RESP-CODES", "STLS", "PIPELINING"]:
        expect(word in said, (word, said))
    expect("PLAIN" in said["SASL"], said)
    client.close()


def first_log_in(probe):
    conversation, file = probe.raw()
    for command in [b"STAT", b"LIST", b"RETR 1", b"DELE 1", b"UIDL", b"TOP 1 0", b"RSET", b"NOOP", b"PASS x", b"WHAT", b"", b"RETR"]:
        conversation.sendall(command + b"\r\n")
        expect(file.readline().startswith(b"-ERR"), command)
    conversation.sendall(b"QUIT\r\n")
    expect(file.readline().startswith(b"+OK") and file.readline() == b"", "QUIT")


def pipelined(probe):
    probe.box(b"a\r\n").quit()
    conversation, file = probe.raw()
    conversation.sendall(b"USER li\r\nPASS x\r\nSTAT\r\nLIST 1\r\nRETR 9\r\nNOOP\r\nQUIT\r\n")
    answers = [file.readline()[:4] for _ in range(7)]
    expect(answers == [b"+OK ", b"+OK ", b"+OK ", b"+OK ", b"-ERR", b"+OK ", b"+OK "] or
           [answer.strip() for answer in answers] == [b"+OK"] * 4 + [b"-ERR", b"+OK", b"+OK"], answers)


def auth(probe):
    for said, last in [
        (b"AUTH PLAIN AGxpAHg=\r\n", b"+OK"), (b"AUTH PLAIN\r\nAGxpAHg=\r\n", b"+OK"), (b"AUTH PLAIN\r\n*\r\n", b"-ERR"),
        (b"AUTH PLAIN ???\r\n", b"-ERR"), (b"AUTH NONE\r\n", b"-ERR"),
    ]:
        conversation, file = probe.raw()
        for line in said.splitlines(keepends=True):
            conversation.sendall(line)
            answer = file.readline()
        expect(answer.startswith(last), (said, answer))
        conversation.sendall(b"QUIT\r\n")
        file.readline(), file.readline()


def secured(conversation):
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    return unchecked.wrap_socket(conversation)


def stls(probe):
    conversation, file = probe.raw()
    conversation.sendall(b"STLS\r\nUSER li\r\nPASS x\r\n")
    expect(file.readline().startswith(b"+OK"), "STLS")
    secure = secured(conversation)
    secure.sendall(b"STAT\r\n")
    expect(secure.recv(100).startswith(b"-ERR"), "what came before the handshake counts")
    secure.sendall(b"CAPA\r\n")
    said = b""
    while not said.endswith(b"\r\n.\r\n"):
        said += secure.recv(1000)
    expect(b"STLS" not in said and b"UIDL" in said, said)
    secure.sendall(b"QUIT\r\n")
    secure.recv(100)
    conversation, file = probe.raw()
    conversation.sendall(b"USER li\r\nPASS x\r\nSTLS\r\n")
    file.readline(), file.readline()
    expect(file.readline().startswith(b"-ERR"), "STLS behind the login")
    conversation.sendall(b"QUIT\r\n")
    file.readline(), file.readline()


def too_long(probe):
    conversation, file = probe.raw()
    conversation.sendall(b"USER " + b"x" * 100000 + b"\r\nNOOP\r\n")
    answers = [file.readline(), file.readline()]
    expect(answers[0].startswith(b"-ERR"), "an overlong line")
    expect(answers[1].startswith(b"-ERR") or answers[1] == b"", "and no command in it")


def mistakes_end(probe):
    conversation, file = probe.raw()
    conversation.sendall(b"WHAT\r\n" * 40)
    answers = file.readlines()
    expect(10 < len(answers) < 40 and all(answer.startswith(b"-ERR") for answer in answers), len(answers))


def http(probe):
    conversation, file = probe.raw()
    conversation.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nUSER x\r\n")
    try:
        said = file.read()
    except ConnectionResetError:
        said = b""
    expect(b"+OK" not in said, said)


RULES = [
    names_last, deletes_with_quit_alone, one_at_a_time, bytes_are_counted, top, capabilities, first_log_in, pipelined, auth, stls,
    too_long, mistakes_end, http,
]


def main():
    poplib._MAXLINE = 1 << 16  # it takes lines of 2,048 bytes where nobody says otherwise
    probe, wrong = Probe(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])), []
    for rule in RULES:
        try:
            rule(probe)
        except (Wrong, OSError, poplib.error_proto, IndexError) as error:
            wrong.append(f"{rule.__name__}: {error!r}")
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{len(RULES) - len(wrong)} of {len(RULES)}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
