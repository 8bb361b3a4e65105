//! Events per second through the model: charging, metering, forecasting state.

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use redkey::adapters::{Adapter, Form, Origin, sniff};
use redkey::domain::event::Event;
use redkey::domain::policy::EMBEDDED;
use redkey::domain::price::Prices;
use redkey::domain::rules::Rules;
use redkey::domain::text::Text;
use redkey::domain::time::Stamp;
use redkey::engine::{Model, Msg};

/// A recorded session's events, repeated with ids and times moved on, so that nothing is a repetition.
fn events(times: usize) -> Vec<(Event, u64)> {
    let path = format!("{}/tests/fixtures/claude/success.transcript.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let format = text.lines().find_map(|line| sniff(line.as_bytes())).expect("a known format");
    let mut adapter = Adapter::new(format, &Origin::default());
    let mut all = Vec::new();
    for i in 0..times {
        let round = text.replace("toolu_mock", &format!("toolu_{i}_")).replace("msg_mock", &format!("msg_{i}_"));
        for line in round.lines() {
            adapter.line(line.as_bytes(), &mut all);
        }
    }
    let shifted = all.into_iter().enumerate().map(|(i, mut event)| {
        event.at = Some(Stamp(1_795_000_000_000 + i as i64 * 700));
        (event, i as u64)
    });
    shifted.collect()
}

fn engine(c: &mut Criterion) {
    let rules = Arc::new(Rules::compile(toml::from_str(EMBEDDED).expect("the policy")).expect("its patterns"));
    let prices = Arc::new(Prices::embedded());
    let events = events(200);
    let now = Stamp(1_795_000_000_000 + events.len() as i64 * 700);
    let mut group = c.benchmark_group("engine");
    group.throughput(Throughput::Elements(events.len() as u64));
    group.bench_function("apply", |b| {
        b.iter_batched(
            || (Model::new(rules.clone(), prices.clone()), events.clone()),
            |(mut model, events)| {
                model.apply(Msg::Opened { source: 0, name: Text::new("x"), form: Some(Form::Disk) }, now);
                model.apply(Msg::Events { source: 0, events }, now);
                model
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, engine);
criterion_main!(benches);
