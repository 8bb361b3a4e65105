use proptest::prelude::*;

use super::*;

const FAST: Times = Times {
    cooperative: Span(2_000),
    int: Span(3_000),
    term: Span(5_000),
    orphans: Span(1_000),
    give_up: Span(10_000),
};

fn at(ms: u64) -> Duration {
    Duration::from_secs(1_000) + Duration::from_millis(ms)
}

fn ladder(mode: Mode, cooperative: bool, first: Rung, aim: Aim) -> Ladder {
    let plan = Plan { cooperative, first, aim, times: FAST };
    Ladder::new("i".into(), mode, Asker::default(), "why".into(), plan, Grade::Subreaper, 3, Stamp(0), at(0))
}

fn counted(alive: u32, leader: bool) -> Input {
    Input::Counted { alive, leader }
}

/// What happens, when, and everything that must be done then.
fn check(ladder: &mut Ladder, steps: &[(Input, u64, &[Do], Phase)]) {
    for (number, (input, ms, expected, phase)) in steps.iter().enumerate() {
        let done = ladder.step(input.clone(), at(*ms));
        assert_eq!((done.as_slice(), ladder.state().phase), (*expected, *phase), "step {number}: {input:?} at {ms}");
    }
}

use Do::{Ask, Kill, Tell};
use Input::{Acknowledged, Gone, Idle, Press, Spent, Tick};
use Phase::{Delivered, Escalating, Failed, IdleAfterInterrupt, VerifiedDead};

const INT_GROUP: Do = Do::Signal(Rung::Int, Aim::Group);
const TERM_ALL: Do = Do::Signal(Rung::Term, Aim::All);
const NO_CHILDREN: Input = Gone(Proof::NoChildren);

#[test]
fn every_rung_goes_out_at_its_time() {
    let mut ladder = ladder(Mode::Ladder, true, Rung::Int, Aim::Group);
    assert_eq!(ladder.deadline(), Some(at(0)), "it is to be started at once");
    check(
        &mut ladder,
        &[
            (Press(Mode::Ladder), 0, &[Ask, Tell], Delivered),
            (Tick, 1_999, &[], Delivered),
            (Tick, 2_000, &[INT_GROUP, Tell], Escalating),
            (Tick, 4_999, &[], Escalating),
            (Tick, 5_000, &[TERM_ALL, Tell], Escalating),
            (counted(2, true), 6_000, &[Tell], Escalating),
            (counted(2, true), 6_100, &[], Escalating),
            (Tick, 10_000, &[Kill, Tell], Escalating),
            (NO_CHILDREN, 10_004, &[Tell], VerifiedDead),
            (Tick, 90_000, &[], VerifiedDead),
            (Press(Mode::Now), 90_000, &[], VerifiedDead),
            (NO_CHILDREN, 90_000, &[], VerifiedDead),
        ],
    );
    let receipt = ladder.state().receipt.clone().expect("a receipt");
    assert_eq!((receipt.rung, receipt.took_us, receipt.processes), (Some(Rung::Kill), 10_004_000, 3));
    assert_eq!((receipt.proof, receipt.grade), (Some(Proof::NoChildren), Grade::Subreaper));
    assert_eq!(ladder.deadline(), None);
    let rungs: Vec<_> = ladder.state().rungs.iter().map(|lit| (lit.rung, lit.after_us)).collect();
    let times = [(Rung::Cooperative, 0), (Rung::Int, 2_000_000), (Rung::Term, 5_000_000), (Rung::Kill, 10_000_000)];
    assert_eq!(rungs, times);
}

#[test]
fn a_ladder_starts_by_itself_too() {
    let first = Do::Signal(Rung::Term, Aim::Leader);
    for (mode, expected) in [(Mode::Ladder, first), (Mode::Interrupt, first), (Mode::Now, Kill)] {
        let mut ladder = ladder(mode, false, Rung::Term, Aim::Leader);
        check(&mut ladder, &[(Tick, 0, &[expected, Tell], Delivered), (Press(mode), 1, &[], Delivered)]);
    }
}

