#!/usr/bin/env python3
"""What naive IMAP servers get wrong, asked of one by Python's imaplib and by hand.

    python3 imap_probe.py HOST IMAP_PORT

Each rule has a mailbox of its own, which it removes. Prints what is wrong, and `N of N` at the end; exit code 1 where it
is not all.
"""

import imaplib
import re
import socket
import ssl
import sys
import time

LETTER = b"From: Li <li@test>\r\nTo: han@test\r\nSubject: one\r\n Two\r\nDate: Thu, 26 Nov 2026 10:00:00 +0100\r\n\r\nhello\r\nworld\r\n"
LATE = (
    "From: user@a.test (Li Lei)\r\nTo: All: a@b.test, \"Q\" <@r.test:c@d.test>;\r\nCc: nobody\r\n"
    "Subject: =?utf-8?B?5L2g5aW9?= =?utf-8?Q?_x?=\r\nMessage-ID: <1@a.test>\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\n5p2O6Zu3IHBhc3MgdGhlIHRlYQ==\r\n"
).encode()
DIGEST = (
    b"Subject: digest\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: first\r\n\r\nin first\r\n--b--\r\n"
)
NESTED = b"Subject: outer\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninside\r\n"
PARTS = (
    b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfirst\r\n--b\r\n"
    b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninside\r\n--b--\r\n"
)


class Wrong(Exception):
    pass


def expect(is_right, said):
    if not is_right:
        raise Wrong(repr(said))


class Probe:
    def __init__(self, host, port):
        self.host, self.port, self.count = host, port, 0

    def client(self, box=None):
        client = imaplib.IMAP4(self.host, self.port, timeout=5)
        client.login("probe", "x")
        if box:
            expect(client.select(box)[0] == "OK", box)
        return client

    def box(self, *letters):
        self.count += 1
        name = f"probe{self.count}-{time.time_ns()}"
        client = self.client()
        expect(client.create(name)[0] == "OK", "CREATE")
        for letter in letters:
            expect(client.append(name, None, None, letter)[0] == "OK", "APPEND")
        client.select(name)
        return name, client

    def raw(self):
        conversation = socket.create_connection((self.host, self.port), timeout=5)
        file = conversation.makefile("rb")
        file.readline()
        return conversation, file


def until(file, tag):
    lines = []
    while True:
        line = file.readline()
        lines.append(line)
        if line.startswith(tag) or not line:
            return lines


def fetched(client, numbers, what):
    said, data = client.fetch(numbers, what)
    expect(said == "OK", data)
    return data


def every_command(probe):
    name, client = probe.box(LETTER, PARTS)
    for call in [
        client.noop, client.check, client.namespace, client.capability,
        lambda: client.list(), lambda: client.lsub(), lambda: client.status(name, "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN RECENT)"),
        lambda: client.subscribe(name), lambda: client.unsubscribe(name),
        lambda: client.xatom("ID", "NIL"),
        lambda: client.store("1", "+FLAGS", r"\Seen"), lambda: client.copy("1", name), lambda: client.search(None, "ALL"),
        lambda: client.uid("MOVE", "1", name), client.expunge, client.unselect,
        lambda: client.select(name, readonly=True), client.close,
        lambda: client.rename(name, name + "x"), lambda: client.delete(name + "x"),
    ]:
        expect(call()[0] == "OK", call)
    expect(client.logout()[0] == "BYE", "LOGOUT")
    expect(probe.client().enable("CONDSTORE")[0] == "OK", "ENABLE")


def letters_come_back(probe):
    _, client = probe.box(LETTER, PARTS, b"x" * 300000 + b"\r\n", b"\r\n")
    for number, letter in [("1", LETTER), ("2", PARTS), ("3", b"x" * 300000 + b"\r\n"), ("4", b"\r\n")]:
        data = fetched(client, number, "(RFC822.SIZE BODY.PEEK[])")
        expect(data[0][1] == letter and f"RFC822.SIZE {len(letter)} ".encode() in data[0][0], data[0][0])


