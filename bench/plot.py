#!/usr/bin/env python3
"""Results as pictures: bench/results/NAME.json becomes NAME.svg, readable in light and dark.

    python3 bench/plot.py echo relay http

A bar is the median of a ratio over the cycles, its line goes from the lowest to the highest.
"""

import json
import os
import sys
from html import escape

import paired

WIDTH, LEFT, RIGHT = 760, 190, 70
ROW, GAP, TOP = 20, 26, 54
COMMAND = 130  # letters of it that fit
STYLE = """
  text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: #1f2328 }
  .head { font-weight: 600 } .foot { font-size: 10px; fill: #656d76 }
  .bar { fill: #2f81c7 } .other { fill: #afb8c1 } .spread { stroke: #1f2328 } .one { stroke: #656d76; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .foot { fill: #8d96a0 } .bar { fill: #4a9ee0 } .other { fill: #565d66 }
    .spread { stroke: #e6edf3 } .one { stroke: #8d96a0 }
  }
"""


def ratios(report):
    """{workload: {name: spread}} of a report that has ratios."""
    found = {}
    for workload, rows in report.get("workloads", {}).items():
        rows = {name: row["ratio"] for name, row in rows.items() if "ratio" in row}
        if rows:
            found[workload] = rows
    return found


def picture(name, report):
    workloads = ratios(report)
    # What is far out is cut and told by its number; the rest would be too small to read.
    most = min(5.0, max(spread["high"] for rows in workloads.values() for spread in rows.values()))
    scale = (WIDTH - LEFT - RIGHT) / most
    at, body = TOP, []
    for workload, rows in workloads.items():
        body.append(f'<text class="head" x="12" y="{at + 4}">{escape(workload)}</text>')
        at += 12
        one = LEFT + scale
        body.append(f'<line class="one" x1="{one:.1f}" x2="{one:.1f}" y1="{at}" y2="{at + ROW * len(rows)}"/>')
        for server, spread in rows.items():
            body += row(server, spread, at, scale, most)
            at += ROW
        at += GAP
    machine = report["machine"]
    command = report["command"] if len(report["command"]) <= COMMAND else report["command"][:COMMAND - 3] + "..."
    feet = [command, f'{machine["cpu"]}, {machine["cores"]} cores, Linux {machine["kernel"]}, {report["date"]}']
    height = at + 14 * len(feet)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(name)}: CPU per unit of work as a ratio">',
        f"<style>{STYLE}</style>",
        f'<text class="head" x="12" y="22">{escape(name)}: CPU per unit of work, as a ratio to the first of each</text>',
        *body,
        *(f'<text class="foot" x="12" y="{at + 14 * line}">{escape(foot)}</text>' for line, foot in enumerate(feet)),
        "</svg>\n",
    ])


def row(server, spread, at, scale, most):
    kind = "bar" if server.startswith("hobnob") else "other"
    length = min(spread["median"], most) * scale
    low, high = (LEFT + min(spread[end], most) * scale for end in ("low", "high"))
    middle = at + ROW / 2
    return [
        f'<text x="{LEFT - 8}" y="{middle + 4:.0f}" text-anchor="end">{escape(server)}</text>',
        f'<rect class="{kind}" x="{LEFT}" y="{at + 4}" width="{length:.1f}" height="{ROW - 8}" rx="2"/>',
        f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>',
        f'<text x="{max(high, LEFT + length) + 6:.1f}" y="{middle + 4:.0f}">{spread["median"]:.2f}</text>',
    ]


def main():
    os.chdir(paired.ROOT)
    for name in sys.argv[1:] or ["echo", "relay", "http"]:
        with open(f"bench/results/{name}.json") as f:
            report = json.load(f)
        if not ratios(report):
            sys.exit(f"bench: {name} has no ratios to draw")
        with open(f"bench/results/{name}.svg", "w") as f:
            f.write(picture(name, report))
        print(f"bench/results/{name}.svg")


if __name__ == "__main__":
    main()
