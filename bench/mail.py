#!/usr/bin/env python3
"""Mail: what a letter costs beside other servers, what kept letters weigh, and a mailbox of 10,000 beside Dovecot.

    python3 bench/mail.py --name mail                    # all three parts: less than 4 minutes
    python3 bench/mail.py --part letters --cycles 3      # one of them: letters, memory, imap

The load is Postfix's smtp-source, and its smtp-sink, which throws away what it is told, the bare lower line that
ratios are to (`cargo xtask peers` unpacks both, and brings aiosmtpd and npm's smtp-server). How the turns are taken is
in paired.py, but that a turn is so many letters in place of so many seconds. Loopback only. `--dir` and the Maildir of
aiosmtpd wait for the disk under the temporary folder, so that their letters per second are the disk's.
"""

import argparse
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import paired
from paired import CLIENT_CORE, ROOT

PEERS = os.path.join(paired.TARGET, "peers")
BASE = "smtp-sink"
DOVECOT = "/usr/sbin/dovecot"
# What goes over twenty connections: the flags of smtp-source.
WORKLOADS = {
    "conns-stay": ["-d"],
    "conn-each": [],
}
PARTS = ["letters", "memory", "imap"]
CONNS = 20
BOX = 10_000  # letters that a box takes
LETTER = 4096
MIB = 1024 * 1024
KEPT_MIB = 64  # what letters that are kept may weigh, all of the process
GROWTH_MIB = 32  # and what it may grow by while large ones arrive
LARGE, LARGE_AT_ONCE = 25 * MIB - 4096, 20
PATIENCE_S = 60

# One user with one Maildir, in the clear.
DOVECOT_CONF = """\
protocols = imap
base_dir = {folder}/run
log_path = {folder}/log
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{mail}
first_valid_uid = 1
listen = 127.0.0.1
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={mail}
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""
NOBODY = 65534


def postfix(program):
    """A program of the unpacked package: its words."""
    folder = os.path.abspath(os.path.join(PEERS, "postfix"))
    return ["env", f"LD_LIBRARY_PATH={folder}/usr/lib/postfix", f"{folder}/usr/sbin/{program}"]


def greets(port):
    """Whether something says its first word there, as every server of letters does."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as s:
            s.settimeout(1)
            return bool(s.recv(1))
    except OSError:
        return False


class MailServers:
    """Those that take letters, each started on core 0 with a folder of its own."""

    def __init__(self, args, folder, stack):
        self.args, self.folder, self.stack = args, folder, stack

    def start(self, name, command):
        server = paired.Server(name, "smtp", command, self.folder, port=paired.free_port("tcp"), is_up=greets)
        self.stack.callback(server.stop)
        server.wait_until_up()
        return server

    def hobnob(self, name, flags=""):
        program = shlex.quote(self.args.hobnob)
        return self.start(name, f"{program} serve mail smtp=127.0.0.1:{{port}} -q {flags}")

    def place(self, name):
        return os.path.join(self.folder, name)

    def all(self):
        """The base first; tells who is missing."""
        as_root = "-u root" if os.geteuid() == 0 else ""
        servers = [
            self.start(BASE, f"{shlex.join(postfix('smtp-sink'))} {as_root} 127.0.0.1:{{port}} 100"),
            self.hobnob("hobnob -q"),
            self.hobnob("hobnob -q --dir", f"--dir {shlex.quote(self.place('kept'))}"),
        ]
        python = os.path.join(PEERS, "python")
        if os.path.isdir(os.path.join(python, "aiosmtpd")):
            aiosmtpd = f"env PYTHONPATH={shlex.quote(python)} python3 -m aiosmtpd -n -l 127.0.0.1:{{port}} -c aiosmtpd.handlers"
            servers.append(self.start("aiosmtpd", f"{aiosmtpd}.Sink"))
            maildir = shlex.quote(self.place("maildir"))
            servers.append(self.start("aiosmtpd Maildir", f"{aiosmtpd}.Mailbox {maildir}"))
        else:
            print("without aiosmtpd: not fetched (cargo xtask peers)")
        modules = os.path.join(PEERS, "node/node_modules")
        if shutil.which("node") and os.path.isdir(os.path.join(modules, "smtp-server")):
            script = shlex.quote(os.path.join(ROOT, "bench/reference/smtp_server.js"))
            servers.append(self.start("smtp-server", f"env NODE_PATH={shlex.quote(modules)} node {script} {{port}}"))
        else:
            print("without smtp-server: not fetched (cargo xtask peers)")
        return servers


