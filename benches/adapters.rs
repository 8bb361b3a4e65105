//! Bytes per second from lines to events, per agent, over recorded streams and transcripts.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use redkey::adapters::{Adapter, Origin, sniff};

fn adapters(c: &mut Criterion) {
    let mut group = c.benchmark_group("adapters");
    for name in [
        "claude/subagents.jsonl",
        "claude/subagents.transcript.jsonl",
        "codex/subagents.jsonl",
        "codex/subagents.transcript.jsonl",
        "gemini/subagents.jsonl",
        "gemini/subagents.transcript.jsonl",
        "opencode/subagents.jsonl",
        "opencode/subagents.db.jsonl",
        "pi/loop.jsonl",
        "pi/loop.transcript.jsonl",
        "qwen/subagents.jsonl",
        "qwen/subagents.transcript.jsonl",
    ] {
        let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let lines: Vec<&[u8]> = text.split(|b| *b == b'\n').collect();
        let format = lines.iter().find_map(|line| sniff(line)).expect("a known format");
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            let mut events = Vec::new();
            b.iter(|| {
                let mut adapter = Adapter::new(format, &Origin::default());
                events.clear();
                lines.iter().for_each(|line| adapter.line(line, &mut events));
                events.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, adapters);
criterion_main!(benches);
