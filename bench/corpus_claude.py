"""Claude Code transcripts, in the line shapes of tests/fixtures/claude."""

import os

from corpus_text import Clock, iso, skewed, uuid4

VERSIONS = ("2.1.330", "2.1.330", "2.1.235", "2.1.118", "2.1.7")
MODELS = ("claude-sonnet-4-5-20250929",) * 5 + ("claude-opus-4-5-20251101",) * 3 + ("claude-haiku-4-5-20251001", "glm-5")
COMMANDS = (
    "cargo test --workspace", "npm test -- --run", "pytest -q tests", "go test ./...", "cargo build", "cargo clippy",
    "git status --short", "git diff --stat", "git log --oneline -5", "ls -la src", "sed -n 1,120p src/main.rs",
    "rg -n TODO src", "make lint", "docker compose ps", "git add -A && git commit -m wip", "git push origin HEAD",
)
TOOLS = ("Read",) * 30 + ("Grep",) * 13 + ("Glob",) * 5 + ("Edit",) * 14 + ("Write",) * 4 + ("Bash",) * 29 + ("TodoWrite",) * 4 + ("WebFetch",)
ZERO = dict(input=0, output=0, cache_read=0, cache_write=0, tool_calls=0, failed=0, lines=0, bytes=0)


def slug(cwd):
    return "".join(c if c.isalnum() else "-" for c in cwd)


