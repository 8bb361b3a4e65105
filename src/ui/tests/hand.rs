//! Presses and slips.

use crossterm::event::KeyEventKind;

use super::super::testkit::control::*;
use super::*;
use crate::control::words::{Mode as Press, Phase, Rung};
use crate::domain::time::Span;
use crate::engine::Fact;

/// A screen, a model and a clock.
struct Desk {
    ui: Ui,
    model: Model,
    now: Stamp,
}

impl Desk {
    fn new(model: Model) -> Self {
        let mut ui = ui(120, 40);
        (ui.selected, ui.has_moved) = (Some(0), true);
        let mut desk = Self { ui, model, now: NOW };
        desk.wait(0);
        desk
    }

    /// Time passes, frames are drawn.
    fn wait(&mut self, ms: i64) -> String {
        self.now = self.now + Span(ms);
        let settled = self.ui.settle(&self.model, self.now);
        self.ui.refresh(&self.model, self.now);
        said(settled)
    }

    fn event(&mut self, code: KeyCode, modifiers: KeyModifiers, kind: KeyEventKind) -> String {
        let key = KeyEvent::new_with_kind(code, modifiers, kind);
        said(self.ui.handle(Input::Key(key), &self.model, self.now))
    }

    fn key(&mut self, c: char) -> String {
        self.event(KeyCode::Char(c), KeyModifiers::NONE, KeyEventKind::Press)
    }

    fn keys(&mut self, keys: &str) -> String {
        said(press(&mut self.ui, &self.model, keys))
    }

    fn stop(&mut self, stop: crate::control::words::Stop) {
        let run = id_of(&self.model, 0);
        tell(&mut self.model, Fact::Stopped { run, stop: Box::new(stop) }, self.now);
    }

    fn note(&self) -> &str {
        self.ui.note.as_ref().map_or("", Text::as_str)
    }
}

