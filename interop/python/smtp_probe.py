#!/usr/bin/env python3
"""What naive SMTP servers get wrong, asked of one.

    python3 smtp_probe.py HOST PORT

Each rule is a conversation of its own: what is said, cut into packets where that matters, and the codes that are to be
answered. Prints what is wrong, and `N of N` at the end; exit code 1 where it is not all.
"""

import socket
import ssl
import sys

HELLO = "EHLO probe.test\r\n"
BEGUN = "MAIL FROM:<a@probe.test>\r\nRCPT TO:<b@probe.test>\r\n"
DATA = HELLO + BEGUN + "DATA\r\n"
OPEN = [220, 250, 250, 250, 354]


class Conversation:
    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), timeout=5)
        self.file = self.socket.makefile("rb")

    def say(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode())

    def code(self):
        while True:
            line = self.file.readline()
            if not line:
                return "end"
            if line[3:4] != b"-":
                return int(line[:3])

    def lines(self):
        lines = []
        while True:
            line = self.file.readline().decode()
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return lines

    def is_silent(self):
        self.socket.settimeout(0.3)
        try:
            return self.socket.recv(1, socket.MSG_PEEK) is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(5)


# what it is about, what is said (in packets), what is answered
RULES = [
    ("a command ends with CR LF alone", [HELLO + "NOOP\nNOOP\r\nNOOP\r\n"], [220, 250, 500, 250]),
    ("a CR alone is no end and no blank", [HELLO + "NO\rOP\r\nNOOP\r\n"], [220, 250, 500, 250]),
    ("an overlong line is one error", [HELLO + "NOOP " + "x" * 20000 + "\r\nNOOP\r\n"], [220, 250, 500, 250]),
    ("a line of 512 bytes is none", [HELLO + "NOOP " + "x" * 505 + "\r\n"], [220, 250, 250]),
    ("first comes EHLO", [BEGUN], [220, 503, 503]),
    ("MAIL in a transaction", [HELLO + "MAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\n"], [220, 250, 250, 503]),
    ("EHLO and RSET forget", [HELLO + BEGUN + HELLO + "DATA\r\n" + BEGUN + "RSET\r\nDATA\r\n"], [220, 250, 250, 250, 250, 503, 250, 250, 250, 503]),
    ("DATA for nobody", [HELLO + "MAIL FROM:<a@b>\r\nRCPT TO:<x>\r\nDATA\r\n"], [220, 250, 250, 501, 554]),
    ("a failed RCPT shifts nothing", [HELLO + "MAIL FROM:<a@b>\r\nRCPT TO:<x>\r\nRCPT TO:<c@d>\r\nDATA\r\n", "hi\r\n.\r\nNOOP\r\n"], [220, 250, 250, 501, 250, 354, 250, 250]),
    ("paths of the RFC", [HELLO + "".join(f"MAIL FROM:{p}\r\nRSET\r\n" for p in ["<>", '<"a b"@x>', "<a@[127.0.0.1]>", "<a@[IPv6:::1]>", "<@x,@y:a@b>"])], [220, 250] + [250] * 10),
    ("postmaster needs no domain", [HELLO + "MAIL FROM:<>\r\nRCPT TO:<Postmaster>\r\n"], [220, 250, 250, 250]),
    ("no path without brackets", [HELLO + "MAIL FROM:a@b\r\nMAIL FROM:<a@b\r\nMAIL FROM:<a b@c>\r\nRCPT TO:<>\r\n"], [220, 250, 501, 501, 501, 501]),
    ("one blank behind the colon, not two", [HELLO + "MAIL FROM: <a@b>\r\nRCPT TO:  <c@d>\r\n"], [220, 250, 250, 501]),
    ("64 bytes before the @", [HELLO + f"MAIL FROM:<{'x' * 65}@b>\r\nMAIL FROM:<{'x' * 64}@b>\r\n"], [220, 250, 501, 250]),
    ("unknown parameters", [HELLO + "MAIL FROM:<a@b> FOO=1\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d> FOO\r\n"], [220, 250, 555, 250, 555]),
    ("SIZE at MAIL", [HELLO + "MAIL FROM:<a@b> SIZE=99999999999\r\nMAIL FROM:<a@b> SIZE=x\r\nMAIL FROM:<a@b> SIZE=9\r\n"], [220, 250, 552, 501, 250]),
    ("101st recipient", [HELLO + "MAIL FROM:<a@b>\r\n" + "RCPT TO:<c@d>\r\n" * 101], [220, 250, 250] + [250] * 100 + [452]),
    ("UTF-8 needs SMTPUTF8", [HELLO + "MAIL FROM:<é@b>\r\nMAIL FROM:<é@b> SMTPUTF8\r\nRCPT TO:<ü@b>\r\n"], [220, 250, 553, 250, 250]),
    ("no parameters behind HELO", ["HELO me\r\nMAIL FROM:<a@b> SIZE=9\r\nMAIL FROM:<a@b>\r\n"], [220, 250, 555, 250]),
    ("DSN is checked", [HELLO + "MAIL FROM:<a@b> RET=ALL\r\nMAIL FROM:<a@b> RET=HDRS ENVID=a+3Db\r\nRCPT TO:<c@d> NOTIFY=NEVER,DELAY\r\nRCPT TO:<c@d> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c@d\r\n"], [220, 250, 501, 250, 501, 250]),
    ("words behind commands that take none", [HELLO + "DATA x\r\nRSET x\r\nSTARTTLS x\r\nQUIT x\r\n"], [220, 250, 501, 501, 501, 501]),
    ("VRFY EXPN HELP NOOP QUIT", [HELLO + "VRFY a\r\nEXPN a\r\nHELP\r\nNOOP a\r\nQUIT\r\n"], [220, 250, 252, 502, 214, 250, 221, "end"]),
    ("an empty letter", [DATA, ".\r\nNOOP\r\n"], OPEN + [250, 250]),
    ("the dot cut over packets", [DATA, "x\r\n", ".", "\r", "\nNOOP\r\n"], OPEN + [250, 250]),
    ("commands behind the dot", [DATA, "x\r\n.\r\n" + BEGUN + "DATA\r\n", "y\r\n.\r\n"], OPEN + [250, 250, 250, 354, 250]),
    ("BDAT", [HELLO + BEGUN + "BDAT 3\r\n.\r\nBDAT 3 LAST\r\n.\r\nNOOP\r\n"], [220, 250, 250, 250, 250, 250, 250]),
    ("BDAT 0 LAST", [HELLO + BEGUN + "BDAT 0 LAST\r\nNOOP\r\n"], [220, 250, 250, 250, 250, 250]),
    ("a refused BDAT is swallowed", [HELLO + "BDAT 6\r\nQUIT\r\nNOOP\r\n"], [220, 250, 503, 250]),
    ("no DATA after BDAT", [HELLO + BEGUN + "BDAT 1\r\nxDATA\r\n"], [220, 250, 250, 250, 250, 503]),
    ("AUTH: cancelled, no base64, empty", [HELLO + "AUTH PLAIN\r\n", "*\r\nAUTH PLAIN ???\r\nAUTH PLAIN =\r\nAUTH FOO\r\n"], [220, 250, 334, 501, 501, 501, 504]),
    ("AUTH LOGIN, and not twice", [HELLO + "AUTH LOGIN\r\n", "bGk=\r\n", "eA==\r\nAUTH PLAIN AGxpAHg=\r\n"], [220, 250, 334, 334, 235, 503]),
    ("AUTH not before EHLO, not in a transaction", ["AUTH PLAIN AGxpAHg=\r\n" + HELLO + "MAIL FROM:<a@b>\r\nAUTH PLAIN AGxpAHg=\r\n"], [220, 503, 250, 250, 503]),
    ("20 mistakes", ["X\r\n" * 30], [220] + [500] * 19 + [421, "end"]),
]
ENDS = ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\n.\r\r\n", "\r\n\0.\r\n", "\r\n.\0\r\n"]


