//! The red key in all its states, at all sizes.

use super::super::testkit::control::*;
use super::*;
use crate::control::protocol::Gate;
use crate::control::words::{Grade, Key, Mode, Phase, Rung, Stop};
use crate::domain::event::RunId;
use crate::domain::time::Span;
use crate::engine::{Fact, Hold};

const INT_TERM: [(Rung, u64); 3] = [(Rung::Cooperative, 0), (Rung::Int, 2_004), (Rung::Term, 5_011)];

fn with_gates(gates: Vec<Gate>) -> Model {
    let mut model = held_fleet();
    tell(&mut model, Fact::Gates(gates), NOW);
    model
}

/// Every state of the key, with a name.
fn states() -> Vec<(&'static str, Model)> {
    let down = stop(Mode::Ladder, 7_000, &INT_TERM);
    let kill = stop(Mode::Now, 900, &[(Rung::Int, 0), (Rung::Kill, 610)]);
    let dead = over(stop(Mode::Ladder, 3_000, &INT_TERM[..2]), Phase::VerifiedDead, 1_912, vec![]);
    let failed = over(
        stop(Mode::Ladder, 26_000, &[(Rung::Int, 0), (Rung::Term, 3_002), (Rung::Kill, 8_004)]),
        Phase::Failed,
        18_010,
        survivors(),
    );
    let idle = over(stop(Mode::Interrupt, 3_000, &INT_TERM[..1]), Phase::IdleAfterInterrupt, 240, vec![]);
    vec![
        ("up", held_fleet()),
        ("down", stopped_fleet(down)),
        ("kill", stopped_fleet(kill)),
        ("dead", stopped_fleet(dead)),
        ("failed", stopped_fleet(failed)),
        ("idle", stopped_fleet(idle)),
        ("none", fleet()),
        ("gate", with_gates(gates())),
    ]
}

fn looking(model: &Model, size: (u16, u16), view: View) -> Ui {
    let mut ui = ui(size.0, size.1);
    (ui.selected, ui.has_moved, ui.view) = (Some(0), true, view);
    ui.refresh(model, NOW);
    ui
}

#[test]
fn every_state_of_the_key_at_every_size_that_matters() {
    for (name, model) in states() {
        for (width, height) in SIZES {
            for (view, word) in [(View::Fleet, "fleet"), (View::Run(0), "run")] {
                let mut ui = looking(&model, (width, height), view);
                insta::assert_snapshot!(format!("key_{name}_{word}_{width}x{height}"), shot(&model, &mut ui));
            }
        }
    }
}

#[test]
fn the_key_is_seen_without_colour_and_without_unicode() {
    for (name, model) in states() {
        let mut ui = looking(&model, (120, 36), View::Run(0));
        ui.options.ascii = true;
        let buffer = paint(&model, &ui, (120, 36), Depth::None);
        check_clean(&buffer, true);
        let screen = text(&buffer);
        let word = match name {
            "up" | "gate" => "X    S T O P",
            "down" => "STOPPING",
            "kill" => "K I L L",
            "dead" => "VERIFIED DEAD . 7 processes . 1.9 s . INT",
            "failed" => "FAILED . 2 of 7 processes left . 18.0 s . KILL",
            "idle" => "idle after interrupt . 7 processes . 240 ms . ASK",
            _ => "NO KEY",
        };
        assert!(screen.contains(word), "{name}\n{screen}");
        insta::assert_snapshot!(format!("key_{name}_ascii_120x36"), screen);
    }
}

#[test]
fn a_cap_is_three_rows_or_more_and_goes_down() {
    let rows = |model: &Model, view| {
        let ui = looking(model, (120, 36), view);
        let buffer = paint(model, &ui, (120, 36), Depth::True);
        let red = theme(Depth::True).style(Role::RedKey).bg;
        let is_red = |y: u16| (40..120).filter(|x| buffer[(*x, y)].style().bg == red).count() >= 18;
        (0..36).filter(|y| is_red(*y)).collect::<Vec<u16>>()
    };
    let up = held_fleet();
    assert_eq!(rows(&up, View::Fleet).len(), 3);
    assert_eq!(rows(&up, View::Run(0)).len(), 5);
    let down = stopped_fleet(stop(Mode::Ladder, 7_000, &INT_TERM));
    assert!(rows(&down, View::Run(0)).is_empty(), "a pressed key isn't lit like one that stands");
}

#[test]
fn nothing_flashes_with_reduced_motion() {
    for (_, model) in states() {
        for view in [View::Fleet, View::Run(0)] {
            let mut ui = looking(&model, (120, 36), view);
            ui.options.reduced_motion = true;
            let at = |ms: i64| {
                let mut terminal = Terminal::new(TestBackend::new(120, 36)).unwrap();
                terminal.draw(|f| draw(f, &model, &ui, &theme(Depth::True), NOW + Span(ms))).unwrap();
                terminal.backend().buffer().clone()
            };
            let (a, b) = (at(100), at(600));
            let differs =
                a.content.iter().zip(&b.content).filter(|(a, b)| a.style() != b.style() && a.symbol() == b.symbol());
            assert_eq!(differs.count(), 0);
        }
    }
}

