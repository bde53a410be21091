#!/usr/bin/env python3
"""Faults against the clock: what a fault promises, and what a client measures through it.

    python3 bench/latency.py --name latency

A round trip under `latency=...` by the load driver, on the C echo loop, through one direction and
through both: its median less that of a relay without faults, which up to 20 ms is asked as seldom, has
to be within 0.2 ms a direction of what was asked for up to 10 ms, and within 1 % above. A transfer under `down:rate=...` by curl, whose own meter has to
agree within 3 %. Loopback only; the time is bounded and printed first. No CPU is compared here, so
that nothing takes turns; what is pinned and how is in paired.py.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys

import paired
from paired import BUILT, CLIENT_CORE

LATENCIES_MS = [1, 2, 5, 10, 20, 200, 1000]
RATES = {"64k": 64 << 10, "1m": 1 << 20, "10mbit/s": 1_250_000, "50m": 50 << 20}
CONNS = 20
ALONE_MS = 20  # up to this one conn alone: of several at once the later wait for the earlier, which is no fault's doing
WITHIN_MS = 0.2  # a direction, up to SHORT_MS; above it a share
SHORT_MS = 10
WITHIN_LONG = 0.01
WITHIN = 0.03
TRANSFER_S = 4  # what is fetched is so many seconds' worth


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paired.add_run_arguments(p)
    p.add_argument("--seconds", type=float, default=6, help="of round trips, for each latency")
    p.set_defaults(no_hobnob=False, only_build=False, cycles=1)
    return p.parse_args()


def relay(args, stack, folder, target, fault, is_up):
    port = paired.free_port("tcp")
    command = (f"{shlex.quote(args.hobnob)} relay -q 127.0.0.1:{{port}} 127.0.0.1:{target} "
               f"--fault {fault}")
    server = paired.Server(fault, "relay", command, folder, port=port, is_up=is_up)
    stack.callback(server.stop)
    server.wait_until_up()
    return server


def round_trips(args, stack, folder):
    """{fault: figures}"""
    port, said = paired.free_port("tcp"), {}
    echo = paired.Server("c", "echo", f"{BUILT}/echo_tcp {{port}}", folder, core=CLIENT_CORE,
                         port=port, is_up=paired.answers("tcp"))
    stack.callback(echo.stop)
    echo.wait_until_up()
    print(f"\n{'round trips':<22} {'count':>7} {'p50 ms':>9} {'p99 ms':>9} {'max ms':>9} {'off ms':>9}")
    faults = [(f"{way}latency={asked}ms", asked, ways)
              for asked in LATENCIES_MS for way, ways in (("down:", 1), ("", 2))]
    # What the relay itself takes is not the fault's: one whose fault hits nobody. Asked as seldom, as a machine that has
    # slept in between takes longer for everything.
    plain = relay(args, stack, folder, port, "refuse,after=1000000conn", listens)
    for fault, asked, ways in faults:
        conns, pause = (1, asked * ways) if asked <= ALONE_MS else (CONNS, 0)
        words = ["tcp", "--size", "64", "--conns", str(conns), "--seconds", str(args.seconds)]
        beside = went(plain, [*words, "--pause", str(pause)])
        server = relay(args, stack, folder, port, fault, listens)
        result = went(server, words)
        server.stop()
        p50, p99, most = (result[key] / 1000 for key in ("p50_us", "p99_us", "max_us"))
        within = ways * (WITHIN_MS if asked <= SHORT_MS else asked * WITHIN_LONG)
        off = p50 - beside["p50_us"] / 1000 - asked * ways
        is_wrong = abs(off) > within or result["errors"] or beside["errors"] or not result["requests"]
        said[fault] = {
            "asked_ms": asked * ways, "off_ms": round(off, 3), "round_trips": result["requests"], "p50_ms": round(p50, 3),
            "p99_ms": round(p99, 3), "max_ms": round(most, 3), "plain_p50_ms": round(beside["p50_us"] / 1000, 3),
            "errors": int(bool(is_wrong)),
        }
        wrong = "   WRONG" if is_wrong else ""
        print(f"  {fault:<20} {result['requests']:>7} {p50:>9.3f} {p99:>9.3f} {most:>9.3f} {off:>9.3f}{wrong}", flush=True)
    return said


def went(server, words):
    with paired.Load(server, words) as load:
        result = load.go()
        load.end()
    return result


def listens(port):
    """A look that costs a relay no session of the load's."""
    try:
        paired.socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False


def transfers(args, stack, folder):
    """{fault: figures}"""
    if not shutil.which("curl"):
        print("without transfers: curl is not installed (apt-get install curl)")
        return {}
    said = {}
    print(f"\n{'transfers by curl':<22} {'bytes':>11} {'asked B/s':>12} {'meter B/s':>12} {'ratio':>7}")
    for text, asked in RATES.items():
        body = os.path.join(folder, "body")
        with open(body, "wb") as f:
            f.truncate(asked * TRANSFER_S)
        port = paired.free_port("tcp")
        command = f"{sys.executable} -m http.server --bind 127.0.0.1 --directory {shlex.quote(folder)} {{port}}"
        site = paired.Server("python", "http", command, folder, core=CLIENT_CORE, port=port, is_up=listens)
        stack.callback(site.stop)
        site.wait_until_up()
        fault = f"down:rate={text}"
        server = relay(args, stack, folder, port, fault, listens)
        got = subprocess.run(
            ["taskset", "-c", CLIENT_CORE, "curl", "-sS", "--fail", "-o", os.devnull, "--max-time", "60",
             "-w", "%{size_download} %{speed_download}", f"http://127.0.0.1:{server.port}/body"],
            capture_output=True, text=True)
        size, meter = (int(word) for word in got.stdout.split()) if got.returncode == 0 else (0, 0)
        ratio = meter / asked
        is_wrong = abs(ratio - 1) > WITHIN or size != asked * TRANSFER_S
        said[fault] = {
            "asked_bytes_per_s": asked, "bytes": size, "curl_bytes_per_s": meter,
            "ratio": round(ratio, 4), "errors": int(is_wrong),
        }
        wrong = "   WRONG " + got.stderr.strip() if is_wrong else ""
        print(f"  {fault:<20} {size:>11} {asked:>12} {meter:>12} {ratio:>7.4f}{wrong}", flush=True)
        server.stop()
        site.stop()
    return said


def main():
    args = arguments()
    paired.set_up(args)
    seconds = 4 * len(LATENCIES_MS) * args.seconds + len(RATES) * TRANSFER_S
    print(f"at least {seconds:.0f} s", flush=True)
    with paired.stage() as (folder, stack):
        found = {
            "round_trips": round_trips(args, stack, folder),
            "transfers": transfers(args, stack, folder),
        }
    paired.write_report(args, "latency.py", ["hobnob -q"], found)
    paired.exit_if_wrong(found)


if __name__ == "__main__":
    main()
