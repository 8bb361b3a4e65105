//! Every change shows.

use proptest::prelude::*;

use super::super::chain::{Break, Seal, Verifier, What};
use super::{log, report};

#[test]
fn an_untouched_log_is_intact() {
    assert!(report(b"").is_intact());
    let bytes = log(20);
    let report = report(&bytes);
    assert!(report.is_intact());
    assert_eq!((report.records, report.torn, report.tail), (20, 0, 0));
    let last = bytes[..bytes.len() - 1].rsplit(|b| *b == b'\n').next().unwrap();
    assert_eq!(report.head, Seal::of(last));
    assert_eq!(Seal::parse(&report.head.to_string()), Some(report.head));
}

#[test]
fn missing_doubled_and_swapped_records_show() {
    let bytes = log(5);
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    let breaks = |order: &[usize]| {
        let text: Vec<u8> = order.iter().flat_map(|i| lines[*i]).copied().collect();
        report(&text).breaks
    };
    assert_eq!(breaks(&[0, 1, 2, 3, 4]), []);
    let missing = [Break { line: 3, what: What::Seq { expected: 3, found: 4 } }, Break { line: 3, what: What::Prev }];
    assert_eq!(breaks(&[0, 1, 3, 4]), missing);
    assert_eq!(breaks(&[1, 2, 3, 4]), [Break { line: 1, what: What::Beheaded { seq: 2 } }]);
    assert!(!breaks(&[0, 1, 1, 2, 3, 4]).is_empty());
    assert!(!breaks(&[0, 2, 1, 3, 4]).is_empty());
}

#[test]
fn a_kept_head_shows_a_cut_end() {
    let bytes = log(5);
    let head = report(&bytes).head;
    let kept = |bytes: &[u8]| {
        let mut verifier = Verifier::new(Some(head));
        bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).for_each(|line| verifier.line(line));
        verifier.finish()
    };
    assert!(kept(&bytes).is_intact());
    let four = log(4);
    assert!(report(&four).is_intact());
    assert!(!kept(&four).is_intact());
}

proptest! {
    #[test]
    fn any_flipped_bit_shows(count in 1u64..6, place in any::<prop::sample::Index>(), bit in 0u32..8) {
        let bytes = log(count);
        let mut changed = bytes.clone();
        changed[place.index(bytes.len())] ^= 1 << bit;
        let (before, after) = (report(&bytes), report(&changed));
        // Nothing seals the last record yet, nor the newline before it: there, only a kept head can tell.
        let last = bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n').unwrap_or(0);
        let is_last = place.index(bytes.len()) >= last;
        prop_assert!(!after.is_intact() || (is_last && after.head != before.head));
    }

    #[test]
    fn any_bytes_are_walked_over(bytes in any::<Vec<u8>>()) {
        let report = report(&bytes);
        prop_assert_eq!(report.records, 0);
    }
}
