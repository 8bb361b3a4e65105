use std::sync::Arc;

use proptest::prelude::*;

use super::cursor::own_policy;
use super::facts::{WithFacts, known};
use super::marks::Kind;
use super::player::{Ask, Player, SPEEDS, Speed};
use super::reel::Reel;
use super::testkit::{START, beats, fill, in_memory, live, model, reel, state};
use super::track::{Steps, Together};
use super::{Moment, Track};
use crate::domain::event::{Agent, Key, RunId};
use crate::domain::statement::Rule;
use crate::domain::time::{Span, Stamp};
use crate::engine::Fact;
use crate::record::tape::{Beat, TapeMsg};

fn shown(reel: &Reel) -> String {
    state(reel.model().unwrap(), reel.now())
}

/// Two runs on one axis, with facts.
fn both(seed: u64, count: usize) -> Box<dyn Track> {
    let tracks = vec![in_memory(beats("one", seed, count)), in_memory(beats("two", seed + 1, count))];
    let grant = Fact::Grant {
        run: RunId::new(Agent::Claude, "two"),
        key: Key(7),
        amount: Span::mins(1),
        by: "ada".into(),
        reason: "".into(),
        at: START + Span::mins(1),
    };
    Box::new(WithFacts::new(Box::new(Together::new(tracks)), Arc::new(known([grant]))))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Wherever one comes from, a place is the same place.
    #[test]
    fn seeking_anywhere_equals_playing_there(
        seed in 0u64..1_000,
        block in 1usize..40,
        tight in any::<bool>(),
        places in proptest::collection::vec(0.0f64..1.05, 1..12),
        by_time in proptest::collection::vec(any::<bool>(), 12),
    ) {
        let limits = if tight { (2_000, 20_000) } else { (usize::MAX, usize::MAX) };
        let empty = Reel::new(model(), own_policy()).with_limits(limits.0, limits.1);
        let mut jumping = fill(empty, both(seed, 60), block);
        for (place, by_time) in places.into_iter().zip(by_time) {
            // Played from the start, step by step.
            let mut playing = reel(both(seed, 60), usize::MAX);
            if by_time {
                let length = jumping.end().since(jumping.start()).0 as f64;
                let at = jumping.start() + Span((length * place) as i64);
                jumping.seek_time(at);
                while playing.next_at().is_some_and(|next| next <= at) {
                    playing.forward();
                }
                for half in 1..=3 {
                    playing.pass(playing.now() + Span(at.since(playing.now()).0 * half / 3));
                }
            } else {
                let index = (jumping.len() as f64 * place) as u64;
                jumping.seek(index);
                for _ in 0..index {
                    playing.forward();
                }
            }
            prop_assert_eq!(jumping.index(), playing.index());
            prop_assert_eq!(shown(&jumping), shown(&playing));
        }
        prop_assert!(jumping.trouble().is_none());
        let (blocks, kept, saved) = jumping.holds();
        if tight && blocks > 8 {
            prop_assert!(kept <= 4 && saved < blocks, "{blocks} {kept} {saved}");
        }
    }

    /// What is read again is what was read.
    #[test]
    fn a_fork_reads_on_from_its_place(seed in 0u64..1_000, place in 0usize..200) {
        let mut track = Steps::new(both(seed, 50));
        let before: Vec<_> = track.by_ref().take(place).collect();
        let fork = track.fork().unwrap();
        let rest: Vec<_> = track.collect();
        prop_assert_eq!(&fork.collect::<Vec<_>>(), &rest);
        let whole: Vec<_> = Steps::new(both(seed, 50)).collect();
        prop_assert_eq!(before.into_iter().chain(rest).collect::<Vec<_>>(), whole);
    }

    /// Live and replay are the same, whatever the moment.
    #[test]
    fn a_replay_shows_what_live_showed(seed in 0u64..1_000, ms in proptest::collection::vec(0i64..4_000_000, 1..6)) {
        let beats = beats("one", seed, 80);
        let mut replay = reel(in_memory(beats.clone()), 16);
        for ms in ms {
            let now = (replay.start() + Span(ms)).min(replay.end());
            replay.seek_time(now);
            prop_assert_eq!(shown(&replay), state(&live(&beats, now), now));
        }
    }
}

