#!/usr/bin/env python3
"""Every client here against every server here that fits, and a few that do not fit.

    python3 selfcheck.py

A peer that passes whatever it is told proves nothing, so the wrong pairs must fail,
each with one line and exit code 1.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

# client and its options, server, sessions (or datagrams) that the server sees
FITTING = [
    (["greeting_client"], "greeting_server", 1),
    (["greeting_client", "--clients", "50"], "greeting_server", 50),
    (["greeting_client"], "gathering_server", 1),
    (["echo_client"], "echo_server", 1),
    (["ok_client"], "ok_server", 1),
    (["timeouts"], "discard_server", 2),
    (["split_utf8"], "gathering_server", 17),
    (["http_client"], "http_server", 1),
    (["line_client", "--wanted", "hello"], "echo_server", 1),
    (["udp_greeting_client"], "udp_greeting_server", 4),
    (["udp_echo_client"], "udp_echo_server", 6),
    (["udp_temp_client"], "udp_temp_server", 5),
    (["resolver_client", "--questions", "6"], "udp_echo_server", 6),
]
WRONG = [
    (["greeting_client"], "echo_server", "nothing came in time"),
    (["greeting_client"], "ok_server", "on connect: expected b'Welcome!'"),
    (["greeting_client", "--clients", "3"], "ok_server", "on connect: expected b'Welcome!'"),
    (["echo_client"], "greeting_server", "the echo: expected"),
    (["ok_client"], "greeting_server", "nothing came in time"),
    (["timeouts"], "greeting_server", "recv returned"),
    (["split_utf8"], "greeting_server", "cut at byte 1"),
    (["http_client"], "ok_server", "nothing came in time"),
    (["line_client", "--wanted", "hello"], "greeting_server", "the answer: expected 'hello'"),
    (["udp_greeting_client"], "udp_echo_server", "expected b'Hello, Michael!'"),
    (["udp_echo_client"], "udp_greeting_server", "expected b'one'"),
    (["udp_temp_client"], "udp_echo_server", "expected b'68.0'"),
]
CHAT = ("你好\n吃了吗\n", "hello\nbye\n")


def start(script, *words):
    command = [sys.executable, "-u", os.path.join(HERE, script + ".py"), *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def start_server(script, *words):
    """The process, and the words of its address as it printed them."""
    server = start(script, *words)
    line = server.stdout.readline().split()
    if line[:1] != ["listening"]:
        raise AssertionError(f"{script} {' '.join(words)}: {server.communicate()[1].strip()}")
    return server, line[1:]


def end(process, what, wanted=0, words=""):
    """Wait for its end; its exit code and what it said must be as wanted."""
    try:
        out, err = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"{what} did not end: {process.communicate()}") from None
    said = err.strip()
    if process.returncode != wanted or words not in said or (wanted and "\n" in said):
        raise AssertionError(f"{what} ended with {process.returncode}: {out.strip()} {said}")
    return out


def fits(client, server, count, at):
    peer, where = start_server(server, *at, "--once", str(count))
    try:
        end(start(client[0], *where, *client[1:]), " ".join(client))
        end(peer, server)
    finally:
        peer.kill()


def is_wrong(client, server, words):
    peer, where = start_server(server, "127.0.0.1", "0")
    try:
        end(start(client[0], *where, *client[1:], "--timeout", "0.5"), client[0], 1, words)
        peer.send_signal(signal.SIGTERM)
        end(peer, server)
    finally:
        peer.kill()


def chat(at):
    listener, where = start_server("chat_peer", "--listen", *at)
    dialler = start("chat_peer", *where)
    for process, text in zip((listener, dialler), CHAT):
        process.stdin.write(text)
        process.stdin.flush()
    for process, text in zip((listener, dialler), reversed(CHAT)):
        got = "".join(process.stdout.readline() for _ in text.splitlines())
        assert got == text, f"chat_peer printed {got!r}, expected {text!r}"
    dialler.stdin.close()  # 一方先说完, 但还在听
    dialler.stdin = None
    end(listener, "chat_peer --listen")  # communicate() 关掉另一方的 stdin
    end(dialler, "chat_peer")


def places(folder, udp):
    yield ["127.0.0.1", "0"]
    if has_ipv6():
        yield ["::1", "0"]
    yield [os.path.join(folder, "udp.sock" if udp else "tcp.sock")]
    yield [f"@hobnob-selfcheck-{os.getpid()}-{udp}"]


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def main():
    checks = []
    for client, server, count in FITTING:
        checks.append((fits, client, server, count, "udp" in server))
    for client, server, words in WRONG:
        checks.append((is_wrong, client, server, words, None))
    done = 0
    for check, client, server, what, udp in checks:
        if check is is_wrong:
            is_wrong(client, server, what)
            done += 1
            continue
        with tempfile.TemporaryDirectory() as folder:
            for at in places(folder, udp):
                fits(client, server, what, at)
                done += 1
    with tempfile.TemporaryDirectory() as folder:
        for at in places(folder, False):
            chat(at)
            done += 1
    print(f"ok: {done} pairs")


if __name__ == "__main__":
    try:
        main()
    except AssertionError as wrong:
        sys.exit(f"selfcheck: {wrong}")