def partial(probe):
    _, client = probe.box(LETTER)
    body = LETTER.split(b"\r\n\r\n", 1)[1]
    for what, text in [("<0.5>", body[:5]), ("<3.100>", body[3:]), ("<100.5>", b"")]:
        data = fetched(client, "1", f"(BODY.PEEK[TEXT]{what})")
        expect(data[0][1] == text and data[0][0].endswith(f"<{what[1:].split('.')[0]}> {{{len(text)}}}".encode()), data)


def sections(probe):
    _, client = probe.box(PARTS)
    for what, text in [
        ("1", b"first"), ("2.HEADER", b"Subject: inner\r\n\r\n"), ("2.TEXT", b"inside"), ("2.1", b"inside"),
        ("2.MIME", b"Content-Type: message/rfc822\r\n\r\n"), ("HEADER.FIELDS (SUBJECT)", b"Subject: parts\r\n\r\n"),
        ("2.HEADER.FIELDS.NOT (SUBJECT)", b"\r\n"),
    ]:
        data = fetched(client, "1", f"(BODY.PEEK[{what}])")
        expect(data[0][1] == text, (what, data))
    expect(b"BODY[3] NIL" in fetched(client, "1", "(BODY.PEEK[3])")[0], "an absent part")


def envelope(probe):
    _, client = probe.box(LETTER)
    data = fetched(client, "1", "(ENVELOPE)")[0]
    expect(b'"one Two" (("Li" NIL "li" "test")) (("Li" NIL "li" "test")) (("Li"' in data, data)
    data = fetched(client, "1", "(BODYSTRUCTURE)")[0]
    expect(b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 14 2' in data, data)


def seen(probe):
    name, client = probe.box(LETTER, LETTER)
    fetched(client, "1", "(BODY.PEEK[])")
    expect(client.search(None, "SEEN")[1] == [b""], "PEEK")
    data = fetched(client, "1", "(BODY[HEADER])")
    expect(any(rb"\Seen" in (one if isinstance(one, bytes) else one[0]) for one in data), data)
    client.select(name, readonly=True)
    fetched(client, "2", "(BODY[])")
    expect(client.search(None, "UNSEEN")[1] == [b"2"], "EXAMINE")


def numbers(probe):
    _, client = probe.box(LETTER, LETTER, LETTER)
    data = client.uid("FETCH", "559:*", "(FLAGS)")[1]
    expect(len(data) == 1 and b"UID 3" in data[0], data)
    expect(client.uid("FETCH", "9", "(FLAGS)") == ("OK", [None]), "a UID that is none")
    try:
        said = client.fetch("4", "(UID)")[0]
    except imaplib.IMAP4.error:
        said = "BAD"
    expect(said == "BAD", said)


def empty_box(probe):
    _, client = probe.box()
    expect(client.uid("FETCH", "1:*", "(FLAGS)")[0] == "OK", "UID FETCH of nothing")
    expect(client.expunge() == ("OK", [None]), "EXPUNGE of nothing")
    expect(client.search(None, "ALL") == ("OK", [b""]), "SEARCH of nothing")


def expunge_shifts(probe):
    name, client = probe.box(LETTER, LETTER, LETTER, LETTER)
    client.store("2:3", "+FLAGS", r"\Deleted")
    expect(client.expunge()[1] == [b"2", b"2"], "numbers fall one by one")
    data = b" ".join(fetched(client, "1:*", "(UID)"))
    expect(re.findall(rb"UID (\d+)", data) == [b"1", b"4"], data)
    client.append(name, None, None, LETTER)
    client.noop()
    expect(b"UID 5" in fetched(client, "3", "(UID)")[0], "a UID is never used again")


def expunge_waits(probe):
    name, first = probe.box(LETTER, LETTER)
    second = probe.client(name)
    first.store("1", "+FLAGS", r"\Deleted")
    first.expunge()
    second.untagged_responses = {}
    fetched(second, "2", "(UID)")
    second.store("2", "+FLAGS", r"\Flagged")
    second.search(None, "ALL")
    expect("EXPUNGE" not in second.untagged_responses, second.untagged_responses)
    second.noop()
    expect(second.response("EXPUNGE")[1] == [b"1"], second.untagged_responses)


def flags_are_told(probe):
    name, first = probe.box(LETTER)
    second = probe.client(name)
    first.store("1", "+FLAGS", r"(\Answered $Probe)")
    said = second.noop()[0]
    fetch, known = second.response("FETCH")[1], second.response("FLAGS")[1]
    expect(said == "OK" and rb"\Answered" in fetch[0] and b"$Probe" in fetch[0], fetch)
    expect(b"$Probe" in known[-1], known)


def recent(probe):
    name, client = probe.box(LETTER)
    expect(client.response("RECENT")[1] == [b"1"], "the first session")
    other = probe.client(name)
    expect(other.response("RECENT")[1] == [b"0"], "the second")


def read_only(probe):
    name, client = probe.box(LETTER)
    client.select(name, readonly=True)
    for call in [("STORE", "1", "+FLAGS", r"(\Deleted)"), ("EXPUNGE",)]:
        expect(client._simple_command(*call)[0] == "NO", call)


def search(probe):
    _, client = probe.box(LETTER, PARTS)
    client.store("2", "+FLAGS", r"\Flagged")
    for keys, found in [
        ('SUBJECT "ONE TWO"', b"1"), ("BODY WORLD", b"1"), ("TEXT inside", b"2"), ("NOT FLAGGED", b"1"), ("OR FROM li FLAGGED", b"1 2"),
        ("SENTON 26-Nov-2026", b"1"), ("SINCE 1-Jan-2020", b"1 2"), ("HEADER Content-Type mixed", b"2"), ("LARGER 100000", b""),
        ("UID 2:*", b"2"), ("2 UNFLAGGED", b""), ("KEYWORD $None", b""), ("BODY Subject", b"2"),
    ]:
        expect(client.search(None, keys)[1] == [found], (keys, found))
    expect(client._simple_command("SEARCH", "CHARSET", "KOI8-R", "ALL")[0] == "NO", "an unknown charset")
    client._simple_command("SEARCH", "RETURN (MIN MAX COUNT ALL)", "ALL")
    expect(b"MIN 1 MAX 2 ALL 1:2 COUNT 2" in client.response("ESEARCH")[1][0], "ESEARCH")


def uidplus(probe):
    name, client = probe.box(LETTER, LETTER)
    said = client.append(name, r"(\Flagged)", '" 5-Nov-2020 10:00:00 +0100"', LETTER)[1][0]
    expect(re.match(rb"\[APPENDUID \d+ 3\]", said), said)
    client.noop()
    data = fetched(client, "3", "(FLAGS INTERNALDATE)")[0]
    expect(rb"\Flagged" in data and b'"05-Nov-2020 09:00:00 +0000"' in data, data)
    said = client.copy("1:2", name)[1][0]
    expect(re.match(rb"\[COPYUID \d+ 1:2 4:5\]", said), said)
    client.store("1:*", "+FLAGS", r"\Deleted")
    expect(client.uid("EXPUNGE", "2:3")[0] == "OK" and client.search(None, "ALL")[1] == [b"1 2 3"], "UID EXPUNGE")


def trycreate(probe):
    _, client = probe.box(LETTER)
    for said, data in [client.append("missing", None, None, LETTER), client.copy("1", "missing")]:
        expect(said == "NO" and b"[TRYCREATE]" in data[0], data)


def names(probe):
    name, client = probe.box()
    below = f"{name}/&ZeVnLIqe-"
    expect(client.create(below)[0] == "OK", below)
    expect(below.encode() in client.list('""', f"{name}/%")[1][0], "LIST")
    expect(client.list('""', f"{name}%")[1][0].startswith(rb"(\HasChildren)"), "CHILDREN")
    expect(client.create(name)[0] == "NO" and client.create("inbox")[0] == "NO", "what is there is not made")
    expect(client.rename(name, name + "y")[0] == "OK", "RENAME")
    expect(client.status(below.replace("/", "y/"), "(MESSAGES)")[0] == "OK", "what is below goes with it")
    for name in ["&bad", "a//b"]:
        expect(client.create(name)[0] == "NO" and client.status(name, "(MESSAGES)")[0] == "NO", "a name that is none")


def names_stay(probe):
    name, client = probe.box(LETTER)
    expect(client.create(f"{name}/a/b")[0] == "OK" and client.delete(name)[0] == "OK", "DELETE of a parent")
    for listed in [name, f"{name}/a"]:
        expect(rb"\Noselect" in client.list('""', listed)[1][0], "a parent that is none stays as a name")
    expect(client.create(f"{name}/c/")[0] == "OK" and client.status(f"{name}/c", "(MESSAGES)")[0] == "OK", "CREATE with a delimiter")
    expect(client.subscribe(f"{name}/a/b")[0] == "OK" and client.delete(f"{name}/a/b")[0] == "OK", "SUBSCRIBE")
    expect(f"{name}/a/b".encode() in client.lsub('""', f"{name}/*")[1][0], "a subscription outlives its box")
    expect(rb"(\Noselect)" in client.lsub('""', f"{name}/%")[1][0], "and shows above itself")
    expect(client.subscribe(f"{name}/none")[0] == "NO", "what never was is not subscribed to")


def inbox(probe):
    client = probe.client("iNbOx")
    client.append("inbox", None, None, LETTER)
    expect(client.status("Inbox", "(MESSAGES)")[1][0].split(b"(")[1] != b"MESSAGES 0)", "INBOX in any case")
    name = f"kept{time.time_ns()}"
    expect(client.rename("INBOX", name)[0] == "OK", "RENAME of INBOX")
    expect(b"MESSAGES 0" in client.status("INBOX", "(MESSAGES)")[1][0], "INBOX is empty then")
    expect(b"MESSAGES 1" in client.status(name, "(MESSAGES)")[1][0], "and its letters are in the new box")
    expect(client.delete("INBOX")[0] == "NO", "INBOX is not deleted")


def lists(probe):
    name, client = probe.box(LETTER)
    client.create(f"{name}/a")
    client.subscribe(f"{name}/a")
    for words, shown in [
        (f'(SUBSCRIBED RECURSIVEMATCH) "" "{name}"', b'"CHILDINFO" ("SUBSCRIBED")'),
        (f'(SUBSCRIBED) "" "{name}/*"', rb"\Subscribed"),
        (f'"" ("{name}" "none") RETURN (STATUS (MESSAGES SIZE))', rb"\HasChildren"),
    ]:
        client._simple_command("LIST", words)
        said = client.response("LIST")[1]
        expect(len(said) == 1 and shown in said[0], (words, said))
    expect(f"(MESSAGES 1 SIZE {len(LETTER)})".encode() in client.response("STATUS")[1][0], "LIST-STATUS, STATUS=SIZE")
    for words in ['(RECURSIVEMATCH) "" "*"', '"" "*" RETURN (NONE)']:
        try:
            said = client._simple_command("LIST", words)[0]
        except imaplib.IMAP4.error:
            said = "BAD"
        expect(said == "BAD", words)


def structures(probe):
    _, client = probe.box(LATE, DIGEST, NESTED, b"Content-Type: multipart/mixed\r\n\r\nno parts\r\n", b"From: x\r\nSender: s@t\r\n\r\n")
    for number, what, text in [
        ("1", "ENVELOPE", b'(("Li Lei" NIL "user" "a.test")) (("Li Lei" NIL "user" "a.test")) (("Li Lei" NIL "user" "a.test"))'),
        ("1", "ENVELOPE", b'((NIL NIL "All" NIL)(NIL NIL "a" "b.test")("Q" "@r.test" "c" "d.test")(NIL NIL NIL NIL)) ((NIL NIL "nobody" ""))'),
        ("1", "ENVELOPE", b'"=?utf-8?B?5L2g5aW9?= =?utf-8?Q?_x?="'),
        ("2", "BODY", b'(("message" "rfc822" NIL NIL NIL "7bit" 26 (NIL "first" NIL'),
        ("2", "BODY.PEEK[1.1]", b"in first"),
        ("2", "BODY.PEEK[1.HEADER]", b"Subject: first\r\n\r\n"),
        ("3", "BODY.PEEK[1.TEXT]", b"inside\r\n"),
        ("3", "BODY.PEEK[1.1]", b"inside\r\n"),
        ("4", "BODY", b'("text" "plain"'),
        ("4", "BODY.PEEK[1]", b"no parts\r\n"),
        ("5", "ENVELOPE", b'(NIL NIL ((NIL NIL "x" "")) ((NIL NIL "s" "t")) ((NIL NIL "x" "")) NIL NIL NIL NIL NIL)'),
    ]:
        said = fetched(client, number, f"({what})")[0]
        found = said[1] == text if isinstance(said, tuple) else text in said
        expect(found, (number, what, said))


def search_sees(probe):
    _, client = probe.box(LATE, LETTER)
    client.literal = "你好".encode()
    expect(client.search("UTF-8", "SUBJECT")[1] == [b"1"], "a subject that is encoded")
    client.literal = "李雷 PASS".encode()
    expect(client.search("UTF-8", "BODY")[1] == [b"1"], "a body that is encoded")
    for keys, found in [
        ('FROM "li lei"', b"1"), ("FROM user@a.test", b"1"), ('TO "c@d.test"', b"1"), ("TEXT tea", b"1"), ('SUBJECT "=?utf-8?B"', b"1"),
        ('HEADER Message-ID ""', b"1"), ("BODY 5p2O", b"1"), ("1000", b""), ("NOT 1000", b"1 2"), ("1000 SEEN", b""), ("3:*", b"2"),
    ]:
        expect(client.search(None, keys)[1] == [found], (keys, found))


def sets(probe):
    _, client = probe.box(LETTER, LETTER)
    for numbers, found in [("*", 1), ("*:1", 2), ("4294967295:*", 1), ("1:4294967294", 2), ("1,2,1:2", 2), ("7,9", 0), ("*:4294967295", 1)]:
        data = client.uid("FETCH", numbers, "(FLAGS)")[1]
        expect(len([one for one in data if one]) == found, (numbers, data))
    for numbers in ["0", "1:", "a", "1:4294967294", "*:4294967295", "4294967296", ","]:
        try:
            said = client.fetch(numbers, "(FLAGS)")[0]
        except imaplib.IMAP4.error:
            said = "BAD"
        expect(said == "BAD", numbers)
    client.store("1:*", "+FLAGS", r"\Deleted")
    client.expunge()
    try:
        said = client.fetch("*", "(FLAGS)")[0]
    except imaplib.IMAP4.error:
        said = "BAD"
    expect(said == "BAD" and client.uid("FETCH", "*", "(FLAGS)") == ("OK", [None]), "* of an empty box")


def moves(probe):
    name, client = probe.box(LETTER, LETTER, LETTER)
    client.create(f"{name}/to")
    conversation, file = probe.raw()
    conversation.sendall(f"a LOGIN probe x\r\nb SELECT {name}\r\nc UID MOVE 1:2 {name}/to\r\n".encode())
    lines = until(file, b"c ")
    begin = [index for index, line in enumerate(lines) if b"[COPYUID " in line]
    gone = [index for index, line in enumerate(lines) if line == b"* 1 EXPUNGE\r\n"]
    expect(len(gone) == 2 and len(begin) == 1 and begin[0] < gone[0] and b" 1:2 1:2]" in lines[begin[0]], lines)
    client.noop()
    expect(client.response("EXPUNGE")[1] == [b"1", b"1"], "and others are told")


def what_is_gone(probe):
    name, first = probe.box(LETTER, LETTER, LETTER)
    second = probe.client(name)
    first.store("2", "+FLAGS", r"\Deleted")
    first.expunge()
    data = second.fetch("1:3", "(UID BODY.PEEK[TEXT])")[1]
    uids = [re.search(rb"UID (\d)", one[0]).group(1) for one in data if isinstance(one, tuple)]
    expect(uids == [b"1", b"3"] and data[0][0].startswith(b"1 ") and data[2][0].startswith(b"3 "), data)
    expect(second.store("1:3", "+FLAGS.SILENT", r"\Flagged")[0] == "OK", "STORE does what can be done")
    second.noop()
    expect(b"UID 3" in fetched(second, "2", "(UID)")[0], "numbers shift once that was told")


def examine_takes_nothing(probe):
    name, client = probe.box(LETTER)
    client.close()
    client.append(name, None, None, LETTER)
    client.select(name, readonly=True)
    expect(client.response("RECENT")[1] == [b"1"], "EXAMINE shows what is recent")
    other = probe.client(name)
    expect(other.response("RECENT")[1] == [b"1"], "and does not take it")


def too_many_literals(probe):
    conversation, file = probe.raw()
    conversation.sendall(b"a LOGIN probe x\r\nb SEARCH " + b" ".join([b"SUBJECT {1+}\r\nx"] * 70) + b"\r\n")
    lines = until(file, b"b OK")
    expect(lines[-1] == b"" and any(line.startswith(b"* BYE") for line in lines), lines[-3:])


def none_swallowed_before_login(probe):
    conversation, file = probe.raw()
    conversation.sendall(b"a LOGIN {1000000}\r\n")
    expect(file.readline().startswith(b"a NO [TOOBIG]"), "a large literal before the login")
    conversation.sendall(b"b APPEND INBOX {26214400+}\r\n")
    lines = until(file, b"c ")
    expect(lines[-1] == b"" and any(line.startswith(b"* BYE") or line.startswith(b"b ") for line in lines), lines)


def whatever_comes_too_long(probe):
    conversation, file = probe.raw()
    conversation.sendall(b"a LOGIN probe x\r\nb NOOP " + b"x" * 100000)
    lines = until(file, b"b OK")
    expect(lines[-1] == b"" and lines[-2].startswith(b"* BYE"), lines[-2:])
    conversation, file = probe.raw()
    conversation.sendall(b"a LOGIN probe x\r\nb SEARCH " + b"NOT " * 5000 + b"ALL\r\nc NOOP\r\n")
    expect(until(file, b"b ")[-1].startswith(b"b BAD") and until(file, b"c ")[-1].startswith(b"c OK"), "a deep search")


def mistakes_end(probe):
    conversation, file = probe.raw()
    conversation.sendall(b"x WHAT\r\n" * 40)
    lines = until(file, b"y")
    expect(lines[-2].startswith(b"* BYE") and 10 < len(lines) < 40, lines[-2:])


def injected(probe):
    conversation, file = probe.raw()
    conversation.sendall(b"a STARTTLS\r\nb LOGIN evil x\r\n")
    expect(until(file, b"a ")[-1].startswith(b"a OK"), "STARTTLS")
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    secure = unchecked.wrap_socket(conversation)
    secure.sendall(b"c LIST \"\" *\r\n")
    said = secure.recv(1000)
    expect(said.startswith(b"c BAD"), ("what came before the handshake counts", said))


def login_is_offered(probe):
    client = imaplib.IMAP4(probe.host, probe.port, timeout=5)
    expect("LOGINDISABLED" not in client.capabilities and "AUTH=PLAIN" in client.capabilities, client.capabilities)
    for offered in [
        "IDLE", "LITERAL+", "UIDPLUS", "MOVE", "UNSELECT", "NAMESPACE", "ID", "ENABLE", "CHILDREN", "SPECIAL-USE",
        "ESEARCH", "LIST-EXTENDED", "LIST-STATUS", "STATUS=SIZE", "SASL-IR",
    ]:
        expect(offered in client.capabilities, offered)
    for absent in ["CONDSTORE", "SORT", "THREAD", "IMAP4REV2"]:
        expect(absent not in client.capabilities, absent)
    expect(client.logout()[0] == "BYE", "BYE comes before the end")
    conversation, file = probe.raw()
    pairs = " ".join(f'"{number:030}" "{"v" * 1024}"' for number in range(30))
    conversation.sendall(f"a ID ({pairs})\r\n".encode())
    expect(until(file, b"a ")[-1].startswith(b"a OK"), "as long an ID as may be, before the login")


def validity(probe):
    name, client = probe.box(LETTER)
    before = client.status(name, "(UIDVALIDITY)")[1]
    client.close()
    client.delete(name)
    client.create(name)
    expect(client.status(name, "(UIDVALIDITY)")[1] != before, before)


def idle(probe):
    name, client = probe.box(LETTER)
    conversation, file = probe.raw()
    conversation.sendall(f"a LOGIN probe x\r\nb SELECT {name}\r\nc IDLE\r\n".encode())
    until(file, b"+")
    client.append(name, None, None, LETTER)
    expect(file.readline() == b"* 2 EXISTS\r\n", "EXISTS while idle")
    file.readline()
    client.noop()
    client.store("1", "+FLAGS", r"\Deleted")
    client.expunge()
    lines = until(file, b"* 1 EXPUNGE")
    expect(lines[-1] == b"* 1 EXPUNGE\r\n", lines)
    conversation.sendall(b"dO")
    conversation.sendall(b"ne\r\nd NOOP\r\n")
    expect(until(file, b"d ")[0].startswith(b"c OK"), "DONE")


def literals(probe):
    conversation, file = probe.raw()
    conversation.sendall(b"a LOGIN {5+}\r\nprobe {1}\r\n")
    expect(file.readline().startswith(b"+"), "a literal that waits")
    conversation.sendall(b"x\r\n")
    expect(until(file, b"a ")[-1].startswith(b"a OK"), "LOGIN by literals")
    conversation.sendall(b"b APPEND INBOX {99999999999}\r\nc NOOP\r\n")
    expect(until(file, b"b ")[-1].startswith(b"b NO [TOOBIG]"), "a letter that is too large")
    expect(until(file, b"c ")[-1].startswith(b"c OK"), "and the session goes on")
    conversation.sendall(b"d APPEND INBOX {99999999999+}\r\ne NOOP\r\n")
    lines = until(file, b"e ")
    expect(b"d NO [TOOBIG]" in b"".join(lines) and lines[-1] == b"", lines)


def before_login(probe):
    conversation, file = probe.raw()
    for command in [b"SELECT INBOX", b"FETCH 1 FLAGS", b"IDLE", b"LIST \"\" *", b"APPEND INBOX {3}"]:
        conversation.sendall(b"a " + command + b"\r\n")
        expect(until(file, b"a ")[-1].startswith(b"a BAD"), command)


def bad_has_its_tag(probe):
    conversation, file = probe.raw()
    conversation.sendall(b"x1 WHAT\r\nx2 NOOP\r\n")
    expect(until(file, b"x1")[-1].startswith(b"x1 BAD") and until(file, b"x2")[-1].startswith(b"x2 OK"), "BAD")


def starttls(probe):
    client = imaplib.IMAP4(probe.host, probe.port, timeout=5)
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    expect(client.starttls(unchecked)[0] == "OK" and "STARTTLS" not in client.capabilities, client.capabilities)
    expect(client.authenticate("PLAIN", lambda _: b"\0probe\0x")[0] == "OK", "AUTHENTICATE")


def http(probe):
    conversation, file = probe.raw()
    conversation.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n\r\na LOGIN x x\r\n")
    try:
        said = file.readline()
    except ConnectionResetError:
        said = b""
    expect(said == b"", said)


RULES = [
    every_command, letters_come_back, partial, sections, envelope, seen, numbers, empty_box, expunge_shifts, expunge_waits,
    flags_are_told, recent, read_only, search, uidplus, trycreate, names, validity, idle, literals, before_login,
    bad_has_its_tag, starttls, http, names_stay, inbox, lists, structures, search_sees, sets, moves, what_is_gone,
    examine_takes_nothing, too_many_literals, none_swallowed_before_login, whatever_comes_too_long, mistakes_end, injected,
    login_is_offered,
]


def main():
    probe, wrong = Probe(sys.argv[1], int(sys.argv[2])), []
    for rule in RULES:
        try:
            rule(probe)
        except (Wrong, OSError, imaplib.IMAP4.error, IndexError, TypeError) as error:
            wrong.append(f"{rule.__name__}: {error!r}")
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{len(RULES) - len(wrong)} of {len(RULES)}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