class Claude:
    """One transcript. `budget` bytes are written, give or take a message."""

    def __init__(self, rng, text, sid, cwd, budget, clock, agent=None, facts=None):
        self.rng, self.text, self.sid, self.cwd, self.budget, self.clock = rng, text, sid, cwd, budget, clock
        self.agent, self.out, self.size, self.parent = agent, [], 0, "null"
        self.sum = dict(ZERO)
        self.facts = facts or dict(
            version=rng.choice(VERSIONS), model=rng.choice(MODELS), request_ids=rng.random() > 0.03,
            partial=rng.random() < 0.5, hour_cache=rng.random() < 0.3, capture=rng.random() < 0.12,
            loops=rng.random() < 0.06, streaks=rng.random() < 0.15, progress=rng.random() < 0.4,
        )
        self.side = f'"isSidechain":true,"agentId":"{agent}"' if agent else '"isSidechain":false'
        self.tail = (
            f'"userType":"external","entrypoint":"cli","cwd":"{cwd}","sessionId":"{sid}",'
            f'"version":"{self.facts["version"]}","gitBranch":"main"}}'
        )
        self.prompt = uuid4(rng)
        self.context, self.fresh = rng.randrange(16_000, 26_000), 0
        self.again, self.failing, self.spawned = None, 0, []

    # -- lines

    def put(self, line):
        data = line.encode() + b"\n"
        self.out.append(data)
        self.size += len(data)

    def now(self):
        return iso(self.clock.at(self.size / self.budget))

    def chain(self):
        """A line's own id and what it hangs on."""
        parent, own = self.parent, uuid4(self.rng)
        self.parent = f'"{own}"'
        return parent, own

    def attachment(self, kind, inner, rendered=None):
        parent, own = self.chain()
        shown = f'"rendered":[{{"content":"<system-reminder>\\n{rendered}</system-reminder>"}}],"renderedRole":"system",' if rendered else ""
        self.put(
            f'{{"parentUuid":{parent},{self.side},"attachment":{{"type":"{kind}"{inner}}},"type":"attachment",'
            f'"uuid":"{own}","timestamp":"{self.now()}",{shown}{self.tail}'
        )

    def reminder(self):
        left = f"<total_tokens>{15_000_000 - self.context} tokens left</total_tokens>"
        self.attachment("total_tokens_reminder", f',"text":"{left}"', left + "\\n")

    def begin(self, task):
        rng, text = self.rng, self.text
        if not self.agent:
            self.put(f'{{"type":"queue-operation","operation":"enqueue","timestamp":"{self.now()}","sessionId":"{self.sid}","content":"{task}"}}')
            self.put(f'{{"type":"queue-operation","operation":"dequeue","timestamp":"{self.now()}","sessionId":"{self.sid}"}}')
        self.user(task)
        self.attachment("environment", f',"snapshot":{{"workingDirectory":"{self.cwd}","isWorktree":false,"isGitRepo":true,"platform":"linux"}}', text.take(rng, 900))
        self.attachment("deferred_tools_delta", ',"addedNames":["CronCreate","Monitor","NotebookEdit","WebFetch"],"removedNames":[]', text.take(rng, 700))
        self.attachment("skill_listing", f',"content":"{text.take(rng, 2_500)}"', text.take(rng, 2_500))
        if self.budget > 250_000:
            self.attachment("prompt_snapshot", f',"systemPrompt":["{text.take(rng, 14_000)}","{text.take(rng, 12_000)}"]')
        self.attachment("date", f',"date":"{self.now()[:10]}"', "Today's date.\\n")
        if self.facts["capture"] and self.budget > 400_000:
            self.put(f'{{"type":"api-request-shape","sessionId":"{self.sid}","shapeHash":"{rng.getrandbits(256):064x}","timestamp":"{self.now()}","version":"{self.facts["version"]}","shape":{{"system":[{{"type":"text","text":"{text.take(rng, 70_000)}"}}]}}}}')
        if not self.agent and rng.random() < 0.6:
            self.put(f'{{"type":"ai-title","aiTitle":"{text.words(rng, 5)}","sessionId":"{self.sid}"}}')

    def user(self, content):
        parent, own = self.chain()
        self.put(
            f'{{"parentUuid":{parent},{self.side},"promptId":"{self.prompt}","type":"user","message":{{"role":"user","content":"{content}"}},'
            f'"uuid":"{own}","timestamp":"{self.now()}","permissionMode":"acceptEdits",{self.tail}'
        )

    def snapshot(self):
        own, stamp = uuid4(self.rng), self.now()
        files = ",".join(
            f'"src/{self.text.words(self.rng, 1)}_{k}.rs":{{"backupFileName":"{self.rng.getrandbits(64):016x}@v{k}","version":{k},"backupTime":"{stamp}"}}'
            for k in range(1, self.rng.randrange(2, 9))
        )
        self.put(f'{{"type":"file-history-snapshot","messageId":"{own}","snapshot":{{"messageId":"{own}","trackedFileBackups":{{{files}}},"timestamp":"{stamp}"}},"isSnapshotUpdate":false}}')

    def system(self, subtype, inner):
        parent, own = self.chain()
        self.put(f'{{"parentUuid":{parent},{self.side},"type":"system","subtype":"{subtype}",{inner},"timestamp":"{self.now()}","uuid":"{own}","isMeta":false,{self.tail}')

    def progress(self, use, seconds):
        parent, own = self.chain()
        shown = self.text.take(self.rng, 300)
        self.put(
            f'{{"parentUuid":{parent},{self.side},"type":"progress","data":{{"type":"bash_progress","output":"{shown}","fullOutput":"{shown}",'
            f'"elapsedTimeSeconds":{seconds},"totalLines":{seconds * 7}}},"toolUseID":"bash-progress-{seconds}","parentToolUseID":"{use}",'
            f'"uuid":"{own}","timestamp":"{self.now()}",{self.tail}'
        )

    # -- one answer of the model

    def answer(self, blocks, stop="tool_use"):
        """A message: one line per block, the same id and usage on each. Returns what to call after each line."""
        rng, facts = self.rng, self.facts
        size = sum(len(b[0]) for b in blocks)
        usage = dict(
            input=rng.randrange(3, 12), output=max(4, size // 4), cache_read=self.context, cache_write=rng.randrange(60, 400) + self.fresh // 4
        )
        self.context += usage["cache_write"] + usage["output"]
        self.fresh = 0
        for key, value in usage.items():
            self.sum[key] += value
        mid = f"msg_01{rng.getrandbits(92):023x}"
        request = f'"requestId":"req_011C{rng.getrandbits(80):020x}",' if facts["request_ids"] else ""
        hour, five = (usage["cache_write"], 0) if facts["hour_cache"] else (0, usage["cache_write"])
        mixed, ref = rng.random() < 0.4, uuid4(rng)
        waiting = []
        for k, (block, then) in enumerate(blocks):
            last = k == len(blocks) - 1
            # Some versions write an answer's early lines with the count at its start.
            shown = usage["output"] if last or not facts["partial"] else rng.randrange(1, 9)
            reason = f'"{stop}"' if last or not facts["partial"] else "null"
            parent, own = self.chain()
            self.put(
                f'{{"parentUuid":{parent},{self.side},"message":{{"id":"{mid}","type":"message","role":"assistant","model":"{facts["model"]}",'
                f'"content":[{block}],"stop_reason":{reason},"stop_sequence":null,"usage":{{"input_tokens":{usage["input"]},'
                f'"cache_creation_input_tokens":{usage["cache_write"]},"cache_read_input_tokens":{usage["cache_read"]},"output_tokens":{shown},'
                f'"output_tokens_details":{{"thinking_tokens":0}},"server_tool_use":{{"web_search_requests":0,"web_fetch_requests":0}},'
                f'"service_tier":"standard","cache_creation":{{"ephemeral_1h_input_tokens":{hour},"ephemeral_5m_input_tokens":{five}}},'
                f'"inference_geo":"","iterations":[],"speed":"standard","fallback_credit":null}},"stop_details":null}},"toolInputStreamMs":1,"apiBlockIndex":{k},'
                f'{request}"requestRef":"{ref}","requestedModel":"{facts["model"]}","promptCacheRequested":"5m","type":"assistant","uuid":"{own}",'
                f'"timestamp":"{self.now()}","perTurnEffort":null,"madeBy":"model",{self.tail}'
            )
            if then:
                waiting.append((then, own))
            if mixed or last:  # results come between the lines of an answer, or after them
                for call, source in waiting:
                    call(source)
                waiting = []

    def text_block(self, size):
        return f'{{"type":"text","text":"{self.text.take(self.rng, size)}"}}', None

    def thinking(self):
        rng = self.rng
        signature = self.text.image(rng, skewed(rng, 700, 0.6, 200, 4_000))
        return f'{{"type":"thinking","thinking":"{self.text.take(rng, skewed(rng, 420, 0.9, 40, 8_000))}","signature":"{signature}"}}', None

    def step(self):
        """Thoughts, words and one to three calls, with their results."""
        rng, blocks = self.rng, []
        if self.context > 165_000:
            self.compact()
        if rng.random() < 0.4:
            blocks.append(self.thinking())
        if rng.random() < 0.45:
            blocks.append(self.text_block(skewed(rng, 260, 0.8, 20, 5_000)))
        for _ in range(rng.choice((1, 1, 1, 1, 1, 1, 1, 1, 2, 3))):
            blocks.append(self.call())
        self.answer(blocks)

    def call(self):
        rng, facts = self.rng, self.facts
        if self.again and self.again[0] > 0:
            left, name, given = self.again
            self.again = (left - 1, name, given)
        else:
            name, given = self.pick()
            if facts["loops"] and rng.random() < 0.02:
                self.again = (rng.randrange(5, 16), name, given)
            if facts["streaks"] and rng.random() < 0.01:
                self.failing = rng.randrange(3, 9)
        failed = self.failing > 0 or rng.random() < 0.045
        self.failing = max(0, self.failing - 1)
        use = f"toolu_01{rng.getrandbits(88):022x}"
        self.sum["tool_calls"] += 1
        self.sum["failed"] += failed
        block = f'{{"type":"tool_use","id":"{use}","name":"{name}","input":{given}}}'
        return block, lambda source: self.result(use, name, failed, source)

    def pick(self):
        rng, text = self.rng, self.text
        name = rng.choice(TOOLS)
        path = f"{self.cwd}/src/{text.words(rng, 1)}_{rng.randrange(40)}.rs"
        if name == "Bash":
            command = rng.choice(COMMANDS)
            given = f'{{"command":"{command}","description":"Run: {command}"}}'
        elif name == "Edit":
            given = f'{{"file_path":"{path}","old_string":"{text.take(rng, 120)}","new_string":"{text.take(rng, 220)}","replace_all":false}}'
        elif name == "Write":
            given = f'{{"file_path":"{path}","content":"{text.take(rng, skewed(rng, 1_800, 0.9, 60, 60_000))}"}}'
        elif name in ("Grep", "Glob"):
            given = f'{{"pattern":"{text.words(rng, 1)}","path":"{self.cwd}/src","output_mode":"content"}}'
        elif name == "TodoWrite":
            given = f'{{"todos":[{{"content":"{text.words(rng, 5)}","status":"in_progress","activeForm":"{text.words(rng, 5)}"}}]}}'
        elif name == "WebFetch":
            given = f'{{"url":"https://example.com/{text.words(rng, 1)}","prompt":"{text.words(rng, 8)}"}}'
        else:
            given = f'{{"file_path":"{path}"}}'
        return name, given

    def result(self, use, name, failed, source):
        rng, text, room = self.rng, self.text, self.budget - self.size
        if name == "Bash" and self.facts["progress"] and rng.random() < 0.25:
            for second in range(2, rng.randrange(3, 7)):
                self.progress(use, second)
        size = skewed(rng, 900, 1.35, 12, 40_000)
        if rng.random() < 0.004:
            size = skewed(rng, 110_000, 0.9, 40_000, 480_000)  # the text stands on the line twice
        size = max(12, min(size, room // 3))
        error, content, extra = ',"is_error":false', "", ""
        if failed:
            body = f"Exit code {rng.choice((1, 1, 2, 101, 127))}\\n{text.take(rng, size)}" if name == "Bash" else "<tool_use_error>File does not exist.</tool_use_error>"
            content, extra, error = f'"{body}"', f'"Error: {body}"', ',"is_error":true'
        elif name == "Read" and rng.random() < 0.01 and room > 200_000:
            image = text.image(rng, min(skewed(rng, 90_000, 0.8, 8_000, 500_000), room // 3))
            content = f'[{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{image}"}}}}]'
            extra = f'{{"type":"image","file":{{"base64":"{image}","type":"image/png","originalSize":{len(image)}}}}}'
        else:
            body = text.take(rng, size)
            content = f'"{body}"'
            extra = self.outcome(name, body)
        self.fresh += len(content)
        parent, own = self.chain()
        self.put(
            f'{{"parentUuid":{parent},{self.side},"promptId":"{self.prompt}","type":"user","message":{{"role":"user","content":[{{"tool_use_id":"{use}",'
            f'"type":"tool_result","content":{content}{error}}}]}},"uuid":"{own}","timestamp":"{self.now()}","toolUseResult":{extra},'
            f'"sourceToolAssistantUUID":"{source}","permissionDecision":{{"decision":"accept","source":"config","reasonType":"mode"}},{self.tail}'
        )
        if rng.random() < 0.12:
            self.reminder()

    def outcome(self, name, body):
        if name == "Bash":
            return f'{{"stdout":"{body}","stderr":"","interrupted":false,"isImage":false,"noOutputExpected":false}}'
        if name == "Read":
            return f'{{"type":"text","file":{{"filePath":"{self.cwd}/src/a.rs","content":"{body}","numLines":40,"startLine":1,"totalLines":40}}}}'
        if name in ("Grep", "Glob"):
            return f'{{"mode":"content","numFiles":0,"filenames":[],"content":"{body}","numLines":12}}'
        if name == "Edit":
            return f'{{"filePath":"{self.cwd}/src/a.rs","oldString":"","newString":"","originalFile":"{body}","structuredPatch":[{{"oldStart":1,"oldLines":3,"newStart":1,"newLines":4,"lines":[" a","-b","+c"]}}],"userModified":false,"replaceAll":false}}'
        if name == "Write":
            return f'{{"type":"create","filePath":"{self.cwd}/src/a.rs","content":"{body}","structuredPatch":[],"originalFile":null,"userModified":false}}'
        return f'{{"content":"{body}"}}'

    def compact(self):
        self.context = self.rng.randrange(18_000, 30_000)
        self.system("compact_boundary", '"content":"Conversation compacted","level":"info","compactMetadata":{"trigger":"auto","preTokens":165000}')
        self.user(self.text.take(self.rng, 6_000))

    def spawn(self, agent, budget):
        """Starts a subagent in the background; its own file is written by the caller."""
        use, what = f"toolu_01{self.rng.getrandbits(88):022x}", self.text.words(self.rng, 4)
        self.sum["tool_calls"] += 1
        self.spawned.append((agent, use, what, self.clock.last, budget))

        def launched(source):
            parent, own = self.chain()
            self.put(
                f'{{"parentUuid":{parent},{self.side},"promptId":"{self.prompt}","type":"user","message":{{"role":"user","content":[{{"tool_use_id":"{use}","type":"tool_result",'
                f'"content":[{{"type":"text","text":"Async agent launched successfully."}}]}}]}},"uuid":"{own}","timestamp":"{self.now()}","toolUseResult":{{"isAsync":true,"status":"async_launched",'
                f'"agentId":"{agent}","description":"{what}","resolvedModel":"{self.facts["model"]}","prompt":"{what}","canReadOutputFile":true}},"sourceToolAssistantUUID":"{source}",{self.tail}'
            )

        block = f'{{"type":"tool_use","id":"{use}","name":"Agent","input":{{"description":"{what}","prompt":"{what}","subagent_type":"general-purpose"}}}}'
        self.answer([self.text_block(60), (block, launched)])

    def notify(self, agent, use):
        note = f"<task-notification>\\n<task-id>{agent}</task-id>\\n<tool-use-id>{use}</tool-use-id>\\n<status>completed</status>\\n<result>{self.text.words(self.rng, 9)}</result>\\n</task-notification>"
        self.user(note)

    def turn(self, steps, until):
        """A prompt and the work it starts, until the file is as far as `until`."""
        self.prompt = uuid4(self.rng)
        if not self.agent and self.rng.random() < 0.7:
            self.snapshot()
        self.user(self.text.take(self.rng, skewed(self.rng, 120, 1.0, 20, 5_000)))
        for _ in range(steps):
            if self.size >= until:
                return
            if self.rng.random() < 0.004:
                self.system("api_error", '"level":"error","error":{"message":"529 overloaded","status":529,"formatted":"529 overloaded"},"retryInMs":596,"retryAttempt":1,"maxRetries":10,"source":"request_retry"')
            self.step()
        self.answer([self.text_block(skewed(self.rng, 500, 0.7, 40, 6_000))], "end_turn")
        if not self.agent:
            self.system("turn_duration", f'"durationMs":{self.rng.randrange(4_000, 900_000)}')

    def work(self, until):
        while self.size < until:
            self.turn(skewed(self.rng, 9, 0.8, 1, 80), until)

    def cost_state(self, totals):
        """What the agent says at its end: the whole session, subagents included."""
        usd = (totals["input"] * 3 + totals["output"] * 15 + totals["cache_read"] * 0.3 + totals["cache_write"] * (6 if self.facts["hour_cache"] else 3.75)) / 1e6
        hour, five = (totals["cache_write"], 0) if self.facts["hour_cache"] else (0, totals["cache_write"])
        self.put(
            f'{{"type":"cost-state","sessionId":"{self.sid}","totalCostUSD":{usd!r},"totalAPIDuration":90000,"totalAPIDurationWithoutRetries":89000,"totalToolDuration":39610,'
            f'"totalLinesAdded":2,"totalLinesRemoved":0,"totalDuration":430000,"startTime":{self.clock.start},"modelUsage":{{"{self.facts["model"]}":{{"inputTokens":{totals["input"]},'
            f'"outputTokens":{totals["output"]},"thinkingTokens":0,"cacheReadInputTokens":{totals["cache_read"]},"cacheCreationInputTokens":{totals["cache_write"]},'
            f'"cacheCreationEphemeral5mInputTokens":{five},"cacheCreationEphemeral1hInputTokens":{hour},"webSearchRequests":0,"costUSD":{usd!r}}}}},"hasUnknownModelCost":false}}'
        )

    def close(self):
        self.sum["lines"], self.sum["bytes"] = len(self.out), self.size
        return self.sum


def save(path, writer):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(b"".join(writer.out))
    stamp = writer.clock.last / 1000
    os.utime(path, (stamp, stamp))


def session(home, text, rng, plan, body_rng=None):
    """Writes one session with its subagents; returns its true totals. `body_rng` makes it begin as a copy of another."""
    sid, cwd = plan["id"], plan["cwd"]
    copied, origin = None, plan["fork_of"] or plan
    clock = Clock(body_rng or rng, origin["start"], origin["end"])
    main = Claude(body_rng or rng, text, sid, cwd, origin["bytes"], clock)
    main.begin(text.words(main.rng, 9))
    if body_rng:  # a fork: the same answers under the same ids in a second file
        main.work(plan["copied"])
        copied = {k: main.sum[k] for k in ("input", "output", "cache_read", "cache_write", "tool_calls", "failed")}
        main.rng, main.budget, main.clock = rng, plan["bytes"], Clock(rng, clock.last + 60_000, plan["end"])
    share = plan["bytes"] / (len(plan["subagents"]) + 1)
    for k, size in enumerate(plan["subagents"]):
        main.work(share * (k + 0.5))
        main.spawn(f"a{rng.getrandbits(64):016x}", size)
    main.work(plan["bytes"] - (700 if plan["subagents"] else 0))
    folder = os.path.join(home, ".claude/projects", slug(cwd))
    total, files = dict(main.sum), [os.path.join(folder, sid + ".jsonl")]
    for agent, use, what, begun, size in main.spawned:
        sub = Claude(rng, text, sid, cwd, size, Clock(rng, begun, max(begun + 60_000, min(plan["end"], begun + 1_200_000))), agent, main.facts)
        sub.begin(what)
        sub.work(size)
        path = os.path.join(folder, sid, "subagents", f"agent-{agent}.jsonl")
        save(path, sub)
        with open(path[: -len("jsonl")] + "meta.json", "w") as file:
            file.write(f'{{"agentType": "general-purpose", "description": "{what}", "toolUseId": "{use}", "spawnDepth": 1, "model": "{main.facts["model"]}", "finished": true}}')
        for key, value in sub.close().items():
            total[key] += value
        files.append(path)
        main.notify(agent, use)
    if main.facts["version"] == "2.1.330" and main.facts["model"].startswith("claude-sonnet") and not body_rng and rng.random() < 0.6:
        main.cost_state(total)
    save(files[0], main)
    main.close()
    total["lines"] += main.sum["lines"]
    total["bytes"] += main.sum["bytes"]
    return dict(
        total, id=sid, agent="claude", file=os.path.relpath(files[0], home), files=len(files), subagents=len(files) - 1,
        model=main.facts["model"], copied=copied, started_ms=plan["start"], ended_ms=clock.last,
    )