#[test]
fn times_never_fall_and_sources_never_clash() {
    let steps: Vec<_> = Steps::new(both(3, 60)).map(Result::unwrap).collect();
    assert!(steps.is_sorted_by_key(|step| step.at));
    let mut reel = reel(both(3, 60), 32);
    reel.seek(u64::MAX);
    let model = reel.model().unwrap();
    assert_eq!(model.sources.iter().map(|source| source.number).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(model.runs().len(), 2);
    assert_ne!(model.sources_of(0), model.sources_of(1));
    let two = model.find(&RunId::new(Agent::Claude, "two")).unwrap();
    let minutes = -two.statement.sum(Rule::Grant).0 / 60_000;
    assert_eq!(minutes % 3, 1, "the grant of one minute is there, and counted once");
}

/// Events a second apart, with a silence of an hour after the third.
fn plain() -> Reel {
    let mut beats: Vec<Beat> = beats("one", 5, 8).into_iter().take(9).collect();
    let mut at = START;
    beats.retain(|beat| matches!(beat.msg, TapeMsg::Events { .. }));
    beats.truncate(6);
    for (number, beat) in beats.iter_mut().enumerate() {
        at = at + if number == 3 { Span::secs(3_600) } else { Span::secs(1) };
        beat.at = at;
        if let TapeMsg::Events { events, .. } = &mut beat.msg {
            events.truncate(1);
            events[0].0.at = Some(at);
        }
    }
    reel(in_memory(beats), 4)
}

#[test]
fn playing_takes_recorded_time_over_speed() {
    let hour = 3_600_000;
    for (speed, cap, real, index, now) in [
        (Speed::Times(1.0), None, 1_500, 2, 1_500),
        (Speed::Times(0.25), None, 4_000, 2, 1_000),
        (Speed::Times(8.0), None, 1_000, 3, 8_000),
        (Speed::Times(1_000.0), None, 3_605, 6, hour + 4_000),
        // The silence of an hour takes two seconds.
        (Speed::Times(1.0), Some(2), 3_999, 3, 3_999),
        (Speed::Times(1.0), Some(2), 4_000, 4, hour + 2_000),
        (Speed::Times(1.0), Some(2), 5_000, 5, hour + 3_000),
        (Speed::Times(4.0), Some(2), 1_250, 5, hour + 3_000),
        (Speed::Most, None, 1, 6, hour + 4_000),
    ] {
        for frame in [real, 100, 33] {
            let mut reel = plain();
            let mut player = Player { speed, cap: cap.map(Span::secs), ..Player::default() };
            let mut left = real;
            while left > 0 {
                player.advance(&mut reel, Span(frame.min(left)), &mut || true);
                left -= frame;
            }
            let at = reel.now().since(reel.start()).0;
            assert_eq!((reel.index(), at), (index, now), "{speed:?} {cap:?} {real} in frames of {frame}");
            assert_eq!(player.is_playing, index < 6);
        }
    }
}

#[test]
fn nothing_moves_while_it_is_paused_or_not_read() {
    let mut reel = plain();
    let mut player = Player { is_playing: false, ..Player::default() };
    player.advance(&mut reel, Span::secs(60), &mut || true);
    assert_eq!(reel.index(), 0);
    let mut empty = Reel::new(model(), own_policy());
    let mut player = Player::default();
    player.advance(&mut empty, Span::secs(60), &mut || true);
    assert!(player.is_playing && empty.index() == 0, "it waits for what is to come");
}

#[test]
fn speeds_step_through_the_table_and_back() {
    let mut reel = plain();
    let mut player = Player { speed: Speed::Times(0.25), ..Player::default() };
    for speed in SPEEDS.iter().skip(1) {
        player.ask(Ask::Faster, &mut reel, Span::ZERO);
        assert_eq!(player.speed, Speed::Times(*speed));
    }
    player.ask(Ask::Faster, &mut reel, Span::ZERO);
    player.ask(Ask::Faster, &mut reel, Span::ZERO);
    assert_eq!(player.speed, Speed::Most);
    player.ask(Ask::Slower, &mut reel, Span::ZERO);
    assert_eq!(player.speed, Speed::Times(1_000.0));
    player.speed = Speed::Times(3.0);
    player.ask(Ask::Slower, &mut reel, Span::ZERO);
    assert_eq!(player.speed, Speed::Times(2.0));
    for (text, speed) in
        [("8", Some(Speed::Times(8.0))), ("0.25x", Some(Speed::Times(0.25))), ("max", Some(Speed::Most))]
    {
        assert_eq!(Speed::parse(text).ok(), speed, "{text}");
    }
    for text in ["", "0", "0.1", "1001", "fast", "-1", "nan"] {
        assert!(Speed::parse(text).is_err(), "{text}");
    }
}

#[test]
fn steps_go_from_event_to_event_and_back_the_same_way() {
    let mut reel = reel(both(11, 40), 16);
    let mut player = Player::default();
    let mut forward = vec![shown(&reel)];
    while player.ask(Ask::Step(1), &mut reel, Span::ZERO).is_none() {
        forward.push(shown(&reel));
    }
    assert!(!player.is_playing && forward.len() > 80);
    let mut back = vec![];
    loop {
        back.push(shown(&reel));
        if player.ask(Ask::Step(-1), &mut reel, Span::ZERO).is_some() {
            break;
        }
    }
    assert_eq!(reel.index(), 0);
    back.reverse();
    // What stands before the first event (a source that is opened) is seen once from either side.
    assert_eq!(back[1..], forward[1..]);
}

#[test]
fn jumps_find_what_happened() {
    let mut reel = reel(both(11, 120), 16);
    let mut player = Player::default();
    for kind in [Kind::Flag, Kind::Gate, Kind::Failure] {
        player.ask(Ask::To(Moment::Percent(0.0)), &mut reel, Span::ZERO);
        let mut places = vec![];
        while player.ask(Ask::MarkOf(kind, 1), &mut reel, Span::ZERO).is_none() {
            places.push(reel.index());
        }
        assert!(!places.is_empty() && places.is_sorted() && places.len() == reel.marks().count(kind), "{kind:?}");
        reel.seek(u64::MAX);
        let mut back = vec![];
        while player.ask(Ask::MarkOf(kind, -1), &mut reel, Span::ZERO).is_none() {
            back.push(reel.index());
        }
        back.reverse();
        // The last step may be one of them: then it is no place before the end.
        assert!(back == places || back == places[..places.len() - 1], "{kind:?}");
    }
    reel.seek(0);
    let mut spent = Span::ZERO;
    for _ in 0..20 {
        let lines = |reel: &Reel| reel.model().unwrap().runs().map(|run| run.statement.written()).sum::<u64>();
        let before = lines(&reel);
        assert_eq!(player.ask(Ask::Charge(1), &mut reel, Span::ZERO), None);
        assert!(lines(&reel) > before, "a charge is a line");
        let sum: Span = reel.model().unwrap().runs().map(|run| run.clock.spent).sum();
        assert!(sum >= spent);
        spent = sum;
    }
    assert_eq!(
        player.ask(Ask::Charge(-20), &mut reel, Span::ZERO).map(|t| t.to_string()).as_deref(),
        Some("no charge before here")
    );
    player.ask(Ask::To(Moment::Percent(100.0)), &mut reel, Span::ZERO);
    assert_eq!(reel.index(), reel.len());
}

#[test]
fn the_marks_lie_where_the_time_is() {
    let reel = reel(both(11, 120), 16);
    let buckets = reel.marks().buckets(reel.start(), reel.end(), 50);
    let sum: u32 = buckets.iter().map(|bucket| bucket.charges).sum();
    assert!(sum > 50, "{sum}");
    assert!(Kind::ALL[..2].iter().all(|kind| buckets.iter().any(|bucket| bucket.kinds & 1 << *kind as u8 != 0)));
    assert_eq!(reel.marks().buckets(Stamp(0), Stamp(0), 0).len(), 1);
}

#[test]
fn the_whole_past_of_a_run_can_be_read_again() {
    for block in [7, usize::MAX] {
        let mut reel = reel(in_memory(beats("one", 4, 900)), block);
        reel.seek(reel.len() * 3 / 4);
        let run = reel.model().unwrap().run(0).unwrap();
        assert!(run.statement.forgotten() > 0, "there are lines that the model has forgotten");
        let past = reel.past(0).unwrap().read(|| true).unwrap();
        assert_eq!(past.statement.forgotten(), 0);
        // Grants stand in no event: the engine adds them when it is given the past. Answers of these tapes are told again
        // at random, and a quiet run has forgotten the older of them.
        for rule in Rule::ALL.into_iter().filter(|rule| ![Rule::Grant, Rule::ModelCall].contains(rule)) {
            assert_eq!(past.statement.sum(rule), run.statement.sum(rule), "{rule:?}");
        }
        assert!(reel.past(0).unwrap().read(|| false).is_none());
    }
}
