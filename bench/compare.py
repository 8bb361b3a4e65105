#!/usr/bin/env python3
"""Times redkey over a made corpus, beside a newline count of the same bytes and, with --peers, other programs.

    bench/compare.py --size M [--rounds 5] [--keep DIR] [--peers] [--json FILE]

Everything runs in one go, in turns, over a throw-away home with the page cache warm; medians are printed. Compare the
column "x newline", not seconds of different machines. redkey's totals are checked against what is truly in the corpus.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True

import corpus
from common import ROOT, Home, median, run, table, warm

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TOKENS = ("input", "output", "cache_read", "cache_write")


def find_peer(*names):
    """A peer's program: on PATH, or installed by npm under bench/peers (or $REDKEY_PEERS)."""
    for top in filter(None, (os.environ.get("REDKEY_PEERS"), os.path.join(ROOT, "bench/peers"))):
        for name in names:
            for path in (os.path.join(top, "node_modules/.bin", name), os.path.join(top, "node_modules", name)):
                if os.path.isfile(path):
                    return path
    return next(filter(None, map(shutil.which, names)), None)


def offline():
    """A prefix that takes the network away, if the system lets us."""
    for prefix in (["unshare", "-n", "--"], ["unshare", "-rn", "--"]):
        try:
            if subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
                return prefix
        except FileNotFoundError:
            break
    return []


