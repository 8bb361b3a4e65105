//! What isn't known yet: a command that nobody recognises, a session whose past is still to be read.

use super::*;

fn bare(budget: Option<Span>) -> Core {
    let known = core(AtZero::Stop, false);
    let mut config = known.config.clone();
    config.budget = budget;
    Core::new(config, known.model.rules.clone(), Arc::new(Prices::embedded()))
}

#[test]
fn a_command_that_nobody_recognises_is_on_the_walls_clock_from_its_start() {
    let mut core = bare(Some(Span::secs(2)));
    core.tick(NOW + Span(500));
    assert_eq!(core.runs_out_in(NOW + Span(500)), Some(Span(1_500)));
    assert_eq!(core.metered(NOW + Span(500)).clock.unwrap().left_ms, Span(1_500));
    core.tick(NOW + Span(1_999));
    assert_eq!(said(&mut core), [""; 0]);
    core.tick(NOW + Span(2_000));
    assert_eq!(said(&mut core), ["at_zero", "stop ladder clock at zero"]);
    assert_eq!(core.runs_out_in(NOW + Span(2_001)), None, "it has");

    let mut granted = bare(Some(Span::secs(2)));
    asked(&mut granted, 2, Call::Grant(grant_call(1)), NOW + Span::secs(1));
    granted.tick(NOW + Span::secs(61));
    assert!(!said(&mut granted).iter().any(|one| one.starts_with("stop")), "a grant counts");
    assert_eq!(granted.runs_out_in(NOW + Span::secs(61)), Some(Span::secs(1)));
    // What turns out to be a session has its own clock, which counts work alone.
    granted.attach(id(), None, Span::ZERO);
    granted.tick(NOW + Span::mins(30));
    assert!(!said(&mut granted).iter().any(|one| one.starts_with("stop")));
    assert_eq!(granted.metered(NOW + Span::mins(30)).clock, None);
}

#[test]
fn the_wall_cap_of_an_unknown_command_counts_too() {
    let mut core = bare(None);
    core.config.caps = Some(Caps { wall: Some(Span::secs(3)), ..Caps::default() });
    core.tick(NOW + Span::secs(3));
    assert_eq!(said(&mut core), ["at_zero", "stop ladder wall at zero"]);
}

/// A core that is told of a session whose file is still to be read, with ten minutes given.
fn behind(at_zero: AtZero) -> Core {
    let known = core(at_zero, true);
    let mut core = Core::new(known.config.clone(), known.model.rules.clone(), Arc::new(Prices::embedded()));
    core.attach(id(), None, Span::ZERO);
    core.fall_behind(NOW);
    core.read(Msg::Opened { source: 0, name: "x".into(), form: Some(Form::Disk) }, NOW);
    said(&mut core);
    core
}

#[test]
fn the_first_call_of_a_resumed_session_waits_until_its_past_is_read() {
    for (at_zero, past, wanted) in [
        (
            AtZero::Stop,
            20,
            &["at_zero", "stop ladder clock at zero", "2: end clock at zero", "3: end clock at zero"][..],
        ),
        (AtZero::Hold, 20, &["at_zero", "held", "3: end clock at zero"]),
        (AtZero::Warn, 20, &["at_zero", "2: pass", "3: pass"]),
        (AtZero::Stop, 5, &["2: pass", "3: pass"]),
    ] {
        let mut core = behind(at_zero);
        hook(&mut core, 2, "PreToolUse", "ls", NOW);
        hook(&mut core, 3, "UserPromptSubmit", "", NOW);
        hook(&mut core, 4, "PostToolUse", "", NOW);
        assert_eq!(said(&mut core), ["4: pass"], "there is nothing to refuse any more");
        let began = Stamp(NOW.0 - Span::mins(past).0);
        event(&mut core, began, Body::Prompt { text: "go".into() });
        for min in 1..=past {
            let body = Body::Message { text: "…".into(), thinking: false };
            event(&mut core, began + Span::mins(min), body);
        }
        core.tick(NOW + Span(40));
        assert_eq!(said(&mut core), [""; 0], "half a past decides nothing");
        core.caught_up(NOW + Span(50));
        let mut all = said(&mut core);
        all.retain(|one| one != "warned");
        assert_eq!(all, wanted, "{at_zero:?} after {past} minutes");
        hook(&mut core, 5, "PostToolUse", "", NOW + Span(60));
        core.caught_up(NOW + Span(70));
    }
}

#[test]
fn a_past_that_takes_too_long_to_read_is_taken_to_be_at_zero() {
    let unread = "what this session has used so far is not read yet";
    for (at_zero, wanted) in [
        (AtZero::Stop, vec![format!("2: end {unread}")]),
        (AtZero::Hold, vec!["held".to_owned()]),
        (AtZero::Warn, vec!["2: pass".to_owned()]),
    ] {
        let mut core = behind(at_zero);
        hook(&mut core, 2, "PreToolUse", "ls", NOW);
        core.tick(NOW + Span(9_999));
        assert_eq!(said(&mut core), [""; 0]);
        assert_eq!(core.next_due(), Some(NOW + Span::secs(10)));
        core.tick(NOW + Span::secs(10));
        assert_eq!(said(&mut core), wanted, "{at_zero:?}");
        // It was worth waiting for.
        core.caught_up(NOW + Span::secs(11));
        let all = said(&mut core);
        assert_eq!(all.contains(&"2: pass".to_owned()), at_zero == AtZero::Hold, "{all:?}");
        hook(&mut core, 3, "PreToolUse", "ls", NOW + Span::secs(11));
        assert_eq!(said(&mut core), ["3: pass"]);
    }
}

#[test]
fn whoever_left_while_the_past_was_read_gets_no_answer() {
    let mut core = behind(AtZero::Stop);
    hook(&mut core, 2, "PreToolUse", "ls", NOW);
    core.told(ToMeter::Gone(2), NOW);
    core.caught_up(NOW + Span(50));
    assert_eq!(said(&mut core), [""; 0]);
}
