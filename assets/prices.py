#!/usr/bin/env python3
"""Make prices.json, a trimmed snapshot of LiteLLM's price table, from a wheel.

Usage:
    python3 assets/prices.py WHEEL --date YYYY-MM-DD [--tiers LIST] [-o FILE]

WHEEL is a LiteLLM wheel file. It is only read as a zip archive: nothing in it
is installed or run. --date is the day that release was published; a wheel's
own time stamps are fixed, so it cannot be read from the file. The version
comes from the wheel's metadata. Without -o the result is written to
prices.json beside this script.

What is kept: chat and responses models that have a price per token, of the
providers in `wanted`. Names are LiteLLM's own, provider prefix and all.

Keys of a model, each an integer of nano-USD per token (USD per token * 1e9,
halves rounded up), and left out where the source gives no price:

    in, out     input, output
    cr, cw      cache read, cache write (5 minutes, where the provider has
                more than one lifetime)
    cw1h        cache write kept for 1 hour
    in200, out200, cr200, cw200, cw1h200
                the same for a request with more than 200,000 input tokens

--tiers says which long-context thresholds to keep, in thousands of tokens:
"200" (the default), a list such as "100,200,272", or "all". Another threshold
is written the same way (in272, out272, ...). A model that the source prices
only in steps (`tiered_pricing`) gets its first step as the base price, and
each later step as the tier that starts where the step does.

Only the standard library is used. What was left out is counted on stderr.
"""

import argparse
import datetime
import json
import pathlib
import re
import sys
import zipfile
from decimal import ROUND_HALF_UP, Decimal

TABLE = "litellm/model_prices_and_context_window_backup.json"
MODES = {"chat", "responses"}
WHOLE = {
    "anthropic",
    "bigmodel",
    "dashscope",
    "deepseek",
    "gemini",
    "mistral",
    "moonshot",
    "openai",
    "qwen_ai_platform",
    "qwencloud",
    "xai",
    "zai",
}
FIELDS = {
    "in": "input_cost_per_token",
    "out": "output_cost_per_token",
    "cr": "cache_read_input_token_cost",
    "cw": "cache_creation_input_token_cost",
    "cw1h": "cache_creation_input_token_cost_above_1hr",
}
ABOVE = re.compile(r"_above_(\d+)k_tokens$")


def wanted(name, model):
    """Whether the snapshot keeps this model."""
    if model.get("mode") not in MODES:
        return False
    provider = model.get("litellm_provider", "")
    if provider in WHOLE:
        return True
    if provider.startswith("vertex_ai"):
        return "claude" in name or "gemini" in name
    if provider.startswith("bedrock"):
        return "claude" in name
    return False


def nano(price):
    """USD per token as a whole number of nano-USD per token."""
    return int((Decimal(price) * 10**9).quantize(Decimal(1), ROUND_HALF_UP))


def thresholds(model):
    """The long-context thresholds that the source prices, in thousands."""
    found = set()
    for field in model:
        match = ABOVE.search(field)
        if match and field[: match.start()] in FIELDS.values():
            found.add(int(match[1]))
    for step in model.get("tiered_pricing") or []:
        if step["range"][0]:
            found.add(int(step["range"][0]) // 1000)
    return found


def trim(model, keep):
    """The prices kept of one model, in a fixed order."""
    flat = {key: model.get(field) for key, field in FIELDS.items()}
    for tier in thresholds(model):
        for key, field in FIELDS.items():
            flat[f"{key}{tier}"] = model.get(f"{field}_above_{tier}k_tokens")
    for step in model.get("tiered_pricing") or []:
        tier = int(step["range"][0]) // 1000 or ""
        for key, field in FIELDS.items():
            if flat.get(f"{key}{tier}") is None:
                flat[f"{key}{tier}"] = step.get(field)
    order = [""] + sorted(t for t in thresholds(model) if keep is None or t in keep)
    names = [f"{key}{tier}" for tier in order for key in FIELDS]
    return {name: nano(flat[name]) for name in names if flat.get(name) is not None}


def snapshot(wheel, date, keep):
    """The whole file as text, and what was left out as a list of lines."""
    with zipfile.ZipFile(wheel) as archive:
        table = json.loads(archive.read(TABLE), parse_float=Decimal)
        metadata = next(
            name
            for name in archive.namelist()
            if re.fullmatch(r"litellm-[^/]+\.dist-info/METADATA", name)
        )
        head = archive.read(metadata).decode("utf-8").split("\n\n", 1)[0]
    version = re.search(r"^Version: (.+)$", head, re.M)[1].strip()

    models, priceless, dropped = {}, [], {}
    for name, model in table.items():
        if name == "sample_spec" or not wanted(name, model):
            continue
        prices = trim(model, keep)
        if "in" not in prices or "out" not in prices:
            priceless.append(name)
            continue
        models[name] = prices
        for tier in thresholds(model):
            if keep is not None and tier not in keep:
                dropped.setdefault(tier, []).append(name)

    def dump(value):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)

    meta = {
        "source": "LiteLLM (MIT)",
        "date": date,
        "version": version,
        "unit": "nano-USD per token (integer)",
    }
    lines = [f"{dump(name)}:{dump(models[name])}" for name in sorted(models)]
    text = dump(meta)[:-1] + ',"models":{\n' + ",\n".join(lines) + "\n}}\n"

    notes = [f"{len(models)} models of LiteLLM {version}, {len(text.encode())} bytes"]
    if priceless:
        notes.append(f"no price per token: {', '.join(sorted(priceless))}")
    for tier in sorted(dropped):
        names = dropped[tier]
        notes.append(f"tier above {tier}k left out of {len(names)}: {', '.join(sorted(names))}")
    return text, notes


def tiers(value):
    """The --tiers argument: a set of thousands, or None for all of them."""
    return None if value == "all" else {int(part) for part in value.split(",")}


def day(value):
    """The --date argument, checked."""
    return datetime.date.fromisoformat(value).isoformat()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=pathlib.Path)
    parser.add_argument("--date", type=day, required=True)
    parser.add_argument("--tiers", type=tiers, default={200})
    parser.add_argument(
        "-o", "--output", type=pathlib.Path, default=pathlib.Path(__file__).with_name("prices.json")
    )
    args = parser.parse_args()
    text, notes = snapshot(args.wheel, args.date, args.tiers)
    json.loads(text)
    args.output.write_text(text, encoding="utf-8", newline="\n")
    print("\n".join(notes), file=sys.stderr)


if __name__ == "__main__":
    main()