class Change:
    """The one file that changes between two runs: an answer is appended to it."""

    def __init__(self, home, expected):
        fit = [s for s in expected["sessions"] if s["agent"] == "claude" and s["subagents"] == 0 and not s["copied"]]
        for session in sorted(fit, key=lambda s: abs(s["bytes"] - 1_000_000)):
            path = os.path.join(home.path, session["file"])
            with open(path, "rb") as file:
                lines = [line for line in file if line.startswith(b'{"parentUuid"') and b'"role":"assistant"' in line[:2000]]
                file.seek(max(0, session["bytes"] - 4_000))
                if lines and b'"cost-state"' not in file.read():
                    break
        else:
            raise SystemExit("no session fit to be changed")
        self.session, self.times = session, 0
        self.path = home.own(session["file"])
        self.line = json.loads(lines[-1])
        self.usage = dict(input=7, output=41, cache_read=1_000, cache_write=90)

    def again(self):
        self.times += 1
        message = self.line["message"]
        message.update(id=f"msg_bench{self.times:08}", content=[{"type": "text", "text": "One more."}], stop_reason="end_turn")
        message["usage"].update(
            input_tokens=self.usage["input"], output_tokens=self.usage["output"], cache_read_input_tokens=self.usage["cache_read"],
            cache_creation_input_tokens=self.usage["cache_write"],
        )
        message["usage"].pop("cache_creation", None)  # its parts would say otherwise
        if "requestId" in self.line:
            self.line["requestId"] = f"req_bench{self.times:08}"
        self.line["uuid"] = f"00000000-0000-4000-a000-{self.times:012}"
        self.line["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        with open(self.path, "a") as file:
            file.write(json.dumps(self.line, separators=(",", ":")) + "\n")

    def adjust(self, sessions):
        """What is expected after all changes."""
        for key, value in self.usage.items():
            sessions[self.session["id"]][key] += value * self.times


def check(out, sessions, what):
    """How many sessions redkey's output agrees with; returns lines to print."""
    try:
        with open(out) as file:
            rows = json.load(file)
    except (OSError, ValueError) as error:
        return [f"{what}: output is no JSON ({error})"], False
    if isinstance(rows, dict):
        rows = next((v for v in rows.values() if isinstance(v, list)), [])
    found = {}
    for row in rows:
        ids = UUID.findall(str(row.get("run") or row.get("id") or row.get("session") or ""))
        if ids:
            found[ids[-1]] = row
    same, wrong, missing = dict(tokens=0, tool_calls=0, failed=0), [], []
    for sid, true in sessions.items():
        row = found.pop(sid, None)
        if row is None:
            missing.append(sid)
            continue
        tokens = row.get("tokens") or row
        told = {k: tokens.get(k) for k in TOKENS}
        if told == {k: true[k] for k in TOKENS}:
            same["tokens"] += 1
        else:
            wrong.append(f"  {true['agent']} {sid}: tokens told {told}, true {({k: true[k] for k in TOKENS})}")
        calls, failed = row.get("tool_calls"), row.get("failed_tool_calls", row.get("failed"))
        same["tool_calls"] += calls == true["tool_calls"]
        same["failed"] += failed == true["failed"]
        if None not in (calls, failed) and (calls, failed) != (true["tool_calls"], true["failed"]):
            wrong.append(f"  {true['agent']} {sid}: calls/failed told {calls}/{failed}, true {true['tool_calls']}/{true['failed']}")
    n = len(sessions)
    lines = [f"{what}: of {n:,} sessions {same['tokens']:,} agree in tokens, {same['tool_calls']:,} in tool calls, {same['failed']:,} in failed calls; {len(missing)} missing, {len(found)} unknown"]
    lines += [f"  missing: {sid} {sessions[sid]['file']}" for sid in missing[:3]] + wrong[:5] + ([f"  … {len(wrong) - 5} more"] if len(wrong) > 5 else [])
    return lines, same["tokens"] == n and same["tool_calls"] == n and not missing


def cases(args, home, change):
    """(name, argv, environment, what to do before) in the order of a round."""
    nothing, list_ = lambda: None, []
    places = (os.path.dirname(args.redkey), os.path.join(ROOT, "target/release"))
    newlines = next((p for p in (os.path.join(d, "examples/newlines") for d in places) if os.path.isfile(p)), None)
    if newlines:
        list_.append(("newline count, 2 threads", [newlines, home.path], home.env(), home.forget))
    else:
        print(f"no {places[0]}/examples/newlines: build it with `cargo build --release --examples`", file=sys.stderr)
    if os.path.isfile(args.redkey):
        ls = [args.redkey, "ls", "--all", "--json"]
        list_ += [
            ("redkey totals, cold", ls + ["--totals"], home.env(), home.forget),
            ("redkey totals, warm", ls + ["--totals"], home.env(), nothing),
            ("redkey totals, warm, one file changed", ls + ["--totals"], home.env(), change.again),
            ("redkey full metering", ls, home.env(), nothing),
        ]
    else:
        print(f"no {args.redkey}: build it with `cargo build --release`", file=sys.stderr)
    if args.peers:
        list_ += peers(home)
    return list_


def peers(home):
    nothing, list_, cut = lambda: None, [], offline()
    if not cut:
        print("can't take the network from the peers here; their own offline flags must do", file=sys.stderr)
    if ccusage := find_peer("ccusage"):
        list_ += [
            ("ccusage daily", cut + [ccusage, "daily", "--json", "--offline"], home.env(), home.forget),
            ("ccusage claude daily", cut + [ccusage, "claude", "daily", "--json", "--offline"], home.env(), home.forget),
        ]
    # The npm package `tokscale` may start an older one; version 4 is the platform package's own binary.
    if tokscale := find_peer("@tokscale/cli-linux-x64-gnu/bin/tokscale", "tokscale"):
        argv, env = cut + [tokscale, "models", "--json", "--no-spinner"], home.env(TOKSCALE_PRICING_CACHE_ONLY="1")
        list_ += [("tokscale models, cold", argv, env, home.forget), ("tokscale models, its cache warm", argv, env, nothing)]
    if not list_:
        print("no peers found: see bench/README.md for how to install them", file=sys.stderr)
    return list_


def peer_totals(out):
    """The sums that a peer tells, by our names; None where its output has none."""
    try:
        with open(out) as file:
            told = json.load(file)
        sums = told.get("totals") or told
        pick = lambda *names: next((sums[n] for n in names if n in sums), None)
        return dict(
            input=pick("inputTokens", "totalInput"), output=pick("outputTokens", "totalOutput"),
            cache_read=pick("cacheReadTokens", "totalCacheRead"), cache_write=pick("cacheCreationTokens", "totalCacheWrite"),
        )
    except (OSError, ValueError, AttributeError):
        return None


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--size", default="S", help="S, M, L or MB=n")
    args.add_argument("--rounds", type=int, default=5)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--keep", metavar="DIR", help="where the corpus is kept (default: bench/corpus/SIZE-SEED)")
    args.add_argument("--peers", action="store_true", help="time the other programs too")
    args.add_argument("--redkey", default=os.path.join(ROOT, "target/release/redkey"), help="the program (default: target/release/redkey)")
    args.add_argument("--json", metavar="FILE", help="write the figures here too")
    args.add_argument("--limit", type=int, default=300, help="seconds after which a program is killed")
    args = args.parse_args()
    args.redkey = os.path.abspath(args.redkey)
    folder, expected = corpus.cached(args.size, args.seed, keep=args.keep and os.path.abspath(args.keep))
    with Home(folder) as home:
        measure(args, home, expected)


def measure(args, home, expected):
    change = Change(home, expected)
    size = warm(home.path)
    todo = cases(args, home, change)
    if not todo:
        raise SystemExit("nothing to measure")
    results, outs = {name: [] for name, *_ in todo}, {}
    for number in range(args.rounds):
        for k, (name, argv, env, before) in enumerate(todo):
            before()
            home.env()  # its directories must exist
            outs[name] = os.path.join(home.top, f"out-{k}")
            done = run(argv, env, outs[name], args.limit)
            results[name].append(done)
            print(f"round {number + 1}/{args.rounds} {name}: {done['wall']:.3f} s" + (f", exit code {done['code']}" if done["code"] else ""), file=sys.stderr)
    report(args, expected, size, results, outs, change)


def report(args, expected, size, results, outs, change):
    base = next((median([r["wall"] for r in rs]) for name, rs in results.items() if name.startswith("newline")), None)
    rows, figures = [], {}
    for name, rs in results.items():
        wall, cpu = median([r["wall"] for r in rs]), median([r["cpu"] for r in rs])
        peak, bad = max(r["peak_kb"] for r in rs) / 1024, sum(r["code"] != 0 for r in rs)
        figures[name] = dict(wall=wall, cpu=cpu, peak_mb=peak, times_newline=wall / base if base else None, failed=bad, all=[r["wall"] for r in rs])
        rows.append((
            name + (f"  ({bad} of {len(rs)} failed)" if bad else ""), f"{wall:.3f}", f"{cpu:.3f}",
            f"{wall / base:.2f}" if base else "-", f"{size / wall / 1e9:.2f}", f"{peak:.0f}",
        ))
    print(f"\ncorpus {args.size}: {size / 1e6:,.0f} MB, {expected['sums']['files']:,} files, {len(expected['sessions']):,} sessions; {args.rounds} rounds, medians, peak of all\n")
    table(("what", "seconds", "CPU s", "x newline", "GB/s", "peak MB"), rows)
    print()
    right = True
    sessions = {s["id"]: dict(s) for s in expected["sessions"]}
    change.adjust(sessions)
    # The last round's cold and warm runs came before its change.
    before = {k: dict(v) for k, v in sessions.items()}
    for key, value in change.usage.items():
        before[change.session["id"]][key] -= value
    for name in results:
        if name.startswith("redkey"):
            lines, ok = check(outs[name], before if name.endswith(("cold", "warm")) else sessions, name)
            right &= ok
            print("\n".join(lines))
    extra = {k: v * change.times for k, v in change.usage.items()}
    for name in results:
        if name.startswith(("ccusage daily", "tokscale")) and (told := peer_totals(outs[name])):
            true = {k: expected["once"][k] + extra[k] for k in TOKENS}
            off = ", ".join(f"{k} {told[k]:,} for {true[k]:,}" for k in TOKENS if told[k] is not None and told[k] != true[k])
            print(f"{name}: sums {'agree' if not off else 'differ: ' + off}")
    if args.json:
        with open(args.json, "w") as file:
            json.dump(dict(size=args.size, bytes=size, rounds=args.rounds, right=right, figures=figures), file, indent=1)
    if not right:
        sys.exit(1)


if __name__ == "__main__":
    main()
