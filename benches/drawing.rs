//! Microseconds per frame at 200×60, with 10, 200 and 1,000 runs, and of the view of one run.

use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use redkey::adapters::Form;
use redkey::domain::event::{Agent, Body, Event, Failure, Key, ModelCall, RunId, RunInfo};
use redkey::domain::policy::EMBEDDED;
use redkey::domain::price::Prices;
use redkey::domain::rules::Rules;
use redkey::domain::text::Text;
use redkey::domain::time::Stamp;
use redkey::domain::tool::ToolInput;
use redkey::domain::usage::Usage;
use redkey::engine::{Model, Msg};
use redkey::ui::theme::{Depth, Theme};
use redkey::ui::{Input, Options, Ui, draw};

const START: i64 = 1_795_000_000_000;

/// `runs` runs with 60 events each.
fn model(runs: usize) -> Model {
    let rules = Arc::new(Rules::compile(toml::from_str(EMBEDDED).expect("the policy")).expect("its patterns"));
    let mut model = Model::new(rules, Arc::new(Prices::embedded()));
    model.apply(Msg::Opened { source: 0, name: Text::new("bench"), form: Some(Form::Disk) }, Stamp(START));
    for run in 0..runs {
        let id = RunId::new(Agent::ALL[run % Agent::ALL.len()], &format!("session-{run}"));
        let mut events = vec![];
        let mut push = |second: i64, body: Body| {
            let at = Some(Stamp(START + second * 1_000 + run as i64));
            events.push((Event { run: id.clone(), branch: None, at, body }, second as u64));
        };
        push(
            0,
            Body::Info(RunInfo {
                cwd: Some("/work/project".into()),
                model: Some("claude-sonnet-4-5".into()),
                ..RunInfo::default()
            }),
        );
        push(0, Body::Prompt { text: Text::new(&format!("task number {run}")) });
        for i in 0..20 {
            let name = format!("{run}-{i}");
            let usage = Usage { input: 900, output: 300, ..Usage::ZERO };
            let key = Some(Key::of(&["m", &name]));
            push(
                i * 3,
                Body::ModelCall(ModelCall {
                    key,
                    message: None,
                    model: Some("claude-sonnet-4-5".into()),
                    usage,
                    cost: None,
                }),
            );
            let key = Key::of(&["t", &name]);
            push(
                i * 3 + 1,
                Body::ToolCall {
                    key,
                    tool: "Bash".into(),
                    input: Box::new(ToolInput::from_command(&format!("make {i}"))),
                },
            );
            push(i * 3 + 2, Body::ToolResult { key, failure: Failure::No, text: "ok".into() });
        }
        model.apply(Msg::Events { source: 0, events }, Stamp(START + 60_000));
    }
    model
}

fn drawing(c: &mut Criterion) {
    let theme = Theme::named("default").expect("the theme").at(Depth::True);
    let now = Stamp(START + 61_000);
    let mut group = c.benchmark_group("drawing");
    for runs in [10, 200, 1_000] {
        let model = model(runs);
        let mut ui = Ui::new(Options::default());
        ui.refresh(&model, now);
        let mut terminal = Terminal::new(TestBackend::new(200, 60)).expect("a terminal");
        group.bench_function(format!("fleet of {runs}"), |b| {
            b.iter(|| terminal.draw(|frame| draw(frame, &model, &ui, &theme, now)).map(|_| ()));
        });
    }
    let model = model(10);
    let mut ui = Ui::new(Options::default());
    ui.refresh(&model, now);
    let enter = crossterm::event::KeyEvent::new(crossterm::event::KeyCode::Enter, crossterm::event::KeyModifiers::NONE);
    ui.handle(Input::Key(enter), &model, now);
    let mut terminal = Terminal::new(TestBackend::new(200, 60)).expect("a terminal");
    group.bench_function("one run", |b| {
        b.iter(|| terminal.draw(|frame| draw(frame, &model, &ui, &theme, now)).map(|_| ()));
    });
    group.finish();
}

criterion_group!(benches, drawing);
criterion_main!(benches);
