#!/usr/bin/env python3
"""The three models of `hobnob serve --model`, beside a C loop and beside Python's threads.

    python3 bench/models.py --name models

Server CPU per request as a ratio to the C loop, in turns (see paired.py); then what the requests do
not show: how long people who think are served, and what an idle connection weighs. Loopback only.
"""

import argparse
import contextlib
import shlex
import socket
import threading
import time

import paired
from paired import BASE, BUILT

WORKLOADS = {
    "64x50": ["tcp", "--size", "64", "--conns", "50"],
    "64x1": ["tcp", "--size", "64", "--conns", "1"],
    "rounds": ["rounds", "--size", "64", "--sources", "50"],
}
COST = "cpu_us_per_request"
OTHERS = ["requests_per_s", "p50_us", "p99_us"]
COLUMNS = [(COST, "CPU us", 2), ("requests_per_s", "req/s", 0), ("p99_us", "p99 us", 0)]
PEOPLE, THINKS_S = 20, 0.1
IDLE = 500


def wanted(hobnob):
    """{name: (command, whether it serves several at once)}"""
    serve = f"{shlex.quote(hobnob)} serve echo tcp://127.0.0.1:{{port}} -q --model"
    python = "python3 bench/reference/echo_threads.py {port}"
    return {
        BASE: (f"{BUILT}/echo_tcp {{port}}", True),
        "async": (f"{serve} async", True),
        "threads": (f"{serve} threads", True),
        "serial": (f"{serve} serial", False),
        "python threads": (python, True),
        "python serial": (f"{python} serial", False),
    }


def one_person(port):
    """Connects, says a word, hears it, thinks, says another, hears it, and goes."""
    with socket.create_connection(("127.0.0.1", port), 30) as s:
        for word in (b"hello", b"goodbye"):
            s.sendall(word)
            if s.recv(16) != word:
                raise SystemExit("bench: a wrong answer")
            if word == b"hello":
                time.sleep(THINKS_S)


def people(server):
    """Seconds until all of them have gone, who come at once."""
    all_of_them = [threading.Thread(target=one_person, args=(server.port,)) for _ in range(PEOPLE)]
    began = time.monotonic()
    for person in all_of_them:
        person.start()
    for person in all_of_them:
        person.join()
    return time.monotonic() - began


def status(server):
    with open(f"/proc/{server.process.pid}/status") as f:
        fields = dict(line.split(":", 1) for line in f)
    return int(fields["VmRSS"].split()[0]), int(fields["Threads"])


def idle(server):
    """KiB and threads that a connection costs that has said one word and is silent since."""
    before, threads = status(server)
    with contextlib.ExitStack() as stack:
        for _ in range(IDLE):
            s = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 30))
            s.sendall(b"hello")
            s.recv(16)
        after, more = status(server)
    return (after - before) / IDLE, (more - threads) / IDLE


def beside(servers, several):
    found = {}
    print(f"\n{'':<22} {PEOPLE} think {THINKS_S:g} s   an idle connection of {IDLE}")
    for server in servers:
        figures = {"people_s": round(people(server), 2)}
        if several[server.name]:
            kib, threads = idle(server)
            figures |= {"idle_kib": round(kib, 1), "idle_threads": round(threads, 2)}
        found[server.name] = figures
        weight = f"{figures['idle_kib']:>8.1f} KiB {figures['idle_threads']:>5.2f} threads" if "idle_kib" in figures else ""
        print(f"  {server.name:<20} {figures['people_s']:>10.2f} s {weight}", flush=True)
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paired.add_arguments(p, WORKLOADS)
    args = p.parse_args()
    paired.set_up(args)
    table = wanted(args.hobnob)
    several = {name: is_several for name, (_, is_several) in table.items()}
    workloads = args.workload or list(WORKLOADS)
    pairs = len(workloads) * len(table)
    paired.announce(args, pairs, f"{len(table)} servers, {len(workloads)} workloads")
    order, found = paired.order_of(args), {}
    with paired.stage() as (folder, stack):
        commands = [(name, "tcp", command, False) for name, (command, _) in table.items()]
        servers = paired.start(commands, folder, stack)
        weights = beside(servers, several)
        for workload in workloads:
            # Of fifty at once a server of one at a time would answer one.
            turns = [s for s in servers if several[s.name] or workload != "64x50"]
            cycles = paired.take_turns(turns, WORKLOADS[workload], args, order)
            found[workload] = paired.summarise(cycles, COST, OTHERS)
            paired.print_table(workload, found[workload], COLUMNS)
    servers = {name: command for name, (command, _) in table.items()}
    paired.write_report(args, "models.py", servers, {"workloads": found, "beside": weights})
    paired.exit_if_wrong(found)


if __name__ == "__main__":
    main()