#[test]
fn nothing_of_the_key_panics_at_any_size() {
    let states = states();
    for width in (1..=130).step_by(3) {
        for height in 1..=45 {
            let (_, model) = &states[usize::from(width + height) % states.len()];
            for view in [View::Fleet, View::Run(0)] {
                let mut ui = looking(model, (width, height), view);
                ui.options.ascii = height % 2 == 0;
                paint(model, &ui, (width, height), Depth::C16);
                ui.gates = Some("g-2".into());
                paint(model, &ui, (width, height), Depth::None);
            }
        }
    }
}

#[test]
fn the_row_says_how_far_the_stop_has_come() {
    for (name, word) in
        [("down", "stop TERM"), ("kill", "stop KILL"), ("dead", "✕ dead"), ("failed", "! FAILED"), ("idle", "◌ obeyed")]
    {
        let (_, model) = states().into_iter().find(|(n, _)| *n == name).unwrap();
        let mut ui = looking(&model, (120, 40), View::Fleet);
        let screen = shot(&model, &mut ui);
        assert!(screen.lines().any(|l| l.starts_with('▌') && l.contains(word)), "{name}\n{screen}");
    }
}

#[test]
fn a_lesser_proof_is_never_called_dead() {
    let mut stop = over(stop(Mode::Ladder, 4_000, &INT_TERM[..2]), Phase::VerifiedDead, 1_912, vec![]);
    stop.receipt.as_mut().unwrap().grade = Grade::Tracked;
    let model = stopped_fleet(stop);
    for size in SIZES {
        for view in [View::Fleet, View::Run(0)] {
            let screen = shot(&model, &mut looking(&model, size, view));
            assert!(!screen.to_lowercase().contains("dead"), "{screen}");
        }
    }
}

#[test]
fn a_stop_that_lost_its_holder_is_not_a_stop() {
    let mut model = stopped_fleet(stop(Mode::Ladder, 7_000, &INT_TERM));
    let run = id_of(&model, 0);
    tell(&mut model, Fact::Lost { run }, NOW);
    let screen = shot(&model, &mut looking(&model, (120, 40), View::Run(0)));
    assert!(screen.contains("NO KEY") && screen.contains("no receipt"), "{screen}");
}

#[test]
fn warnings_stand_where_they_are_seen() {
    let mut model = held_fleet();
    let mut status = status("r-1");
    status.meter = false;
    status.audit_degraded = true;
    status.metered.clock.as_mut().unwrap().held = true;
    status.metered.notes = vec!["warned: 80% of the clock is gone".into()];
    let run = id_of(&model, 0);
    tell(&mut model, Fact::Hold(hold(&run, Key::Supervised, Some(status))), NOW);
    let fleet = shot(&model, &mut looking(&model, (120, 40), View::Fleet));
    assert!(fleet.contains("AUDIT DEGRADED") && fleet.contains("‖ held"), "{fleet}");
    let run = shot(&model, &mut looking(&model, (120, 40), View::Run(0)));
    for words in ["AUDIT DEGRADED", "METER LOST", "HELD", "80% of the clock"] {
        assert!(run.contains(words), "{words}\n{run}");
    }
}

#[test]
fn nothing_of_control_reaches_the_terminal_either() {
    let mut hostile = stop(Mode::Ladder, 26_000, &INT_TERM);
    hostile.by.by = HOSTILE.into();
    hostile.by.user = HOSTILE.into();
    hostile.reason = HOSTILE.into();
    let mut left = survivors();
    for (survivor, state) in left.iter_mut().zip(['\x1b', '\u{202e}']) {
        (survivor.name, survivor.why, survivor.state) = (HOSTILE.into(), HOSTILE.into(), state);
    }
    let failed: Stop = over(hostile, Phase::Failed, 18_010, left);
    let mut model = held_fleet();
    let run = id_of(&model, 0);
    let mut told = status(HOSTILE);
    told.grade_why = HOSTILE.into();
    told.metered.notes = vec![HOSTILE.into()];
    told.metered.gates = vec![gate(HOSTILE, HOSTILE, HOSTILE, 100)];
    told.metered.gates[0].because = HOSTILE.into();
    tell(&mut model, Fact::Hold(Hold { why: HOSTILE.into(), ..hold(&run, Key::Signal, Some(told)) }), NOW);
    tell(&mut model, Fact::Audit(Some(HOSTILE.into())), NOW);
    tell(&mut model, Fact::Note { run: Some(RunId::new(Agent::Claude, HOSTILE)), text: HOSTILE.into() }, NOW);
    for stop in [None, Some(failed)] {
        if let Some(stop) = stop {
            tell(&mut model, Fact::Stopped { run: run.clone(), stop: Box::new(stop) }, NOW);
        }
        for ascii in [false, true] {
            for size in SIZES {
                for view in [View::Fleet, View::Run(0)] {
                    let mut ui = looking(&model, size, view);
                    ui.options.ascii = ascii;
                    check_clean(&paint(&model, &ui, size, Depth::True), ascii);
                    press(&mut ui, &model, "T");
                    check_clean(&paint(&model, &ui, size, Depth::True), ascii);
                    press(&mut ui, &model, "\x1bv");
                    check_clean(&paint(&model, &ui, size, Depth::True), ascii);
                }
            }
        }
    }
}