def send(port, count, flags=(), size=LETTER):
    """So many letters by smtp-source, which ends well only if all of them are taken; how long it took."""
    command = ["taskset", "-c", CLIENT_CORE, *postfix("smtp-source"), *flags, "-m", str(count), "-s", str(CONNS),
               "-l", str(size), "-f", "app@test", "-t", "li@test", f"inet:127.0.0.1:{port}"]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    if done.returncode:
        sys.exit(f"bench: smtp-source: {done.stderr.strip()}")
    return time.monotonic() - began


def letters(args, folder, stack):
    """{workload: {server: figures}}"""
    def turn(server, flags, count):
        before = server.cpu_seconds()
        took = send(server.port, count, flags)
        cpu = server.cpu_seconds() - before
        return {"letters_per_s": count / took, "cpu_us_per_letter": cpu * 1e6 / count}

    order, found = paired.order_of(args), {}
    for workload in args.workload or WORKLOADS:
        # New ones each time: a box of --dir takes 10,000 letters, and no figure is to depend on what came before.
        servers = MailServers(args, tempfile.mkdtemp(dir=folder), stack).all()
        flags, turns, cycles = WORKLOADS[workload], list(servers), {s.name: [] for s in servers}
        for _ in range(args.cycles):
            order.shuffle(turns)
            for server in turns:
                cycles[server.name].append(turn(server, flags, args.letters))
        found[workload] = paired.summarise(cycles, "cpu_us_per_letter", ["letters_per_s"], base=BASE)
        columns = [("cpu_us_per_letter", "us CPU", 1), ("letters_per_s", "letters/s", 0)]
        paired.print_table(f"letters, {workload}", found[workload], columns)
        for server in servers:
            server.stop()
    return found


def status(pid, field):
    """Bytes, from a line in kB of /proc/PID/status."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith(field + ":"))


def proportional(pid):
    """The process's share of what it has in memory."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("Pss:"))


def reset_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w") as f:
        f.write("5")


def say(wire, text, code):
    wire.write(text)
    wire.flush()
    while (line := wire.readline())[3:4] == b"-":
        pass
    if not line.startswith(code):
        sys.exit(f"bench: {text[:40]!r}: {line!r}")