def check(host, port, about, packets, answers):
    conversation = Conversation(host, port)
    heard = []
    for packet in packets:
        conversation.say(packet)
        if packet is packets[-1]:
            break
        # what is pipelined is answered before the next packet goes
        while not conversation.is_silent():
            heard.append(conversation.code())
    while len(heard) < len(answers):
        heard.append(conversation.code())
    return None if heard == answers else f"{about}: {heard}, and not {answers}"


def check_end(host, port, end):
    conversation = Conversation(host, port)
    conversation.say(DATA)
    heard = [conversation.code() for _ in OPEN]
    conversation.say(f"x{end}MAIL FROM:<evil@x>\r\n")
    if heard != OPEN or not conversation.is_silent():
        return f"{end!r} ends a letter"
    conversation.say(".\r\n")
    return None if conversation.code() == 250 else f"{end!r}: the letter does not end"


def check_statuses(host, port):
    conversation = Conversation(host, port)
    conversation.lines()
    conversation.say(HELLO)
    if "ENHANCEDSTATUSCODES" not in " ".join(conversation.lines()):
        return None
    for command in ["NOOP", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "RCPT TO:<>", "FOO", "RSET", "VRFY a", "QUIT"]:
        conversation.say(command + "\r\n")
        for line in conversation.lines():
            if line[4:5] != line[0] or line[5:6] != ".":
                return f"{command}: no enhanced status in {line!r}"
    return None


def check_starttls(host, port):
    conversation = Conversation(host, port)
    conversation.lines()
    conversation.say(HELLO)
    if not any(line[4:] == "STARTTLS" for line in conversation.lines()):
        return None
    conversation.say("STARTTLS\r\nRSET\r\nQUIT\r\n")
    if conversation.code() != 220:
        return "STARTTLS is offered and refused"
    unchecked = ssl.create_default_context()
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    conversation.socket = unchecked.wrap_socket(conversation.socket)
    conversation.file = conversation.socket.makefile("rb")
    conversation.say("MAIL FROM:<a@b>\r\n")
    if conversation.code() != 503:
        return "what was said before STARTTLS still counts"
    conversation.say(HELLO)
    if any(line[4:] == "STARTTLS" for line in conversation.lines()):
        return "STARTTLS is offered inside TLS"
    return None


def check_http(host, port):
    conversation = Conversation(host, port)
    conversation.lines()
    conversation.say("POST / HTTP/1.1\r\nHost: x\r\n\r\n" + DATA + "x\r\n.\r\n")
    try:
        heard = conversation.code()
    except ConnectionResetError:
        heard = "end"
    return None if heard in ("end", 421, 500, 554) and conversation_is_over(conversation) else f"HTTP: {heard}"


def conversation_is_over(conversation):
    try:
        return conversation.code() == "end"
    except ConnectionResetError:
        return True


def main():
    host, port = sys.argv[1], int(sys.argv[2])
    checks = [lambda rule=rule: check(host, port, *rule) for rule in RULES]
    checks += [lambda end=end: check_end(host, port, end) for end in ENDS]
    checks += [lambda one=one: one(host, port) for one in (check_statuses, check_starttls, check_http)]
    wrong = []
    for one in checks:
        try:
            said = one()
        except OSError as error:
            said = f"{error!r}"
        if said:
            wrong.append(said)
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{len(checks) - len(wrong)} of {len(checks)}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
