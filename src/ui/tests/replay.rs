//! Live and replay held against each other frame by frame, and the transport bar.

use super::*;
use crate::replay::testkit::{beats, in_memory, live, reel};
use crate::replay::track::Together;
use crate::replay::{Ask, Moment, Player, Reel, Speed};

fn frame(model: &Model, view: View, now: Stamp, size: (u16, u16)) -> Buffer {
    let mut ui = ui(size.0, size.1);
    ui.view = view;
    ui.refresh(model, now);
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|frame| draw(frame, model, &ui, &theme(Depth::True), now)).unwrap();
    terminal.backend().buffer().clone()
}

/// What the clock, meters, forecast and statement said at a moment is what they say when that moment is replayed: every
/// frame of an hour, played through and jumped to.
#[test]
fn every_frame_of_a_replay_is_the_frame_that_live_drew() {
    for seed in [1, 2, 3] {
        let beats = beats("one", seed, 60);
        let mut playing = reel(in_memory(beats.clone()), 16);
        let mut jumping = reel(in_memory(beats.clone()), 16);
        let length = playing.end().since(playing.start()).0;
        let mut frames = 0;
        for part in 0..=60 {
            let now = playing.start() + Span(length * part / 60);
            let was = live(&beats, now);
            playing.seek_time(now);
            // From the end to the start and back again, so that it never comes from the place before.
            jumping.seek_time(jumping.end() + -Span(length * part / 60));
            jumping.seek_time(now);
            for (view, size) in [(View::Fleet, (120, 36)), (View::Run(0), (120, 36)), (View::Run(0), (80, 24))] {
                let drawn = frame(&was, view, now, size);
                assert_eq!(text(&frame(playing.model().unwrap(), view, now, size)), text(&drawn), "{seed} {part}");
                assert_eq!(frame(playing.model().unwrap(), view, now, size), drawn);
                assert_eq!(frame(jumping.model().unwrap(), view, now, size), drawn);
                frames += 1;
            }
        }
        assert_eq!(frames, 183);
    }
}

fn played() -> (Reel, Player) {
    let tracks = vec![in_memory(beats("one", 7, 60)), in_memory(beats("two", 8, 60))];
    let mut reel = reel(Box::new(Together::new(tracks)), 64);
    let mut player = Player::new(true, Speed::Times(8.0), Some(Span::secs(10)));
    player.ask(Ask::To(Moment::Percent(40.0)), &mut reel, Span::ZERO);
    (reel, player)
}

fn with_bar(reel: &Reel, player: &Player, size: (u16, u16), is_ascii: bool) -> Ui {
    let mut ui = Ui::new(Options { size, ascii: is_ascii, ..Options::default() });
    let mut bar = Transport::default();
    bar.update(reel, player, Span::ZERO);
    ui.transport = Some(bar);
    ui.refresh(reel.model().unwrap(), reel.now());
    ui
}

fn shown(reel: &Reel, ui: &Ui) -> String {
    let (width, height) = ui.options.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, reel.model().unwrap(), ui, &theme(Depth::True), reel.now())).unwrap();
    text(terminal.backend().buffer())
}

#[test]
fn the_bar_at_the_sizes_people_have() {
    let (reel, player) = played();
    for (width, height, is_ascii) in [(120, 36, false), (80, 24, false), (80, 20, true)] {
        let mut ui = with_bar(&reel, &player, (width, height), is_ascii);
        let all = shown(&reel, &ui);
        let bar: Vec<&str> = all.lines().rev().take(3).collect();
        let bar: Vec<&str> = bar.into_iter().rev().collect();
        insta::assert_snapshot!(format!("transport_{width}x{height}"), bar.join("\n"));
        ui.view = View::Run(0);
        assert!(shown(&reel, &ui).ends_with(bar[2]), "the bar is the same on both screens");
    }
}

#[test]
fn the_bar_fits_every_size() {
    let (reel, player) = played();
    for width in [1, 7, 8, 20, 33, 49, 60, 95, 300] {
        for height in [1, 2, 5, 6, 7, 23, 24, 60] {
            shown(&reel, &with_bar(&reel, &player, (width, height), false));
        }
    }
}

#[test]
fn keys_of_a_replay_move_it_and_keys_that_act_say_what_this_is() {
    let (reel, player) = played();
    let model = reel.model().unwrap();
    for (keys, wanted) in [
        (" ", Ask::Toggle),
        (".", Ask::Step(1)),
        (",", Ask::Step(-1)),
        ("}", Ask::Charge(1)),
        ("a", Ask::Mark(1)),
        (":to 50%\r", Ask::To(Moment::Percent(50.0))),
        (":next failure\r", Ask::MarkOf(crate::replay::Kind::Failure, 1)),
        (":speed max\r", Ask::Speed(Speed::Most)),
        (":idle 2s\r", Ask::Cap(Span::secs(2))),
    ] {
        let mut ui = with_bar(&reel, &player, (120, 36), false);
        let asked: Vec<Ask> = press(&mut ui, model, keys)
            .into_iter()
            .filter_map(|action| if let Action::Replay(ask) = action { Some(ask) } else { None })
            .collect();
        assert_eq!(asked, [wanted], "{keys}");
    }
    for keys in ["X", "i", "+", "R", "Y", "N", "T", ":stop\r", ":kill\r", ":grant 5m\r", ":stop all\r"] {
        let mut ui = with_bar(&reel, &player, (120, 36), false);
        let sent = press(&mut ui, model, keys).into_iter().any(|action| matches!(action, Action::Send(_)));
        assert!(!sent && shown(&reel, &ui).contains("this is a replay"), "{keys}");
    }
    // Live, the keys of a replay are no keys.
    let mut live = ui(120, 36);
    for keys in [" ", ".", "a", "0"] {
        assert!(press(&mut live, model, keys).iter().all(|action| !matches!(action, Action::Replay(_))), "{keys}");
    }
}