def send_large(port, size, all_are_there, failed):
    """One letter, whose end is held until all the others have come so far."""
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as s, s.makefile("rwb") as wire:
            say(wire, b"", b"220")
            for text, code in ((b"EHLO me\r\n", b"250"), (b"MAIL FROM:<app@test>\r\n", b"250"),
                               (b"RCPT TO:<li@test>\r\n", b"250"), (b"DATA\r\n", b"354")):
                say(wire, text, code)
            line = b"x" * 76 + b"\r\n"
            piece = line * 800
            wire.write(b"Subject: large\r\n\r\n")
            for _ in range(size // len(piece)):
                wire.write(piece)
            wire.flush()
            all_are_there.wait(PATIENCE_S)
            say(wire, b".\r\n", b"250")
            say(wire, b"QUIT\r\n", b"221")
    except (OSError, SystemExit, threading.BrokenBarrierError) as error:
        failed.append(error)


def weigh(server, kept, large):
    """What the process weighs empty, with so many letters, and at most while large ones arrive."""
    pid = server.process.pid
    empty = status(pid, "VmRSS")
    send(server.port, kept, ["-d"])
    resident, share = status(pid, "VmRSS"), proportional(pid)
    reset_peak(pid)
    before, failed = status(pid, "VmRSS"), []
    all_are_there = threading.Barrier(LARGE_AT_ONCE)
    senders = [threading.Thread(target=send_large, args=(server.port, large, all_are_there, failed))
               for _ in range(LARGE_AT_ONCE)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    if failed:
        sys.exit(f"bench: {server.name}: {failed[0]}")
    growth = status(pid, "VmHWM") - before
    mib = {"empty_mib": empty, "rss_mib": resident, "pss_mib": share, "growth_mib": growth}
    return {name: round(bytes_ / MIB, 1) for name, bytes_ in mib.items()}


def memory(args, folder, stack):
    """{server: figures}; one that weighs too much is an error."""
    servers, found = MailServers(args, folder, stack), {}
    large = LARGE if args.kept >= 10_000 else MIB  # a look at whether it runs needs no half gigabyte
    print(f"\n{args.kept:,} letters kept, in MiB {'empty':>10} {'RSS':>8} {'PSS':>8} {'and at most, with '}"
          f"{LARGE_AT_ONCE} of {large / MIB:.0f} MiB")
    kept = {"hobnob": f"--keep {args.kept}", "hobnob --dir": f"--dir {shlex.quote(servers.place('weighed'))} --keep {args.kept}"}
    for name, flags in kept.items():
        server = servers.hobnob(name, flags)
        figures = found[name] = weigh(server, args.kept, large)
        figures["errors"] = int(figures["rss_mib"] > KEPT_MIB) + int(figures["growth_mib"] > GROWTH_MIB)
        wrong = f"   over {KEPT_MIB} or {GROWTH_MIB} MiB" if figures["errors"] else ""
        print(f"  {name:<28} {figures['empty_mib']:>8} {figures['rss_mib']:>8} {figures['pss_mib']:>8}"
              f"     + {figures['growth_mib']}{wrong}", flush=True)
        server.stop()
        shutil.rmtree(servers.place("weighed"), ignore_errors=True)
    return {"letters": args.kept, "at_once": LARGE_AT_ONCE, "large_mib": round(large / MIB), "servers": found}


class Imap:
    """A client that reads as fast as it can."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.socket.recv(4096)

    def ask(self, command):
        """What came, and how long it took to its end."""
        began, pieces, tail = time.monotonic(), [], b""
        self.socket.sendall(b"t " + command.encode() + b"\r\n")
        while not (end := last_line(tail)).startswith(b"t "):
            piece = self.socket.recv(256 * 1024)
            if not piece:
                sys.exit(f"bench: {command}: it closed")
            pieces.append(piece)
            tail = (tail + piece)[-4096:]
        took = time.monotonic() - began
        if not end.startswith(b"t OK"):
            sys.exit(f"bench: {command}: {end!r}")
        return b"".join(pieces), took


def last_line(text):
    """Without its end; nothing where it has none yet."""
    return text[:-2].rpartition(b"\n")[2] if text.endswith(b"\r\n") else b""


def look_through(server, kept):
    """One session that opens the box and fetches every envelope."""
    client = Imap(server.port)
    before = server.cpu_seconds()
    client.ask("LOGIN all x")
    _, select = client.ask("SELECT INBOX")
    said, fetch = client.ask("FETCH 1:* (ENVELOPE FLAGS UID RFC822.SIZE)")
    cpu = server.cpu_seconds() - before
    client.ask("LOGOUT")
    if (lines := said.count(b"ENVELOPE (")) != kept:
        sys.exit(f"bench: {server.name}: {lines} envelopes of {kept}")
    return {"select_ms": select * 1e3, "fetch_ms": fetch * 1e3, "cpu_ms": cpu * 1e3}


def copy_for_dovecot(source, folder):
    os.chmod(os.path.dirname(folder), 0o755)
    os.mkdir(folder)
    mail = os.path.join(folder, "mail")
    for part in ("new", "cur", "tmp"):
        shutil.copytree(os.path.join(source, part), os.path.join(mail, part))
    for place, folders, files in os.walk(folder):
        for name in [".", *folders, *files]:
            os.chown(os.path.join(place, name), NOBODY, NOBODY)
    return mail


def dovecot(source, folder, port):
    mail = copy_for_dovecot(source, folder)
    conf = os.path.join(folder, "conf")
    with open(conf, "w") as f:
        f.write(DOVECOT_CONF.format(folder=folder, mail=mail, port=port))
    return f"{DOVECOT} -F -c {shlex.quote(conf)}"


def imap(args, folder, stack):
    """{first or second: {server: figures}}, each time on a copy of one Maildir that no server has seen."""
    if not os.path.exists(DOVECOT) or os.geteuid():
        print("without imap: dovecot is missing (apt-get install dovecot-imapd), or this is not root")
        return None
    servers, source = MailServers(args, folder, stack), os.path.join(folder, "source")
    maker = servers.hobnob("maker", f"--dir {shlex.quote(source)}")
    send(maker.port, args.kept, ["-d"])
    maker.stop()
    order, turns = paired.order_of(args), ["dovecot", "hobnob -q"]
    times = {time: {name: [] for name in turns} for time in ("first", "second")}
    for cycle in range(args.cycles):
        order.shuffle(turns)
        for name in turns:
            box, port = os.path.join(folder, f"box-{cycle}-{name[:3]}"), paired.free_port("tcp")
            if name == "dovecot":
                command = dovecot(source, box, port)
            else:
                os.mkdir(box)
                for part in ("new", "cur", "tmp"):
                    shutil.copytree(os.path.join(source, part), os.path.join(box, part))
                command = f"{shlex.quote(args.hobnob)} serve mail imap=127.0.0.1:{port} -q --dir {shlex.quote(box)}"
            server = paired.Server(name, "imap", command, folder, port=port, is_up=greets)
            stack.callback(server.stop)
            server.wait_until_up()
            for time_ in times:
                times[time_][name].append(look_through(server, args.kept))
            server.stop()
            shutil.rmtree(box)
    found = {}
    for time_, cycles in times.items():
        found[time_] = paired.summarise(cycles, "cpu_ms", ["select_ms", "fetch_ms"], base="dovecot")
        columns = [("cpu_ms", "ms CPU", 0), ("select_ms", "SELECT", 0), ("fetch_ms", "FETCH", 0)]
        paired.print_table(f"{args.kept:,}, {time_} time", found[time_], columns)
    return found


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paired.add_run_arguments(p)
    p.add_argument("--cycles", type=int, default=5)
    p.add_argument("--letters", type=int, default=1000, help="of a turn")
    p.add_argument("--kept", type=int, default=10_000, help="letters, for memory and imap")
    p.add_argument("--workload", action="append", choices=WORKLOADS, help="again for more")
    p.add_argument("--part", action="append", choices=PARTS, help="again for more; all of them")
    p.add_argument("--seed", type=int, help="of the order; a new one each time")
    args = p.parse_args()
    if args.cycles * args.letters > BOX or args.kept > BOX:
        p.error(f"a box takes {BOX:,} letters: fewer --cycles, --letters or --kept")
    return args


def main():
    args = arguments()
    os.chdir(ROOT)
    paired.check_hobnob(args)
    args.hobnob = os.path.abspath(args.hobnob)
    if not os.access(postfix("smtp-source")[-1], os.X_OK):
        sys.exit("bench: no smtp-source; cargo xtask peers")
    parts = args.part or PARTS
    print(f"{', '.join(parts)}: {args.cycles} cycles, {args.letters:,} letters a turn, {args.kept:,} kept", flush=True)
    said = {"cycles": args.cycles, "letters": args.letters, "kept": args.kept, "conns": CONNS, "bytes": LETTER}
    with paired.stage() as (folder, stack):
        for part, measure in (("letters", letters), ("memory", memory), ("imap", imap)):
            if part in parts and (found := measure(args, folder, stack)):
                said["workloads" if part == "letters" else part] = found
    paired.write_result(args, "mail.py", said)
    paired.exit_if_wrong({"memory": said["memory"]["servers"]} if "memory" in said else {})


if __name__ == "__main__":
    main()
