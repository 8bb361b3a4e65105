use super::super::source::Registry;
use super::super::testkit::{Home, figures, model};
use super::super::walk::Found;
use super::*;
use crate::engine::Msg;

fn found(paths: &[std::path::PathBuf]) -> Vec<Found> {
    paths.iter().map(|path| Found::look(path, super::super::env::Layout::Claude).unwrap()).collect()
}

fn read(files: &[Found], chunk: usize) -> Vec<Msg> {
    let mut merge = Merge::new(files);
    let (mut registry, mut buffer, mut msgs) = (Registry::default(), vec![0; chunk], Vec::new());
    loop {
        let mut sink = |msg| msgs.push(msg);
        let now = Stamp(i64::MAX);
        let mut cx = Cx { registry: &mut registry, sink: &mut sink, buffer: &mut buffer, now, cutoff: Stamp(i64::MIN) };
        if merge.step(&mut cx, true) {
            return msgs;
        }
    }
}

fn times(msgs: &[Msg]) -> Vec<(u32, Stamp)> {
    let events = msgs.iter().filter_map(|msg| match msg {
        Msg::Events { source, events } => Some(events.iter().map(|(event, _)| (*source, event.at.unwrap()))),
        _ => None,
    });
    events.flatten().collect()
}

#[test]
fn files_of_one_run_come_in_order_of_time() {
    let home = Home::new();
    let files = found(&home.claude_with_subagents([0, 1, 2]));
    let msgs = read(&files, 4096);
    let times = times(&msgs);
    assert!(times.len() > 50, "{}", times.len());
    // A file's own order is kept even where its times go back, so compare the running maximum of each.
    let mut newest = [Stamp(i64::MIN); 3];
    let keys: Vec<Stamp> = times
        .iter()
        .map(|(source, at)| {
            let newest = &mut newest[*source as usize];
            *newest = (*newest).max(*at);
            *newest
        })
        .collect();
    assert!(keys.is_sorted());
    let switches = times.windows(2).filter(|pair| pair[0].0 != pair[1].0).count();
    assert!(switches > 4, "the files overlap: {switches}");
}

#[test]
fn the_statement_depends_neither_on_the_order_of_files_nor_on_the_size_of_reads() {
    let home = Home::new();
    let paths = home.claude_with_subagents([0, 1, 2]);
    let now = home.now();
    let files = found(&paths);
    let expected = figures(&model(read(&files, 1 << 20), now));
    assert_eq!(expected.len(), 1);
    for (order, chunk) in [([0, 2, 1], 700), ([1, 0, 2], 4096), ([2, 1, 0], 100)] {
        let files: Vec<Found> = order.iter().map(|at| files[*at].clone()).collect();
        assert_eq!(figures(&model(read(&files, chunk), now)), expected, "{order:?} {chunk}");
    }
}
