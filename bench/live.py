#!/usr/bin/env python3
"""Measures the live screen in a pseudo-terminal: first frame, idle, and what 1,000 appended lines a second cost.

    bench/live.py [--size S] [--runs 100] [--seconds 20] [--append-seconds 10] [--rate 1000]
    bench/live.py --command "top -d 1"      another program in the same place (the plumbing, or a peer)

The home holds the corpus as history, and beside it runs of the last minutes that have just fallen quiet. Nothing of
the corpus is changed. Latency: a line that gives a run a new, unique title is appended; the clock stops when the title
stands on the screen.
"""

import argparse
import json
import os
import random
import re
import shlex
import sys
import time

sys.dont_write_bytecode = True

import corpus
import corpus_claude
from common import ROOT, Home, median, percentile, table, warm
from corpus_text import Text, uuid4
from screen import Program

TITLE = re.compile(r"LV(\d{3})")
CLOCK = re.compile(r"\b\d{1,3}:\d\d:\d\d\b")
MARK = re.compile(r"MK(\d{5})")


class Now:
    """Stands for the corpus's clock: lines are stamped with the time at which they are written."""

    def __init__(self, back_ms=0):
        self.back, self.start, self.last = back_ms, 0, 0

    def at(self, _part):
        self.last = int(time.time() * 1000) - self.back
        return self.last


class Run:
    """One live transcript. Lines are appended as the agent does: open, write, close."""

    def __init__(self, home, text, number, many):
        rng = random.Random(f"live/{number}")
        self.number, self.rng = number, rng
        facts = dict(version="2.1.330", model="claude-sonnet-4-5-20250929", request_ids=True, partial=False, hour_cache=False, capture=False, loops=False, streaks=False, progress=False)
        # The first ones have started last: a list that puts the newest on top shows them.
        self.writer = corpus_claude.Claude(rng, text, uuid4(rng), f"/home/dev/src/live-{number % 10}", 60_000, Now(20_000 + number * 1_000), facts=facts)
        self.path = os.path.join(home.path, ".claude/projects", corpus_claude.slug(self.writer.cwd), self.writer.sid + ".jsonl")
        self.waiting = []
        self.writer.begin(f"LV{number:03} live work")
        self.title(f"LV{number:03} live work")
        self.writer.step()
        self.writer.answer([self.writer.text_block(200)], "end_turn")
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        self.flush()
        self.writer.clock.back = 0

    def title(self, title):
        self.writer.put(f'{{"type":"ai-title","aiTitle":"{title}","sessionId":"{self.writer.sid}"}}')

    def flush(self):
        with open(self.path, "ab", buffering=0) as file:
            file.write(b"".join(self.writer.out))
        self.writer.out.clear()

    def append(self):
        """One line of ordinary work."""
        if not self.waiting:
            self.writer.budget = self.writer.size + 60_000  # no line is larger than a third of it
            self.writer.answer([self.writer.call()])
            self.waiting, self.writer.out = self.writer.out, []
        line = self.waiting.pop(0)
        with open(self.path, "ab", buffering=0) as file:
            file.write(line)
        return len(line)


def start(argv, env, limit=20):
    """Starts the program; seconds to the first output and to the first frame that shows a clock or a run."""
    program = Program(argv, env)
    first = useful = None
    until = program.begun + limit
    while useful is None and not program.ended and time.perf_counter() < until:
        at = program.read(0.5)
        if at is None:
            continue
        first = first or at - program.begun
        text = program.screen.text()
        if CLOCK.search(text) or TITLE.search(text):
            useful = at - program.begun
    return program, first, useful


def idle(program, seconds):
    """CPU share, bytes a second and chunks a second while nothing happens."""
    cpu, ticks, sent, chunks, begun = program.cpu(), program.ticks(), program.sent, program.chunks, time.perf_counter()
    program.watch(seconds)
    wall = time.perf_counter() - begun
    return dict(
        cpu=100 * (program.cpu() - cpu) / wall, cpu_ticks=100 * (program.ticks() - ticks) / wall,
        bytes=(program.sent - sent) / wall, chunks=(program.chunks - chunks) / wall,
    )