/// What was sent to the engine, in short.
fn said(actions: Vec<Action>) -> String {
    let sent = actions.into_iter().filter_map(|action| match action {
        Action::Send(Msg::Press { run, mode }) => Some(format!("{} {mode:?}", run.agent.name())),
        Action::Send(Msg::Give { run, amount }) => Some(format!("{} {}", run.agent.name(), amount.short())),
        Action::Send(Msg::Answer { gate, allow }) => Some(format!("{gate} {allow}")),
        Action::Send(Msg::Transfer { from, to, amount }) => {
            Some(format!("{} {} {}", from.agent.name(), to.agent.name(), amount.short()))
        }
        Action::Send(Msg::Release { run }) => Some(format!("{} go", run.agent.name())),
        Action::Send(Msg::PressAll) => Some("all".to_owned()),
        Action::Send(Msg::Look(_) | Msg::LookAt(_)) | Action::Redraw => None,
        other => Some(format!("{other:?}")),
    });
    sent.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_press_stops_and_a_second_press_kills() {
    let mut desk = Desk::new(held_fleet());
    desk.wait(500);
    assert_eq!(desk.key('X'), "claude Ladder");
    assert_eq!(desk.wait(300), "");
    assert_eq!(desk.key('X'), "", "it could still be a held key");
    assert_eq!(desk.wait(130), "claude Now");
    assert_eq!(desk.wait(1_000), "");
    // What the agent's holder says takes over.
    desk.stop(stop(Press::Now, 100, &[(Rung::Int, 0), (Rung::Kill, 300)]));
    desk.wait(500);
    assert_eq!(desk.key('X'), "");
    assert!(desk.note().contains("KILL has gone out"), "{}", desk.note());
}

#[test]
fn a_press_is_felt_at_once() {
    let mut desk = Desk::new(held_fleet());
    desk.wait(500);
    desk.key('X');
    let screen = shot(&desk.model, &mut desk.ui);
    assert!(screen.contains("STOPPING") && screen.contains("no answer yet"), "{screen}");
    // Nobody answered: the key comes up again.
    desk.wait(11_000);
    let buffer = {
        let mut terminal = Terminal::new(TestBackend::new(120, 40)).unwrap();
        terminal.draw(|f| draw(f, &desk.model, &desk.ui, &theme(Depth::True), desk.now)).unwrap();
        terminal.backend().buffer().clone()
    };
    assert!(text(&buffer).contains("X  STOP"));
}

#[test]
fn a_held_key_is_one_press() {
    // After the delay of a keyboard it repeats thirty times a second.
    for delay in [200, 250, 300, 500, 660, 1_000] {
        let mut desk = Desk::new(held_fleet());
        desk.wait(500);
        let mut sent = vec![desk.key('X')];
        sent.push(desk.wait(delay));
        for _ in 0..40 {
            sent.push(desk.key('X'));
            sent.push(desk.wait(33));
        }
        sent.push(desk.wait(1_000));
        sent.retain(|s| !s.is_empty());
        assert_eq!(sent, ["claude Ladder"], "{delay}");
        // Let go and pressed again it counts.
        assert_eq!(desk.key('X'), "");
        assert_eq!(desk.wait(130), "claude Now");
    }
}

#[test]
fn what_the_terminal_calls_a_repetition_counts_never() {
    let mut desk = Desk::new(held_fleet());
    desk.wait(500);
    for key in ['X', 'i', '+', 'Y', 'N', 'R'] {
        assert_eq!(desk.event(KeyCode::Char(key), KeyModifiers::SHIFT, KeyEventKind::Repeat), "", "{key}");
        desk.wait(500);
        assert_eq!(desk.event(KeyCode::Char(key), KeyModifiers::SHIFT, KeyEventKind::Release), "", "{key}");
        desk.wait(500);
    }
    assert_eq!(desk.event(KeyCode::Char('x'), KeyModifiers::CONTROL, KeyEventKind::Repeat), "");
}

#[test]
fn two_quick_presses_are_one() {
    let mut desk = Desk::new(held_fleet());
    desk.wait(500);
    assert_eq!(desk.key('X'), "claude Ladder");
    desk.wait(180);
    assert_eq!(desk.key('X'), "");
    assert!(desk.note().contains("too quick"), "{}", desk.note());
    assert_eq!(desk.wait(1_000), "");
}

#[test]
fn a_run_that_has_just_come_under_the_hand_is_not_stopped() {
    let mut desk = Desk::new(held_fleet());
    desk.wait(500);
    // The list moved by itself: what is on top is another run now.
    desk.ui.has_moved = false;
    desk.wait(10);
    assert_eq!(desk.ui.selected(), Some(1));
    for key in ['X', 'i', '+', 'R'] {
        assert_eq!(desk.key(key), "", "{key}");
        assert!(desk.note().contains("the list moved"), "{key}: {}", desk.note());
        desk.wait(101);
        desk.ui.has_moved = key == 'i' && desk.ui.has_moved;
        desk.ui.hand = Default::default();
        desk.wait(1);
    }
    desk.wait(399);
    desk.key('X');
    assert!(desk.note().contains("the list moved"));
    desk.wait(101);
    assert_eq!(desk.key('X'), "codex Ladder");
}

#[test]
fn moving_and_pressing_at_once_does_nothing() {
    let mut desk = Desk::new(held_fleet());
    desk.wait(500);
    assert_eq!(desk.keys("kX"), "");
    desk.wait(100);
    // A frame that nobody has seen counts for nothing, however long it takes.
    desk.ui.handle(Input::Key(KeyEvent::new(KeyCode::Char('j'), KeyModifiers::NONE)), &desk.model, desk.now);
    desk.now = desk.now + Span(5_000);
    assert_eq!(desk.key('X'), "");
}

#[test]
fn a_list_sorted_anew_means_the_same_run() {
    let mut desk = Desk::new(held_fleet());
    desk.wait(500);
    for order in ["s", "s", "S", "s", "sS"] {
        desk.keys(order);
        desk.wait(500);
        assert_eq!(desk.key('X'), "claude Ladder", "{order}");
        desk.ui.hand = Default::default();
        desk.wait(500);
    }
}

#[test]
fn a_stop_that_has_just_begun_elsewhere_is_not_killed_by_a_first_press() {
    let mut desk = Desk::new(held_fleet());
    desk.wait(500);
    // The clock ran out a moment before the finger came down.
    desk.stop(stop(Press::Ladder, 50, &[(Rung::Int, 0)]));
    desk.wait(50);
    assert_eq!(desk.key('X'), "");
    assert_eq!(desk.wait(200), "");
    desk.wait(500);
    desk.key('X');
    assert_eq!(desk.wait(130), "claude Now");
}

#[test]
fn a_clock_that_is_set_back_does_not_take_the_key_away() {
    let mut desk = Desk::new(held_fleet());
    desk.wait(500);
    desk.wait(-3_600_000);
    desk.wait(500);
    assert_eq!(desk.key('X'), "claude Ladder");
}

#[test]
fn text_presses_nothing() {
    let mut desk = Desk::new(held_fleet());
    desk.wait(500);
    assert_eq!(said(desk.ui.handle(Input::Paste("XX\u{18}iY+:kill\r".into()), &desk.model, desk.now)), "");
    assert_eq!(desk.keys("/XXiY+N"), "");
    assert_eq!(desk.ui.wish.filter, "XXiY+N");
    assert_eq!(desk.event(KeyCode::Char('x'), KeyModifiers::CONTROL, KeyEventKind::Press), "");
    assert_eq!(desk.keys("\x1b:XX"), "");
    assert_eq!(said(desk.ui.handle(Input::Paste("kill\r\n".into()), &desk.model, desk.now)), "");
    assert_eq!(desk.keys("\x1b?X"), "", "help covers the runs");
    desk.wait(500);
    assert_eq!(desk.key('X'), "");
    desk.keys("\x1b");
    assert_eq!(desk.key('X'), "", "and it was covered until now");
}

#[test]
fn a_key_that_holds_nothing_says_why() {
    let mut desk = Desk::new(fleet());
    desk.wait(500);
    for key in ['X', 'i'] {
        assert_eq!(desk.key(key), "");
        assert!(desk.note().contains("redkey run -- claude"), "{}", desk.note());
        assert!(desk.note().contains("redkey hook install claude"), "{}", desk.note());
    }
}

#[test]
fn an_interrupt_then_the_ladder() {
    let mut desk = Desk::new(held_fleet());
    desk.wait(500);
    assert_eq!(desk.key('i'), "claude Interrupt");
    desk.wait(150);
    assert_eq!(desk.key('i'), "claude Interrupt", "asking again does no harm: its holder knows");
    let idle = over(stop(Press::Interrupt, 300, &[(Rung::Cooperative, 0)]), Phase::IdleAfterInterrupt, 200, vec![]);
    desk.stop(idle);
    desk.wait(500);
    assert_eq!(desk.key('X'), "claude Ladder");
    desk.stop(stop(Press::Ladder, 10, &[(Rung::Int, 0)]));
    desk.wait(500);
    assert_eq!(desk.key('i'), "");
    assert!(desk.note().contains("is being stopped already"), "{}", desk.note());
}

#[test]
fn one_chord_stops_all() {
    let mut desk = Desk::new(held_fleet());
    let chord = |desk: &mut Desk| desk.event(KeyCode::Char('X'), KeyModifiers::CONTROL, KeyEventKind::Press);
    assert_eq!(chord(&mut desk), "all");
    assert!(desk.note().starts_with("the key of 3 runs is pressed; 1 live"), "{}", desk.note());
    desk.wait(33);
    assert_eq!(chord(&mut desk), "", "held down");
}

#[test]
fn time_is_given_in_fives() {
    let mut desk = Desk::new(held_fleet());
    desk.wait(500);
    assert_eq!(desk.key('+'), "claude 5m");
    desk.wait(30);
    assert_eq!(desk.key('+'), "", "held down");
    desk.wait(200);
    assert_eq!(desk.key('+'), "claude 5m");
    assert!(desk.note().starts_with("+10m for claude redkey"), "{}", desk.note());
    assert_eq!(desk.keys(":grant 1h\r"), "claude 1h");
    assert_eq!(desk.keys(":grant -5m\r"), "claude -5m");
}

#[test]
fn a_transfer_is_filled_in_between() {
    let mut desk = Desk::new(held_fleet());
    desk.keys("T0199");
    assert!(
        matches!(&desk.ui.mode, Mode::Command(line) if line.as_str() == "transfer 6c0f2a7b 0199 5m"),
        "{:?}",
        desk.ui.mode
    );
    assert_eq!(desk.keys("\r"), "claude codex 5m");
    desk.keys(":transfer 6c0f2a7b nobody 5m\r");
    assert!(desk.note().contains("no run's session begins with `nobody`"));
}

#[test]
fn commands_mean_the_run_that_was_selected_when_they_were_begun() {
    let mut desk = Desk::new(held_fleet());
    for (line, sent) in [
        (":stop\r", "claude Ladder"),
        (":kill\r", "claude Now"),
        (":interrupt\r", "claude Interrupt"),
        (":stop all\r", "all"),
        (":release\r", "claude go"),
    ] {
        desk.ui.hand = Default::default();
        desk.keys(&line[..2]);
        let rest: String = line[2..].to_owned();
        // The list moves while somebody types.
        (desk.ui.selected, desk.ui.has_moved) = (Some(1), true);
        assert_eq!(desk.keys(&rest), sent);
        desk.ui.selected = Some(0);
    }
    assert_eq!(desk.keys(":kil\r"), "");
}

fn gated() -> Desk {
    let mut desk = Desk::new(held_fleet());
    tell(&mut desk.model, Fact::Gates(gates()), NOW);
    desk.wait(0);
    desk
}

#[test]
fn an_action_is_answered_only_when_it_has_been_read() {
    let mut desk = gated();
    assert_eq!(desk.key('Y'), "");
    assert!(desk.note().contains("only just come up"));
    desk.wait(500);
    assert_eq!(desk.keys("yn"), "", "small letters answer nothing");
    assert_eq!(desk.key('Y'), "g-1 true");
    desk.wait(500);
    assert_eq!(desk.key('N'), "g-1 false");
    // Another one takes its place just before the finger comes down.
    tell(&mut desk.model, Fact::Gates(vec![gate("g-9", "r-1", "Bash rm -rf /", 300)]), NOW);
    desk.wait(20);
    assert_eq!(desk.key('Y'), "");
}

#[test]
fn what_cannot_be_read_whole_is_not_allowed() {
    let mut desk = Desk::new(held_fleet());
    let long = format!("Bash git push origin main{}; rm -rf ~", " -v".repeat(40));
    tell(&mut desk.model, Fact::Gates(vec![gate("g-1", "r-1", &long, 200)]), NOW);
    desk.wait(0);
    desk.wait(500);
    assert_eq!(desk.key('Y'), "");
    assert!(desk.ui.gates.is_some(), "it is shown whole instead");
    let screen = shot(&desk.model, &mut desk.ui);
    assert!(screen.contains("rm -rf ~"), "{screen}");
    desk.wait(500);
    assert_eq!(desk.key('Y'), "g-1 true");
    // Cut off where it came in.
    let endless = "Bash echo ".to_owned() + &"a".repeat(400);
    tell(&mut desk.model, Fact::Gates(vec![gate("g-2", "r-1", &endless, 200)]), NOW);
    desk.wait(0);
    desk.wait(500);
    assert_eq!(desk.key('Y'), "");
    assert_eq!(desk.key('N'), "g-2 false", "denying is always safe");
}

#[test]
fn all_held_actions_in_a_list() {
    let mut desk = gated();
    assert_eq!(desk.keys("v"), "");
    insta::assert_snapshot!("gates_120x40", shot(&desk.model, &mut desk.ui));
    desk.keys("j");
    desk.wait(0);
    desk.wait(500);
    assert_eq!(desk.keys("XXi+"), "", "no run is in sight here");
    assert_eq!(desk.key('N'), "g-2 false");
    desk.keys("\r");
    assert_eq!(desk.ui.view(), View::Run(1));
}

#[test]
fn an_answer_by_command_is_for_what_was_held_then() {
    let mut desk = gated();
    desk.keys(":allow");
    tell(&mut desk.model, Fact::Gates(vec![gate("g-9", "r-1", "Bash rm -rf /", 300)]), NOW);
    assert_eq!(desk.keys("\r"), "");
    assert!(desk.note().contains("not any more"), "{}", desk.note());
    assert_eq!(desk.keys(":deny\r"), "g-9 false");
}
