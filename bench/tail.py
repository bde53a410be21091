#!/usr/bin/env python3
"""The tail that hobnob bench tells in an open loop, beside the one that arithmetic says.

    python3 bench/tail.py --name tail

The server is an echo that sleeps for 100 ms once a second (reference/sleeper.py). A tenth of all messages is due while it
sleeps, and each of these waits for the rest of that: a share of 0.99 is below 90 ms, and one of 0.999 below 99 ms. Each
has to be told within 5 %; the same server in a closed loop shows what that hides. Loopback only.
"""

import argparse
import json
import os
import subprocess
import sys

import paired

ASLEEP_MS, PERIOD_MS = 100, 1000
RATE = 2000
SHARES = {"p99": 0.99, "p99.9": 0.999}
WITHIN = 0.05


def expected_us(share):
    """Messages are due evenly: so much of the sleep is left for the last of this share."""
    waits = 1 - (1 - share) * PERIOD_MS / ASLEEP_MS
    return waits * ASLEEP_MS * 1e3


def bench(args, port, loop):
    command = ["taskset", "-c", paired.CLIENT_CORE, args.hobnob, "bench", f"tcp://127.0.0.1:{port}", "-c", "20",
               "-d", f"{args.seconds}s", "--timeout", "10s", "--json", "-q", *loop]
    done = subprocess.run(command, capture_output=True, text=True, timeout=args.seconds + 60)
    if done.returncode:
        sys.exit(f"bench: hobnob ended with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paired.add_run_arguments(p)
    p.add_argument("--seconds", type=int, default=10, help="of each run")
    p.add_argument("--runs", type=int, default=3)
    p.set_defaults(no_hobnob=False, only_build=False)
    return p.parse_args()


def main():
    args = arguments()
    os.chdir(paired.ROOT)
    paired.check_hobnob(args)
    print(f"at least {2 * args.runs * args.seconds} s", flush=True)
    with paired.stage() as (folder, stack):
        port = paired.free_port("tcp")
        command = f"python3 bench/reference/sleeper.py {{port}} {ASLEEP_MS}"
        server = paired.Server("sleeper", "tcp", command, folder, port=port, is_up=paired.answers("tcp"))
        stack.callback(server.stop)
        server.wait_until_up()
        runs = {name: [bench(args, port, loop)["latency_us"] for _ in range(args.runs)]
                for name, loop in (("open", ["--rate", f"{RATE}/s"]), ("closed", []))}
    found, wrong = {}, []
    for name, tails in runs.items():
        found[name] = {share: paired.spread([tail[share] / 1e3 for tail in tails]) for share in SHARES}
    for share, of in SHARES.items():
        wanted = expected_us(of) / 1e3
        found[share] = {"expected_ms": wanted, "open_ms": found["open"][share]}
        told, closed = found["open"][share], found["closed"][share]
        print(f"{share:<6} expected {wanted:6.1f} ms   open loop {told['median']:6.1f} ms, {told['low']:.1f}-"
              f"{told['high']:.1f}   closed loop {closed['median']:.1f} ms")
        if abs(told["median"] - wanted) > WITHIN * wanted:
            wrong.append(share)
    paired.write_result(args, "tail.py", {"runs": args.runs, "seconds": args.seconds, "rate": RATE, "tails": found})
    if wrong:
        sys.exit(f"bench: {' and '.join(wrong)} off by more than {WITHIN:.0%}")


if __name__ == "__main__":
    main()