def load(program, runs, seconds, rate, probes_a_second=20):
    """Appends `rate` lines a second over all runs, among them markers whose way to the screen is timed."""
    shown = [int(n) for n in TITLE.findall(program.screen.text())]
    probes = [r for r in runs if r.number in shown][:10] or runs[:10]
    others = [r for r in runs if r not in probes] or probes
    pending, latencies, lost, number, written, lines = {}, [], 0, 0, 0, 0
    cpu, own, sent, begun = program.cpu(), time.process_time(), program.sent, time.perf_counter()
    worst_lag, ended = 0.0, begun + seconds
    while (now := time.perf_counter()) < ended + (1.0 if pending else 0.0):
        if now < ended:
            due = int((now - begun) * rate)
            worst_lag = max(worst_lag, (due - lines) / rate)
            for _ in range(min(due - lines, 50)):
                written += others[lines % len(others)].append()
                lines += 1
            if int((now - begun) * probes_a_second) >= number:
                run = probes[number % len(probes)]
                run.append()  # a run that goes on stands where it is seen
                run.title(f"MK{number:05}")
                at = time.perf_counter()
                run.flush()
                pending[number] = at
                number += 1
        at = program.read(0.001)
        if at is not None and pending:
            for found in {int(n) for n in MARK.findall(program.screen.text())} & pending.keys():
                latencies.append((at - pending.pop(found)) * 1000)
        for old in [n for n, t in pending.items() if time.perf_counter() - t > 2]:
            del pending[old]
            lost += 1
    wall = time.perf_counter() - begun
    return dict(
        latencies=latencies, lost=lost + len(pending), markers=number, shown=len(shown), lines=lines / seconds, mb=written / seconds / 1e6,
        cpu=100 * (program.cpu() - cpu) / wall, bytes=(program.sent - sent) / wall, own=100 * (time.process_time() - own) / wall, lag=worst_lag * 1000,
    )


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--size", default="S", help="the history: S, M, L, MB=n, or none")
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--runs", type=int, default=100)
    args.add_argument("--starts", type=int, default=5, help="how often the first frame is timed")
    args.add_argument("--settle", type=float, default=3, help="seconds between the first frame and the idle measurement")
    args.add_argument("--seconds", type=float, default=20, help="of idling")
    args.add_argument("--append-seconds", type=float, default=10)
    args.add_argument("--rate", type=int, default=1000, help="lines a second, over all runs")
    args.add_argument("--redkey", default=os.path.join(ROOT, "target/release/redkey"))
    args.add_argument("--command", help="measure this instead of redkey")
    args.add_argument("--shot", action="store_true", help="print the screen as it is after settling and after the load")
    args.add_argument("--json", metavar="FILE", help="write the figures here too")
    args = args.parse_args()
    argv = shlex.split(args.command) if args.command else [os.path.abspath(args.redkey)]
    if not args.command and not os.path.isfile(argv[0]):
        raise SystemExit(f"no {argv[0]}: build it with `cargo build --release`, or name another with --command")
    if args.size == "none":
        place = os.path.join(ROOT, "bench/corpus/none")
        os.makedirs(place, exist_ok=True)
        folder = os.path.join(place, "x")
    else:
        folder, _ = corpus.cached(args.size, args.seed)
    with Home(folder, links=args.size != "none") as home:
        measure(args, argv, home)


def measure(args, argv, home):
    text = Text(1, lines=4_000)
    runs = [Run(home, text, n, args.runs) for n in range(args.runs)]
    size = warm(home.path)
    firsts, usefuls, program = [], [], None
    for number in range(args.starts):
        if program:
            program.stop()
        program, first, useful = start(argv, home.env())
        firsts.append(first)
        usefuls.append(useful)
        if number == 0 and args.starts > 1:
            program.watch(args.settle)  # whatever it keeps for the next start, it has time to write
    try:
        program.watch(args.settle)
        alive = not program.ended
        if args.shot:
            print(program.screen.text(), file=sys.stderr)
        quiet, memory = idle(program, args.seconds), program.memory()
        busy = load(program, runs, args.append_seconds, args.rate)
        peak = program.memory()
        if args.shot:
            print(program.screen.text(), file=sys.stderr)
        alive &= not program.ended
    finally:
        program.stop()
    report(args, argv, size, firsts, usefuls, quiet, memory, busy, peak, alive)


def report(args, argv, size, firsts, usefuls, quiet, memory, busy, peak, alive):
    ms = lambda s: f"{s * 1000:.0f} ms" if s is not None else "never"
    seen = [u for u in usefuls if u is not None]
    late = busy["latencies"]
    rows = [
        ("first output, cold / median", f"{ms(firsts[0])} / {ms(median([f for f in firsts if f is not None]) if any(firsts) else None)}", ""),
        ("first useful frame, cold / median", f"{ms(usefuls[0])} / {ms(median(seen) if seen else None)}", "60 ms"),
        (f"idle CPU, {args.runs} quiet runs", f"{quiet['cpu']:.3f} %", "0.15 %"),
        ("idle CPU by ticks, with children", f"{quiet['cpu_ticks']:.2f} %", ""),
        ("idle output", f"{quiet['bytes']:.0f} bytes/s in {quiet['chunks']:.1f} writes/s", "100 bytes/s + clocks"),
        ("memory idle, now / peak", f"{memory[0]:.1f} / {memory[1]:.1f} MB", "20 MB"),
        ("append to frame p50", f"{percentile(late, 0.5):.1f} ms" if late else "never seen", "25 ms"),
        ("append to frame p99", f"{percentile(late, 0.99):.1f} ms" if late else "never seen", "50 ms"),
        ("markers seen", f"{len(late)} of {busy['markers']}", "all"),
        (f"CPU at {busy['lines']:.0f} lines/s ({busy['mb']:.1f} MB/s)", f"{busy['cpu']:.2f} %", "3 %"),
        ("output under load", f"{busy['bytes'] / 1000:.1f} kB/s", ""),
        ("memory after load, now / peak", f"{peak[0]:.1f} / {peak[1]:.1f} MB", "20 MB"),
    ]
    print(f"\n{os.path.basename(argv[0])}, 200x60, history {args.size}: {size / 1e6:,.0f} MB; {args.runs} runs, {busy['shown']} titles on the screen\n")
    table(("what", "measured", "goal"), rows)
    print(f"\nthis script itself took {busy['own']:.0f} % of a core under load and fell behind by {busy['lag']:.0f} ms at most")
    if not alive:
        print("the program ended before the measurement did")
    if args.json:
        with open(args.json, "w") as file:
            json.dump(dict(size=args.size, runs=args.runs, firsts=firsts, usefuls=usefuls, idle=quiet, memory=memory, load=busy, memory_after=peak, alive=alive), file, indent=1)
    if not alive:
        sys.exit(1)


if __name__ == "__main__":
    main()
