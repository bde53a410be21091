#!/usr/bin/env python3
"""What grows with how many there are: connections that talk or are silent, silent UDP peers, members of a chat.

    python3 bench/scale.py --name scale

Beside the C epoll loop, in turns, for each size; a chat has no C loop beside it. The server has core 0
(`--cores 0,1`: both), the client core 1. Loopback only; sizes that the limit of open files does not
allow are left out, and said.
"""

import argparse
import resource
import select
import shlex
import socket
import time

import paired
from paired import BASE, BUILT

SIZES = {
    "talking": [1, 10, 100, 1_000, 5_000, 19_000],
    "silent": [100, 1_000, 5_000, 19_000],
    "silent peers": [100, 1_000, 10_000],
    "members": [2, 10, 100, 1_000],
}
WIRES = {"talking": "tcp", "silent": "tcp", "silent peers": "udp", "members": "tcp"}
# What is counted as a request: an echo, or a line that one member hears of another.
COST = "cpu_us_per_request"
COLUMNS = [(COST, "CPU us", 2), ("requests_per_s", "req/s", 0), ("p99_us", "p99 us", 0), ("bytes_each", "bytes", 0)]
# Who talks while the others are silent: more datagrams at once than that would not all find room in the kernel.
ACTIVE = {"tcp": 50, "udp": 16}
SPARE_FILES = 64
LINE = b"a line of forty bytes, and its end is..\n"
PATIENCE_S = 30


def resident(server):
    """Bytes, of all its processes."""
    return sum(paired.resident_bytes(pid) for pid in server.pids())


def talk(size, server, seconds):
    """One turn of those who all talk: what the load driver says, and what one of them weighs."""
    before = resident(server)
    with paired.Load(server, [server.kind, "--size", "64", "--conns", str(size), "--seconds", str(seconds)]) as load:
        cpu = server.cpu_seconds()
        result = load.go()
        cpu = server.cpu_seconds() - cpu
        full = resident(server)
        load.end()
    return figures(result, cpu, (full - before) / size)


def talk_beside_silent(size, server, seconds):
    """One turn of a few who talk, while so many others are silent."""
    before = resident(server)
    mode = "idle-udp" if server.kind == "udp" else "idle"
    with paired.Load(server, [mode, "--conns", str(size)]) as silent:
        full = resident(server)
        result = talk(ACTIVE[server.kind], server, seconds)
        silent.go()
        silent.end()
    return {**result, "bytes_each": (full - before) / size}


def figures(result, cpu, bytes_each):
    requests = result["requests"]
    return {
        COST: cpu * 1e6 / max(requests, 1),
        "requests_per_s": requests / result["seconds"],
        "p50_us": result["p50_us"],
        "p99_us": result["p99_us"],
        "bytes_each": bytes_each,
        "errors": result["errors"] + (requests == 0),
    }


class Members:
    """So many members of a chat without names, of whom the first speaks."""

    def __init__(self, port, size):
        self.poll = select.epoll()
        self.all = [socket.create_connection(("127.0.0.1", port)) for _ in range(size)]
        for member in self.all:
            member.setblocking(False)
            self.poll.register(member, select.EPOLLIN)
        self.by_number = {member.fileno(): member for member in self.all}
        self.hear_nothing_more()

    def hear_nothing_more(self):
        """Reads greetings and notices until none has come for a while."""
        while ready := self.poll.poll(0.5):
            for number, _ in ready:
                self.by_number[number].recv(1 << 20)

    def say(self):
        """One line, heard by all others; how long the last of them waited, in microseconds."""
        began, waiting = time.perf_counter(), {number: b"" for number in self.by_number}
        del waiting[self.all[0].fileno()]
        self.all[0].send(LINE)
        while waiting:
            ready = self.poll.poll(PATIENCE_S)
            if not ready:
                return None
            for number, _ in ready:
                heard = waiting.get(number, b"") + self.by_number[number].recv(4096)
                if heard.endswith(LINE):
                    waiting.pop(number, None)
                elif number in waiting:
                    waiting[number] = heard
        return (time.perf_counter() - began) * 1e6

    def close(self):
        for member in self.all:
            member.close()


def chat(size, server, seconds):
    """One turn of a room: one speaks, whenever all have heard the last line."""
    before = resident(server)
    members = Members(server.port, size)
    full, waits, errors = resident(server), [], 0
    cpu, began = server.cpu_seconds(), time.perf_counter()
    while time.perf_counter() - began < seconds and not errors:
        wait = members.say()
        waits.append(wait or 0)
        errors += wait is None
    lasted, cpu = time.perf_counter() - began, server.cpu_seconds() - cpu
    members.close()
    waits.sort()
    told = {"requests": len(waits) * (size - 1), "seconds": lasted, "errors": errors,
            "p50_us": waits[len(waits) // 2], "p99_us": waits[len(waits) * 99 // 100]}
    return figures(told, cpu, (full - before) / size)


def turn(what, size):
    """How a server is measured, for the turns."""
    def by(server, _, seconds):
        if what == "members":
            return chat(size, server, seconds)
        if what == "talking":
            return talk(size, server, seconds)
        return talk_beside_silent(size, server, seconds)
    return by


def servers_of(what, args):
    wire, hobnob = WIRES[what], shlex.quote(args.hobnob)
    if what == "members":
        return [("hobnob -q", wire, f"{hobnob} serve chat tcp://127.0.0.1:{{port}} --no-names -q", False)]
    ours = f"{hobnob} serve echo {wire}://127.0.0.1:{{port}} -q"
    return [(BASE, wire, f"{BUILT}/echo_{wire} {{port}}", False), ("hobnob -q", wire, ours, False)]


def is_up(_):
    """A look whether something listens; a chat echoes nothing."""
    def look(port):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0
    return look


def allowed(sizes):
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    left_out = [size for size in sizes if size + ACTIVE["tcp"] + SPARE_FILES > files]
    if left_out:
        print(f"{left_out} are left out: at most {files} open files")
    return [size for size in sizes if size not in left_out]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paired.add_arguments(p, SIZES)
    p.add_argument("--cores", default=paired.SERVER_CORE, help="of the server: 0, or 0,1")
    p.set_defaults(cycles=3)
    args = p.parse_args()
    paired.set_up(args)
    order, found, commands = paired.order_of(args), {}, {}
    for what in args.workload or SIZES:
        wanted = servers_of(what, args)
        commands.update({f"{what} {name}": command for name, _, command, _ in wanted})
        found[what] = {}
        for size in allowed(SIZES[what]):
            look = is_up if what == "members" else paired.answers
            with paired.stage() as (folder, stack):
                servers = paired.start(wanted, folder, stack, look, args.cores)
                cycles = paired.take_turns(servers, None, args, order, turn(what, size))
            others = ["requests_per_s", "p50_us", "p99_us", "bytes_each"]
            found[what][str(size)] = paired.summarise(cycles, COST, others, next(iter(cycles)))
            paired.print_table(f"{size:,} {what}", found[what][str(size)], COLUMNS)
    paired.write_report(args, "scale.py", commands, {"cores": args.cores, "curves": found})
    paired.exit_if_wrong({f"{what} {size}": of for what, sizes in found.items() for size, of in sizes.items()})


if __name__ == "__main__":
    main()
