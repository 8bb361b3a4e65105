"""Blocks of text that look like what agents read and print, ready to stand inside a JSON string.

Everything handed out is already escaped, so that a line is put together without a JSON encoder. Some lines look like
keys (`\\"usage\\":{...}`), some hold escapes and letters outside ASCII: a reader that guesses instead of parsing trips.
"""

import base64
import bisect
import random

WORDS = (
    "cache index token budget clock run agent line parse tail event window frame state table value offset reader "
    "writer error retry limit batch queue merge branch commit build test module config session thread result output "
    "input handler client server request response stream buffer header field record query update insert delete lock "
    "guard scope drift charge meter policy tariff forecast ledger replay socket signal process child parent"
).split()

TEMPLATES = (
    '{i}let {a} = {b}.get({c}).ok_or_else(|| Error::new(\\"no {a} in {b}\\"))?;',
    '{i}if ({a}.{b} !== undefined && {c}.length > {n}) {{ return {a}.{b}({c}); }}',
    "{i}def {a}_{b}(self, {c}: int = {n}) -> None:",
    "{i}for {a} in sorted({b}.items(), key=lambda kv: kv[1]['{c}']):",
    "test {a}::{b}::{c}_{n} ... ok",
    "test {a}::{b}::{c}_{n} ... FAILED",
    "\\u001b[32m   Compiling\\u001b[0m {a}-{b} v0.{n}.0 (/home/dev/src/{c})",
    "2026-11-0{d} 12:0{d}:11.{n} INFO  {a}.{b}: {c} finished in {n} ms, 0 errors",
    "src/{a}/{b}.rs:{n}:{d}: warning: unused variable: `{c}`",
    "{n}:{i}pub fn {a}_{b}(&mut self, {c}: &str) -> Result<(), {a}::Error> {{",
    "drwxr-xr-x  {d} dev dev {n} Nov  {d} 10:1{d} {a}_{b}",
    '  \\"{a}\\": {{ \\"{b}\\": [{n}, {d}], \\"{c}\\": \\"C:\\\\\\\\{a}\\\\\\\\{b}\\" }},',
    '{{\\"type\\":\\"assistant\\",\\"message\\":{{\\"id\\":\\"msg_{n}\\",\\"usage\\":{{\\"input_tokens\\":{n},\\"output_tokens\\":{n}}}}}}}',
    '{{\\"type\\":\\"token_count\\",\\"info\\":{{\\"total_token_usage\\":{{\\"input_tokens\\":{n}}}}}}}\\t{a}',
    "The {a} of the {b} is read before its {c}; that is why the {b} shows {n} where {d} was expected.",
    "- {a}: \\u2018{b}\\u2019 moved to {c} — {n} lines, see the note below ✓",
    "error[E0{n}]: mismatched types: expected `{a}`, found `{b}`\\n  --> src/{c}.rs:{n}:{d}",
    "\\t{a}\\t{b}\\t{c}\\t{n}\\t{d}.{n}",
    "",
)


class Text:
    """A pool of escaped lines; `take` cuts at line ends alone, so that no escape is torn."""

    def __init__(self, seed, lines=36_000):
        rng = random.Random(f"{seed}/text")
        word = lambda: WORDS[rng.randrange(len(WORDS))]
        parts, at, size = [], [0], 0
        for _ in range(lines):
            made = TEMPLATES[min(int(rng.random() * (len(TEMPLATES) + 2)), len(TEMPLATES) - 1)].format(
                i=" " * (4 * rng.randrange(4)), a=word(), b=word(), c=word(), n=rng.randrange(100, 9999), d=rng.randrange(1, 10)
            )
            parts.append(made + "\\n")
            size += len(parts[-1])
            at.append(size)
        self.text, self.at = "".join(parts), at
        self.base64 = "iVBORw0KGgoAAAANSUhEUgAA" + base64.b64encode(rng.randbytes(1_200_000)).decode()

    def take(self, rng, size):
        """About `size` characters of whole lines, at least one line."""
        size = min(size, len(self.text) - 200)
        start = rng.randrange(bisect.bisect_left(self.at, len(self.text) - size))
        end = bisect.bisect_left(self.at, self.at[start] + size, start + 1)
        return self.text[self.at[start] : self.at[end]]

    def words(self, rng, count):
        return " ".join(WORDS[int(rng.random() * len(WORDS))] for _ in range(count))

    def image(self, rng, size):
        start = rng.randrange(len(self.base64) - size)
        return "iVBORw0KGgo" + self.base64[start : start + size]


def uuid4(rng):
    h = "%032x" % rng.getrandbits(128)
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"


def uuid7(rng, ms):
    h = "%012x" % ms
    r = "%020x" % rng.getrandbits(80)
    return f"{h[:8]}-{h[8:]}-7{r[:3]}-a{r[3:6]}-{r[6:18]}"


def skewed(rng, median, sigma, low, high):
    """A size from a log-normal distribution, held within bounds."""
    return int(min(high, max(low, median * 2.718281828 ** rng.gauss(0.0, sigma))))


def iso(ms):
    import time

    s = time.gmtime(ms // 1000)
    return f"{s[0]}-{s[1]:02}-{s[2]:02}T{s[3]:02}:{s[4]:02}:{s[5]:02}.{ms % 1000:03}Z"


class Clock:
    """Time of a run by how far it is written: 0 at its first line, 1 at its last, with pauses in between."""

    def __init__(self, rng, start_ms, end_ms):
        self.start, length = start_ms, end_ms - start_ms
        # Runs of hours and days stand still while nobody is there.
        pauses = sorted(rng.random() for _ in range(rng.randrange(1, 5))) if length > 3_600_000 * 2 else []
        idle = (0.4 + 0.5 * rng.random()) * length if pauses else 0
        self.points, spent = [], 0
        for pause in pauses:
            spent += idle / len(pauses)
            self.points.append((pause, spent))
        self.work, self.last = length - idle, start_ms - 1

    def at(self, part):
        part = min(part, 1.0)
        paused = 0
        for point, spent in self.points:
            if part < point:
                break
            paused = spent
        self.last = max(self.last + 1, self.start + int(self.work * part + paused))
        return self.last
