#!/usr/bin/env python3
"""Writes a home directory full of Claude Code and Codex transcripts, and beside it what is truly in them.

    bench/corpus.py --size S            106 MB in about 100 files, into bench/corpus/S
    bench/corpus.py --size M            1,046 MB in 1,000 files
    bench/corpus.py --size L            4,169 MB in 4,000 files
    bench/corpus.py --size MB=20        20 MB, a file per MB (at least 10)

OUT/home holds the transcripts, OUT/expected.json the true totals of every session. The same seed and time give the
same bytes. Nothing outside OUT is touched.
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import statistics
import sys
import time

sys.dont_write_bytecode = True

import corpus_claude
import corpus_codex
from corpus_text import Text, skewed, uuid4

SIZES = {"S": (106, 100), "M": (1_046, 1_000), "L": (4_169, 4_000)}
PROJECTS = "api web parser infra docs billing mobile search auth worker ledger agent-tools data-pipeline scheduler".split()
DAY = 86_400_000
TEXT = None


def size_of(name):
    """(bytes, files) of a size's name."""
    if name in SIZES:
        mb, files = SIZES[name]
    elif name.upper().startswith("MB=") and name[3:].isdigit() and int(name[3:]) > 0:
        mb = int(name[3:])
        files = max(10, mb)
    else:
        raise SystemExit(f"size is S, M, L or MB=n, not {name!r}")
    return mb * 1_000_000, files