#[test]
fn term_alone_leads_to_kill() {
    let mut ladder = ladder(Mode::Ladder, false, Rung::Term, Aim::Group);
    check(
        &mut ladder,
        &[
            (Press(Mode::Ladder), 0, &[Do::Signal(Rung::Term, Aim::Group), Tell], Delivered),
            (Tick, 5_000, &[Kill, Tell], Escalating),
            (Tick, 14_999, &[], Escalating),
            (Tick, 15_000, &[Tell], Failed),
            (Tick, 60_000, &[], Failed),
        ],
    );
    let survivor = Survivor { pid: 7, name: "cp".into(), state: 'D', why: "in uninterruptible sleep".into() };
    ladder.survivors(vec![survivor.clone()], at(15_001));
    let receipt = ladder.state().receipt.clone().expect("a receipt");
    assert_eq!((receipt.phase, receipt.proof, receipt.survivors), (Failed, None, vec![survivor]));
    // It goes on being tried, and a proof is a proof.
    check(&mut ladder, &[(counted(1, true), 20_000, &[], Failed), (NO_CHILDREN, 30_000, &[Tell], VerifiedDead)]);
    let receipt = ladder.state().receipt.clone().expect("a receipt");
    assert_eq!((receipt.took_us, receipt.survivors.len()), (30_000_000, 0));
}

#[test]
fn a_second_press_is_kill_now_from_any_rung() {
    for ms in [0, 1, 2_000, 6_000, 11_000] {
        let mut ladder = ladder(Mode::Ladder, true, Rung::Int, Aim::Group);
        ladder.step(Press(Mode::Ladder), at(0));
        for tick in [2_000, 5_000, 10_000].into_iter().filter(|tick| *tick <= ms) {
            ladder.step(Tick, at(tick));
        }
        let killed = ms >= 10_000;
        let expected: &[Do] = if killed { &[] } else { &[Kill, Tell] };
        check(&mut ladder, &[(Press(Mode::Now), ms, expected, Escalating), (Press(Mode::Now), ms, &[], Escalating)]);
        assert_eq!(ladder.state().mode, if killed { Mode::Ladder } else { Mode::Now });
        let due = if killed { 20_000 } else { ms + 10_000 };
        assert_eq!(ladder.deadline(), Some(at(due)));
    }
}

#[test]
fn what_loses_its_agent_is_asked_at_once_and_only_once() {
    let mut ladder = ladder(Mode::Ladder, false, Rung::Int, Aim::Leader);
    check(
        &mut ladder,
        &[
            (Press(Mode::Ladder), 0, &[Do::Signal(Rung::Int, Aim::Leader), Tell], Delivered),
            (counted(3, true), 50, &[], Delivered),
            (counted(2, false), 100, &[TERM_ALL, Tell], Escalating),
            (counted(2, false), 200, &[], Escalating),
            (counted(1, false), 300, &[Tell], Escalating),
            (Tick, 1_099, &[], Escalating),
            (Tick, 1_100, &[Kill, Tell], Escalating),
        ],
    );
}

#[test]
fn an_orphan_during_term_gets_its_own_second() {
    let mut ladder = ladder(Mode::Ladder, false, Rung::Term, Aim::Leader);
    check(
        &mut ladder,
        &[
            (Press(Mode::Ladder), 0, &[Do::Signal(Rung::Term, Aim::Leader), Tell], Delivered),
            (Acknowledged, 10, &[Tell], Phase::Acknowledged),
            (Acknowledged, 20, &[], Phase::Acknowledged),
            (counted(1, false), 4_900, &[TERM_ALL, Tell], Escalating),
            (Tick, 5_000, &[], Escalating),
            (Tick, 5_900, &[Kill, Tell], Escalating),
        ],
    );
    assert_eq!(ladder.state().rungs.len(), 2, "one TERM on the ladder");
}

#[test]
fn nobody_is_asked_before_the_stop_has_begun() {
    let mut ladder = ladder(Mode::Ladder, false, Rung::Int, Aim::Leader);
    check(
        &mut ladder,
        &[(counted(5, false), 0, &[Tell], Phase::Requested), (Gone(Proof::SetGone), 3, &[Tell], VerifiedDead)],
    );
    let receipt = ladder.state().receipt.clone().expect("a receipt");
    assert_eq!((receipt.rung, receipt.processes), (None, 5));
}

#[test]
fn the_ladder_does_not_rest_on_what_the_agent_says() {
    let mut ladder = ladder(Mode::Ladder, true, Rung::Int, Aim::Group);
    check(
        &mut ladder,
        &[
            (Press(Mode::Ladder), 0, &[Ask, Tell], Delivered),
            (Acknowledged, 100, &[Tell], Phase::Acknowledged),
            (Idle, 200, &[], Phase::Acknowledged),
            (Tick, 2_000, &[INT_GROUP, Tell], Escalating),
            (Idle, 2_100, &[], Escalating),
            (Tick, 5_000, &[TERM_ALL, Tell], Escalating),
        ],
    );
    assert!(ladder.state().receipt.is_none());
}

