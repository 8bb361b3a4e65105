"""Codex rollouts, in the line shapes of tests/fixtures/codex."""

import os
import time

from corpus_claude import COMMANDS, ZERO, save
from corpus_text import Clock, iso, skewed, uuid7

MODELS = ("gpt-5.1-codex", "gpt-5.1-codex", "gpt-5.1-codex-max", "gpt-5.1")
NAMES = ("Avicenna", "Copernicus", "Noether", "Hopper", "Lovelace", "Gauss", "Erdos", "Turing")
USAGE = '{{"input_tokens":{},"cached_input_tokens":{},"cache_write_input_tokens":0,"output_tokens":{},"reasoning_output_tokens":{},"total_tokens":{}}}'
LIMITS = '"rate_limits":{"limit_id":"codex","limit_name":null,"primary":null,"secondary":null,"credits":null,"individual_limit":null,"spend_control_reached":null,"plan_type":null,"rate_limit_reached_type":null}'


class Codex:
    """One rollout: a thread, or the thread of a subagent."""

    def __init__(self, rng, text, thread, root, cwd, budget, clock, parent=None, name=None, facts=None):
        self.rng, self.text, self.thread, self.root, self.cwd, self.budget, self.clock = rng, text, thread, root, cwd, budget, clock
        self.parent, self.name, self.out, self.size = parent, name, [], 0
        self.sum = dict(ZERO)
        # Older versions have neither ordinals nor usage records, and tell messages in another shape.
        self.facts = facts or dict(old=rng.random() < 0.35, model=rng.choice(MODELS), exec=rng.random() < 0.3, streaks=rng.random() < 0.2, loops=rng.random() < 0.06)
        self.old, self.model = self.facts["old"], self.facts["model"]
        self.total, self.turn_total, self.last = (0,) * 4, (0,) * 4, (0,) * 4
        self.context, self.cached, self.fresh, self.ordinal, self.sequence = rng.randrange(9_000, 14_000), 0, 0, 0, 0
        self.failing, self.again, self.turn_id = 0, None, ""
        self.spawned, self.targets = [], []

    def put(self, kind, payload, metadata=""):
        ordinal = "" if self.old else f'"ordinal":{self.ordinal},'
        self.ordinal += 1
        data = f'{{"timestamp":"{self.now()}",{ordinal}"type":"{kind}","payload":{{{payload}}}{"" if self.old else metadata}}}'.encode() + b"\n"
        self.out.append(data)
        self.size += len(data)

    def now(self):
        return iso(self.clock.at(self.size / self.budget))

    def id(self):
        return uuid7(self.rng, self.clock.last)

    def item(self, payload, source=""):
        """A piece of the conversation, with what newer versions keep beside it."""
        self.sequence += 1
        extra = "" if self.old else f',"internal_chat_message_metadata_passthrough":{{"turn_id":"{self.turn_id}"}}'
        self.put("response_item", payload + extra, f',"metadata":{{"history_sequence":{self.sequence},"sampled_through_sequence":{max(0, self.sequence - 1)},{source}"client_authored":false}}')

    def event(self, kind, inner):
        self.put("event_msg", f'"type":"{kind}"{inner}')

    def completed(self, inner):
        ms = self.clock.last
        self.event("item_completed", f',"thread_id":"{self.thread}","turn_id":"{self.turn_id}","item":{{{inner}}},"started_at_ms":{ms},"completed_at_ms":{ms}')

    def begin(self):
        rng, text, stamp = self.rng, self.text, self.now()
        if self.parent:
            kin = f'"parent_thread_id":"{self.parent}",'
            source = f'{{"subagent":{{"thread_spawn":{{"parent_thread_id":"{self.parent}","depth":1,"agent_path":null,"agent_nickname":"{self.name}","agent_role":null}}}}}}'
            who = f'"thread_source":"subagent","agent_nickname":"{self.name}",'
        else:
            kin, source, who = "", '"exec"' if self.facts["exec"] else '"cli"', '"thread_source":"user",'
        origin = "codex_exec" if self.facts["exec"] else "codex-tui"
        version = "0.142.0" if self.old else "0.169.0"
        self.put(
            "session_meta",
            f'"account_scoped":true,"session_id":"{self.root}","id":"{self.thread}",{kin}"timestamp":"{stamp}","cwd":"{self.cwd}","runtime_workspace_roots":["{self.cwd}"],'
            f'"originator":"{origin}","cli_version":"{version}","source":{source},{who}"model_provider":"openai",'
            f'"base_instructions":{{"text":"{text.take(rng, min(16_000, self.budget // 4))}"}},"history_mode":"paginated","context_window":{{"window_id":"{self.id()}"}}',
        )

    def message(self, role, body, kind):
        mid = f"msg_{self.rng.getrandbits(48):012x}"
        if role == "assistant":
            if self.old:
                self.event("agent_message", f',"message":"{body}"')
            else:
                self.completed(f'"type":"AgentMessage","id":"{mid}","content":[{{"type":"Text","text":"{body}"}}]')
        source = f'"retained_source":{{"id":{{"message_id":"{mid}","turn_id":"{self.turn_id}","role":"{role}"}},"revision":"retained_{self.id()}","complete":true}},'
        self.item(f'"type":"message","id":"{mid}","role":"{role}","content":[{{"type":"{kind}","text":"{body}"}}]', source)
        if role == "user":
            if self.old:
                self.event("user_message", f',"message":"{body}","images":[]')
            else:
                self.completed(f'"type":"UserMessage","id":"{self.id()}","content":[{{"type":"text","text":"{body}","text_elements":[]}}]')

    def turn_begin(self, task):
        rng, text = self.rng, self.text
        self.now()
        self.turn_id = self.id()
        self.turn_total = (0,) * 4
        self.event("task_started", f',"turn_id":"{self.turn_id}","root_turn_id":"{self.turn_id}","started_at":{self.clock.last // 1000},"model_context_window":258400,"collaboration_mode_kind":"default"')
        if self.ordinal < 3:
            self.item(f'"type":"message","id":"msg_{self.id()}","role":"developer","content":[{{"type":"input_text","text":"{text.take(rng, 2_400)}"}}]')
            self.item(f'"type":"message","id":"msg_{self.id()}","role":"user","content":[{{"type":"input_text","text":"<environment_context>\\n  <cwd>{self.cwd}</cwd>\\n</environment_context>"}}]')
            if not self.old:
                self.put("world_state", f'"full":true,"state":{{"agents_md":{{}},"notes":"{text.take(rng, 2_600)}"}}')
        self.put(
            "turn_context",
            f'"turn_id":"{self.turn_id}","root_turn_id":"{self.turn_id}","cwd":"{self.cwd}","approval_policy":"on-request","permission_profile":{{"type":"disabled"}},'
            f'"model":"{self.model}","effort":"medium","summary":"auto","sandbox_policy":{{"type":"workspace-write"}}',
        )
        self.message("user", task, "input_text")

    # -- usage

    def answered(self, written):
        """An answer's tokens: input includes what came from cache, output includes reasoning."""
        rng = self.rng
        reasoning = rng.randrange(0, 300)
        grown = self.context + self.fresh // 4 + rng.randrange(20, 200)
        cached = self.cached if self.cached < grown else grown // 2
        self.last = (grown, cached, max(5, written // 4) + reasoning, reasoning)
        self.total = tuple(map(sum, zip(self.total, self.last)))
        self.turn_total = tuple(map(sum, zip(self.turn_total, self.last)))
        self.context, self.cached, self.fresh = grown + self.last[2], grown - grown % 128, 0
        self.sum["input"] += self.last[0] - self.last[1]
        self.sum["cache_read"] += self.last[1]
        self.sum["output"] += self.last[2]
        if not self.old:
            shown = (self.usage(self.last), self.usage(self.turn_total), self.usage(self.total))
            self.put(
                "token_usage_record",
                f'"thread_id":"{self.thread}","turn_id":"{self.turn_id}","session_id":"{self.root}","root_turn_id":"{self.turn_id}","response_id":"resp_{rng.getrandbits(128):032x}",'
                f'"usage":{shown[0]},"turn_token_usage":{shown[1]},"thread_token_usage":{shown[2]}',
            )

    @staticmethod
    def usage(u):
        return USAGE.format(*u, u[0] + u[2])

    def token_count(self):
        if self.total[0] == 0:
            return self.event("token_count", ',"info":null,' + LIMITS)
        info = f'{{"total_token_usage":{self.usage(self.total)},"last_token_usage":{self.usage(self.last)},"last_usage_includes_reasoning":false,"model_context_window":258400}}'
        self.event("token_count", f',"info":{info},{LIMITS}')
        if self.rng.random() < 0.006:  # told again unchanged
            self.event("token_count", f',"info":{info},{LIMITS}')

    # -- calls

    def step(self):
        rng, text, begun = self.rng, self.text, self.size
        if self.context > 220_000:
            self.compact()
        if rng.random() < 0.7:
            shown = f'{{"type":"summary_text","text":"{text.take(rng, 160)}"}}'
            self.item(f'"type":"reasoning","id":"rs_{rng.getrandbits(48):012x}","summary":[{shown}],"content":null,"encrypted_content":"{text.image(rng, skewed(rng, 2_000, 0.6, 300, 12_000))}"')
        if rng.random() < 0.35:
            self.message("assistant", text.take(rng, skewed(rng, 180, 0.8, 20, 3_000)), "output_text")
        calls = [self.call() for _ in range(rng.choice((1, 1, 1, 1, 1, 2)))]
        self.answered(min(self.size - begun, 6_000))
        for call in calls:
            call()
        self.token_count()

    def call(self):
        rng, text = self.rng, self.text
        self.sum["tool_calls"] += 1
        cid = f"call_{rng.getrandbits(64):016x}"
        if rng.random() < 0.16 and not self.again:
            patch = f"*** Begin Patch\\n*** Update File: src/{text.words(rng, 1)}_{rng.randrange(40)}.rs\\n@@\\n{text.take(rng, skewed(rng, 700, 0.9, 60, 30_000))}*** End Patch\\n"
            self.item(f'"type":"custom_tool_call","status":"completed","call_id":"{cid}","name":"apply_patch","input":"{patch}"')
            return lambda: self.item(f'"type":"custom_tool_call_output","call_id":"{cid}","output":"{{\\"output\\":\\"Success. Updated the following files:\\\\nM src/a.rs\\\\n\\",\\"metadata\\":{{\\"exit_code\\":0,\\"duration_seconds\\":0.0}}}}"')
        if self.again and self.again[0] > 0:
            command = self.again[1]
            self.again = (self.again[0] - 1, command)
        else:
            self.again = None
            command = rng.choice(COMMANDS)
            if self.facts["loops"] and rng.random() < 0.02:
                self.again = (rng.randrange(5, 16), command)
            if self.facts["streaks"] and rng.random() < 0.012:
                self.failing = rng.randrange(3, 9)
        code = rng.choice((1, 1, 2, 101, 127)) if self.failing > 0 or rng.random() < 0.06 else 0
        self.failing = max(0, self.failing - 1)
        self.sum["failed"] += code != 0
        self.item(f'"type":"function_call","status":"completed","id":"fc_{rng.getrandbits(48):012x}","name":"exec_command","arguments":"{{\\"cmd\\": \\"{command}\\"}}","call_id":"{cid}"')
        return lambda: self.output(cid, command, code)

    def output(self, cid, command, code):
        rng, text, room = self.rng, self.text, max(600, self.budget - self.size)
        size = skewed(rng, 2_000, 1.2, 12, 40_000)
        if rng.random() < 0.004:
            size = skewed(rng, 160_000, 0.9, 50_000, 990_000)
        body = text.take(rng, max(12, min(size, room // 3)))
        if not self.old:
            status = "failed" if code else "completed"
            self.completed(
                f'"type":"CommandExecution","id":"{cid}","process_id":"{rng.randrange(9_000, 90_000)}","command":["/bin/bash","-lc","{command}"],"cwd":"file://{self.cwd}",'
                f'"parsed_cmd":[{{"type":"unknown","cmd":"{command}"}}],"source":"unified_exec_startup","status":"{status}","aggregated_output":"{body}","exit_code":{code},"duration":{{"secs":0,"nanos":6450}}'
            )
        shown = f"Chunk ID: {rng.getrandbits(24):06x}\\nWall time: 0.4100 seconds\\nProcess exited with code {code}\\nOriginal token count: {len(body) // 4}\\nOutput:\\n{body}"
        self.item(f'"type":"function_call_output","id":"fco_{self.id()}","call_id":"{cid}","output":"{shown}"')
        self.fresh += len(body)

    def compact(self):
        self.context, self.cached = self.rng.randrange(15_000, 30_000), 0
        self.put("compacted", f'"message":"{self.text.take(self.rng, 3_000)}","replacement_history":[{{"type":"message","role":"user","content":[{{"type":"input_text","text":"{self.text.take(self.rng, 4_000)}"}}]}}]')

    def spawn(self, budget):
        rng, task = self.rng, self.text.words(self.rng, 7)
        if not self.turn_id:
            self.turn_begin(task)
        self.now()
        thread, name, cid = self.id(), rng.choice(NAMES), f"call_{rng.getrandbits(64):016x}"
        self.sum["tool_calls"] += 1
        self.item(f'"type":"function_call","status":"completed","id":"fc_{rng.getrandbits(48):012x}","name":"spawn_agent","namespace":"multi_agent_v1","arguments":"{{\\"message\\": \\"{task}\\"}}","call_id":"{cid}"')
        self.answered(200)
        if not self.old:
            self.completed(
                f'"type":"CollabAgentToolCall","id":"{cid}","tool":"spawn_agent","status":"completed","sender_thread_id":"{self.thread}","receiver_thread_ids":["{thread}"],'
                f'"receiver_agents":[{{"thread_id":"{thread}","agent_nickname":"{name}"}}],"prompt":"{task}","model":"{self.model}","reasoning_effort":"medium","agents_states":{{"{thread}":"pending_init"}}'
            )
        self.item(f'"type":"function_call_output","id":"fco_{self.id()}","call_id":"{cid}","output":"{{\\"agent_id\\":\\"{thread}\\",\\"nickname\\":\\"{name}\\"}}"')
        self.token_count()
        self.spawned.append((thread, name, task, self.clock.last, budget))

    def work(self, until):
        rng, text = self.rng, self.text
        while self.size < until:
            self.turn_begin(text.take(rng, skewed(rng, 130, 1.0, 20, 5_000)))
            for _ in range(skewed(rng, 12, 0.8, 1, 90)):
                if self.size >= until:
                    return
                self.step()
            self.end()

    def end(self):
        body = self.text.take(self.rng, skewed(self.rng, 500, 0.7, 40, 6_000))
        self.message("assistant", body, "output_text")
        self.answered(len(body))
        self.token_count()
        self.event("task_complete", f',"turn_id":"{self.turn_id}","last_agent_message":"{body}","started_at":{self.clock.last // 1000 - 60},"completed_at":{self.clock.last // 1000},"duration_ms":60000')


def path_of(home, thread, ms):
    s = time.gmtime(ms // 1000)
    day = f"{s[0]}/{s[1]:02}/{s[2]:02}"
    return os.path.join(home, ".codex/sessions", day, f"rollout-{s[0]}-{s[1]:02}-{s[2]:02}T{s[3]:02}-{s[4]:02}-{s[5]:02}-{thread}.jsonl")


def session(home, text, rng, plan):
    """Writes one thread with its subagents' threads; returns the true totals of all together."""
    root = uuid7(rng, plan["start"])
    main = Codex(rng, text, root, root, plan["cwd"], plan["bytes"], Clock(rng, plan["start"], plan["end"]))
    main.begin()
    share = plan["bytes"] / (len(plan["subagents"]) + 1)
    for k, size in enumerate(plan["subagents"]):
        main.work(share * (k + 0.5))
        main.spawn(size)
    main.work(plan["bytes"])
    files = [path_of(home, root, plan["start"])]
    total = dict(main.sum)
    for thread, name, task, begun, size in main.spawned:
        sub = Codex(rng, text, thread, root, plan["cwd"], size, Clock(rng, begun, max(begun + 60_000, min(plan["end"], begun + 1_200_000))), root, name, main.facts)
        sub.begin()
        sub.work(size)
        path = path_of(home, thread, begun)
        save(path, sub)
        files.append(path)
        for key, value in dict(sub.sum, lines=len(sub.out), bytes=sub.size).items():
            total[key] += value
    save(files[0], main)
    total["lines"] += len(main.out)
    total["bytes"] += main.size
    return dict(
        total, id=root, agent="codex", file=os.path.relpath(files[0], home), files=len(files), subagents=len(files) - 1,
        model=main.model, copied=None, started_ms=plan["start"], ended_ms=main.clock.last,
    )