def plan(seed, total, files, now_ms):
    """What to write: sessions whose sizes are log-normal and add up to `total` bytes in `files` files."""
    rng = random.Random(f"{seed}/plan")
    plans, left = [], files
    while left > 0:
        spawns = len(plans) in (0, 1) or rng.random() < 0.06  # at least one session of each agent
        subagents = min(left - 1, rng.choice((1, 2, 2, 3, 4))) if spawns else 0
        weight = skewed(rng, 1_000, 1.25, 20, 40_000)
        plans.append(
            dict(
                agent=("claude", "codex")[len(plans)] if len(plans) < 2 else "claude" if rng.random() < 0.75 else "codex", id=uuid4(rng), weight=weight, copied=0, fork_of=None,
                cwd=f"/home/dev/src/{rng.choice(PROJECTS)}", subagents=[weight * rng.uniform(0.05, 0.4) for _ in range(subagents)],
            )
        )
        left -= 1 + subagents
    each = sum(p["weight"] + sum(p["subagents"]) for p in plans) / total
    for k, p in enumerate(plans):
        p["number"], p["bytes"] = k, max(60_000, int(p["weight"] / each))
        p["subagents"] = [max(25_000, int(w / each)) for w in p["subagents"]]
        length = min(skewed(rng, 35 * 60_000, 1.6, 2 * 60_000, 4 * DAY), 29 * DAY)
        p["end"] = now_ms - int(rng.random() ** 1.3 * (30 * DAY - length)) - rng.randrange(30_000, 600_000)
        p["start"] = p["end"] - length
    # A few sessions are forks: they begin with a copy of another one's answers.
    whole = [p for p in plans if p["agent"] == "claude" and not p["subagents"] and p["bytes"] > 150_000]
    for child, parent in zip(whole[5::40], whole[6::40]):
        child.update(fork_of=dict(parent), cwd=parent["cwd"], copied=min(child["bytes"], parent["bytes"]) // 3, start=parent["start"])
        child["end"] = max(child["end"], parent["end"] + 120_000)
    return plans


def write(job):
    home, seed, p = job
    rng = random.Random(f"{seed}/{p['number']}")
    if p["agent"] == "codex":
        return corpus_codex.session(home, TEXT, rng, p)
    if p["fork_of"] is None:
        return corpus_claude.session(home, TEXT, rng, p)
    body = random.Random(f"{seed}/{p['fork_of']['number']}")  # the parent's own sequence: the same ids and numbers
    return corpus_claude.session(home, TEXT, rng, p, body)


def make(out, size, seed=1, now_ms=None, quiet=False):
    """Writes the corpus and returns what is expected. `out` is replaced if it holds a corpus."""
    global TEXT
    total, files = size_of(size)
    now_ms = now_ms or int(time.time() // 3600 * 3600 * 1000)
    home = os.path.join(out, "home")
    if os.path.exists(out) and os.listdir(out):
        if not os.path.isfile(os.path.join(out, "expected.json")) and not os.path.isfile(os.path.join(out, ".corpus")):
            raise SystemExit(f"{out} is not empty and holds no corpus")
        shutil.rmtree(out)
    os.makedirs(home)
    open(os.path.join(out, ".corpus"), "w").close()
    begun = time.monotonic()
    TEXT = Text(seed)
    plans = sorted(plan(seed, total, files, now_ms), key=lambda p: -p["bytes"])
    with multiprocessing.get_context("fork").Pool(min(4, os.cpu_count() or 1)) as pool:
        sessions = sorted(pool.imap_unordered(write, [(home, seed, p) for p in plans], chunksize=2), key=lambda s: s["id"])
    seconds = time.monotonic() - begun
    kinds = ("input", "output", "cache_read", "cache_write", "tool_calls", "failed", "lines", "bytes", "files", "subagents")
    sums = {k: sum(s[k] for s in sessions) for k in kinds}
    # Over all sessions an answer that a fork copied counts once.
    once = {k: sums[k] - sum(s["copied"][k] for s in sessions if s["copied"]) for k in kinds[:4]}
    expected = dict(size=size, seed=seed, now_ms=now_ms, sums=sums, once=once, sessions=sessions)
    with open(os.path.join(out, "expected.json"), "w") as file:
        json.dump(expected, file, indent=0)
    if not quiet:
        mb = sums["bytes"] / 1e6
        print(f"{mb:,.0f} MB in {sums['files']:,} files, {len(sessions):,} sessions, {sums['lines']:,} lines: {seconds:.1f} s, {mb / seconds:,.0f} MB/s", file=sys.stderr)
    return expected


def recount(out):
    """Counts again from the files, with a JSON parser and another head than the writer's. Returns what disagrees."""
    found = {}
    with open(os.path.join(out, "expected.json")) as file:
        expected = json.load(file)["sessions"]
    for folder, _, names in os.walk(os.path.join(out, "home")):
        for name in sorted(n for n in names if n.endswith(".jsonl")):
            with open(os.path.join(folder, name), "rb") as file:
                lines = [json.loads(line) for line in file]
            (recount_codex if ".codex" in folder else recount_claude)(lines, found)
    kinds = ("input", "output", "cache_read", "cache_write", "tool_calls", "failed")
    return [(s["id"], k, s[k], found.get(s["id"], {}).get(k)) for s in expected for k in kinds if s[k] != found.get(s["id"], {}).get(k)]


def recount_claude(lines, found):
    answers, calls, failed, session = {}, set(), set(), None
    for line in lines:
        session = line.get("sessionId") or session
        message = line.get("message") or {}
        if line["type"] == "assistant" and message.get("model") != "<synthetic>":
            usage, key = message["usage"], (message["id"], line.get("requestId"))
            if key not in answers or usage["output_tokens"] >= answers[key]["output_tokens"]:
                answers[key] = usage
        for block in message.get("content") or []:
            if isinstance(block, dict) and block["type"] == "tool_use":
                calls.add(block["id"])
            elif isinstance(block, dict) and block["type"] == "tool_result" and block.get("is_error"):
                failed.add(block["tool_use_id"])
    names = dict(input="input_tokens", output="output_tokens", cache_read="cache_read_input_tokens", cache_write="cache_creation_input_tokens")
    add(found, session, dict({k: sum(u[n] for u in answers.values()) for k, n in names.items()}, tool_calls=len(calls), failed=len(failed)))


def recount_codex(lines, found):
    total, calls, failed = {}, 0, 0
    for line in lines:
        payload = line["payload"]
        if payload.get("type") == "token_count" and payload["info"]:
            total = payload["info"]["total_token_usage"]
        calls += payload.get("type") in ("function_call", "custom_tool_call")
        if payload.get("type") == "function_call_output":
            head = payload["output"].split("Output:\n")[0]
            failed += "Process exited with code " in head and "Process exited with code 0\n" not in head
    cached = total["cached_input_tokens"]
    add(found, lines[0]["payload"]["session_id"], dict(input=total["input_tokens"] - cached, output=total["output_tokens"], cache_read=cached, cache_write=0, tool_calls=calls, failed=failed))


def add(found, session, counts):
    mine = found.setdefault(session, {})
    for key, value in counts.items():
        mine[key] = mine.get(key, 0) + value


def describe(out):
    """Sizes of files and lines, to see whether the corpus is what it says."""
    lengths, sizes = [], []
    for folder, _, names in os.walk(os.path.join(out, "home")):
        for name in names:
            if name.endswith(".jsonl"):
                path = os.path.join(folder, name)
                sizes.append(os.path.getsize(path))
                with open(path, "rb") as file:
                    lengths.extend(map(len, file))
    lengths.sort()
    sizes.sort()
    at = lambda of, q: of[min(len(of) - 1, int(q * len(of)))]
    print(f"lines: {len(lengths):,}, median {statistics.median(lengths):,.0f}, mean {statistics.mean(lengths):,.0f}, p90 {at(lengths, .9):,}, p99 {at(lengths, .99):,}, longest {lengths[-1]:,}")
    print(f"files: {len(sizes):,}, median {statistics.median(sizes):,.0f}, p90 {at(sizes, .9):,}, largest {sizes[-1]:,}")


def cached(size, seed=1, root=None, keep=None):
    """The corpus of that size, made now if it isn't there."""
    out = keep or os.path.join(root or os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus"), f"{size.replace('=', '')}-{seed}")
    path = os.path.join(out, "expected.json")
    if not os.path.isfile(path):
        print(f"making corpus {size} in {out}", file=sys.stderr)
        return out, make(out, size, seed)
    with open(path) as file:
        expected = json.load(file)
    if (expected["size"], expected["seed"]) != (size, seed):
        raise SystemExit(f"{out} holds another corpus: {expected['size']}, seed {expected['seed']}")
    return out, expected


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--size", default="S", help="S, M, L or MB=n")
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--now", type=int, metavar="MS", help="the time that the corpus ends at, in ms since 1970 (default: this hour)")
    args.add_argument("--out", help="default: bench/corpus/SIZE-SEED")
    args.add_argument("--check", action="store_true", help="count again from the files and compare")
    args.add_argument("--describe", action="store_true", help="print the sizes of lines and files too")
    args = args.parse_args()
    out = args.out or os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", f"{args.size.replace('=', '')}-{args.seed}")
    make(out, args.size, args.seed, args.now)
    print(out)
    if args.describe:
        describe(out)
    if args.check:
        wrong = recount(out)
        for row in wrong[:20]:
            print(*row)
        print(f"recount: {len(wrong)} figures disagree")
        sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