#[test]
fn an_interrupt_ends_when_the_agent_is_idle() {
    let mut ladder = ladder(Mode::Interrupt, true, Rung::Int, Aim::Group);
    check(
        &mut ladder,
        &[
            (Idle, 0, &[], Phase::Requested),
            (Press(Mode::Interrupt), 0, &[Ask, Tell], Delivered),
            (Idle, 500, &[Tell], IdleAfterInterrupt),
            (Idle, 600, &[], IdleAfterInterrupt),
            (Tick, 9_000, &[], IdleAfterInterrupt),
            (counted(2, false), 9_100, &[Tell], IdleAfterInterrupt),
        ],
    );
    assert_eq!(ladder.state().receipt.as_ref().map(|receipt| receipt.phase), Some(IdleAfterInterrupt));
    // A stop asked for after that goes on from there, and has no receipt yet.
    check(&mut ladder, &[(Press(Mode::Ladder), 10_000, &[INT_GROUP, Tell], Escalating)]);
    assert!(ladder.state().receipt.is_none());
}

#[test]
fn kill_after_an_interrupt_has_no_receipt_of_the_interrupt() {
    for answer in [Some(Idle), None] {
        let mut ladder = ladder(Mode::Interrupt, true, Rung::Int, Aim::Group);
        ladder.step(Press(Mode::Interrupt), at(0));
        match answer {
            Some(answer) => check(&mut ladder, &[(answer, 100, &[Tell], IdleAfterInterrupt)]),
            None => check(&mut ladder, &[(Tick, 2_000, &[Tell], Failed), (Tick, 9_000, &[], Failed)]),
        }
        assert!(ladder.state().receipt.is_some());
        check(&mut ladder, &[(Press(Mode::Now), 3_000, &[Kill, Tell], Escalating)]);
        assert!(ladder.state().receipt.is_none());
    }
}

#[test]
fn when_asking_is_spent_nobody_waits_for_it() {
    let mut stop = ladder(Mode::Ladder, true, Rung::Int, Aim::Group);
    check(
        &mut stop,
        &[
            (Press(Mode::Ladder), 0, &[Ask, Tell], Delivered),
            (Idle, 20, &[Tell], Phase::Acknowledged),
            (Spent, 20, &[INT_GROUP, Tell], Escalating),
            (Spent, 30, &[], Escalating),
            (Tick, 2_000, &[], Escalating),
            (Tick, 3_020, &[TERM_ALL, Tell], Escalating),
        ],
    );
    let mut asked = ladder(Mode::Interrupt, true, Rung::Int, Aim::Group);
    check(
        &mut asked,
        &[
            (Press(Mode::Interrupt), 0, &[Ask, Tell], Delivered),
            (Spent, 5, &[Tell], Failed),
            (Spent, 6, &[], Failed),
            // Late, but it obeyed.
            (Idle, 900, &[Tell], IdleAfterInterrupt),
            (Spent, 900, &[], IdleAfterInterrupt),
        ],
    );
    let mut signalled = ladder(Mode::Interrupt, false, Rung::Int, Aim::Group);
    check(&mut signalled, &[(Press(Mode::Interrupt), 0, &[INT_GROUP, Tell], Delivered), (Spent, 5, &[], Delivered)]);
}

#[test]
fn a_plan_without_a_signal_still_gets_to_kill() {
    let mut ladder = ladder(Mode::Ladder, true, Rung::Cooperative, Aim::All);
    check(
        &mut ladder,
        &[
            (Press(Mode::Ladder), 0, &[Ask, Tell], Delivered),
            (Tick, 2_000, &[Do::Signal(Rung::Int, Aim::All), Tell], Escalating),
            (Tick, 5_000, &[TERM_ALL, Tell], Escalating),
            (Tick, 10_000, &[Kill, Tell], Escalating),
        ],
    );
}

fn modes() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Ladder), Just(Mode::Now), Just(Mode::Interrupt)]
}

