#!/usr/bin/env python3
"""How soon hobnob is there: from its start to the line that it listens, and to the end of its help.

    python3 bench/start.py --name start

Each start is a process of its own on core 1, one after the other and the kinds in turns; `true` is
what starting any process costs here. Loopback only.
"""

import argparse
import os
import subprocess
import sys
import time

import paired

LISTENS = b'"type":"listening"'


def to_the_end(command):
    """Seconds until it has ended well."""
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return time.perf_counter() - began


def to_the_line(command):
    """Seconds until it says that it listens."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        line = process.stdout.readline()
        took = time.perf_counter() - began
        process.terminate()
    if LISTENS not in line:
        sys.exit(f"bench: it said {line!r} first")
    return took


def kinds(hobnob):
    """{name: (how it is timed, its command)}"""
    tcp, tls = "127.0.0.1:0", "tls://127.0.0.1:0"
    return {
        "true": (to_the_end, ["true"]),
        "hobnob --help": (to_the_end, [hobnob, "--help"]),
        "serve echo": (to_the_line, [hobnob, "serve", "echo", tcp, "--json"]),
        "serve echo tls": (to_the_line, [hobnob, "serve", "echo", tls, "--json"]),
        "relay": (to_the_line, [hobnob, "relay", tcp, "127.0.0.1:9", "--json"]),
    }


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paired.add_run_arguments(p)
    p.add_argument("--starts", type=int, default=20, help="of each kind")
    args = p.parse_args()
    os.chdir(paired.ROOT)
    paired.check_hobnob(args)
    os.sched_setaffinity(0, {int(paired.CLIENT_CORE)})
    found = {name: [] for name in kinds(args.hobnob)}
    for _ in range(args.starts):
        for name, (timed, command) in kinds(args.hobnob).items():
            found[name].append(timed(command) * 1e3)
    figures = {name: {"ms": paired.spread(times)} for name, times in found.items()}
    print(f"{'ms to be there':<22} {'p50':>7} {'low':>7} {'high':>7}")
    for name, figure in figures.items():
        print("  {:<20} {median:>7.2f} {low:>7.2f} {high:>7.2f}".format(name, **figure["ms"]))
    paired.write_result(args, "start.py", {"starts": args.starts, "kinds": figures})


if __name__ == "__main__":
    main()