fn plans() -> impl Strategy<Value = Plan> {
    let first = prop_oneof![Just(Rung::Cooperative), Just(Rung::Int), Just(Rung::Term), Just(Rung::Kill)];
    let aim = prop_oneof![Just(Aim::Leader), Just(Aim::Group), Just(Aim::All)];
    let span = || prop_oneof![Just(Span(0)), Just(Span(-5)), (0..10_000i64).prop_map(Span)];
    (any::<bool>(), first, aim, span(), span(), span(), span(), span()).prop_map(
        |(cooperative, first, aim, ask, int, term, orphans, give_up)| {
            let times = Times { cooperative: ask, int, term, orphans, give_up };
            Plan { cooperative, first, aim, times }
        },
    )
}

fn inputs() -> impl Strategy<Value = Input> {
    prop_oneof![
        modes().prop_map(Press),
        Just(Acknowledged),
        Just(Idle),
        Just(Spent),
        Just(Tick),
        (0..5u32, any::<bool>()).prop_map(|(alive, leader)| counted(alive, leader)),
    ]
}

fn start(mode: Mode, plan: Plan) -> Ladder {
    Ladder::new("i".into(), mode, Asker::default(), "".into(), plan, Grade::Subreaper, 1, Stamp(0), at(0))
}

proptest! {
    #[test]
    fn nothing_is_proven_without_a_proof(
        mode in modes(),
        plan in plans(),
        inputs in prop::collection::vec((inputs(), 0..4_000u64), 0..40),
        proof in any::<bool>(),
    ) {
        let mut ladder = start(mode, plan);
        let mut ms = 0;
        for (input, pause) in inputs {
            ms += pause;
            let before = ladder.state().rungs.len();
            let done = ladder.step(input, at(ms));
            let state = ladder.state();
            prop_assert_ne!(state.phase, VerifiedDead);
            let is_over = state.receipt.is_some();
            prop_assert_eq!(is_over, state.phase.is_final());
            prop_assert!(state.receipt.iter().all(|receipt| receipt.proof.is_none() && receipt.phase == state.phase));
            prop_assert!(state.rungs.is_sorted_by(|a, b| a.rung < b.rung && a.after_us <= b.after_us));
            prop_assert!(state.rungs.len() == before || done.contains(&Tell));
            prop_assert_eq!(done.contains(&Kill), state.rungs.len() > before && ladder.rung() == Some(Rung::Kill));
        }
        if proof {
            ladder.step(NO_CHILDREN, at(ms));
            let state = ladder.state();
            prop_assert_eq!((state.phase, state.alive, ladder.deadline()), (VerifiedDead, 0, None));
            prop_assert_eq!(state.receipt.as_ref().and_then(|receipt| receipt.proof), Some(Proof::NoChildren));
        }
    }

    /// Whatever the agent answers meanwhile.
    #[test]
    fn kill_comes_in_bounded_time(
        mode in prop_oneof![Just(Mode::Ladder), Just(Mode::Now)],
        plan in plans(),
        inputs in prop::collection::vec(inputs(), 0..30),
    ) {
        let mut ladder = start(mode, plan);
        let mut inputs = inputs.into_iter();
        let (mut now, mut steps) = (at(0), 0);
        while let Some(due) = ladder.deadline() {
            now = now.max(due);
            if let Some(input) = inputs.next() {
                ladder.step(input, now);
            }
            ladder.step(Tick, now);
            steps += 1;
            prop_assert!(steps < 12);
        }
        prop_assert_eq!(ladder.state().phase, Failed);
        let times = plan.times;
        let bound = [times.cooperative, times.int, times.term, times.orphans].map(duration).iter().sum::<Duration>();
        let lit = ladder.state().rungs.last().copied();
        prop_assert_eq!(lit.map(|lit| lit.rung), Some(Rung::Kill));
        prop_assert!(lit.is_some_and(|lit| u128::from(lit.after_us) <= bound.as_micros()));
    }

    #[test]
    fn a_second_press_kills_whatever_came_before(
        mode in modes(),
        plan in plans(),
        inputs in prop::collection::vec((inputs(), 0..4_000u64), 0..20),
    ) {
        let mut ladder = start(mode, plan);
        let (mut ms, mut killed) = (0, false);
        for (input, pause) in inputs {
            ms += pause;
            killed |= ladder.step(input, at(ms)).contains(&Kill);
        }
        killed |= ladder.step(Press(Mode::Now), at(ms)).contains(&Kill);
        prop_assert!(killed);
        prop_assert_eq!(ladder.rung(), Some(Rung::Kill));
    }
}
