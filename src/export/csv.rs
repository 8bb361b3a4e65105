//! The statement as comma-separated values (RFC 4180): one line a charge, all of them, in order of time.

use super::rfc3339;
use crate::domain::run::Run;
use crate::domain::statement::{Charge, Factors};

/// The first line. Amounts are milliseconds of clock time, positive where they were spent.
pub const HEADER: &str = "time,amount_ms,rule,what,multiplier,branch,run\r\n";

/// One line, with its end.
pub fn line(run: &Run, charge: &Charge) -> String {
    let branch = match run.branches.get(usize::from(charge.branch)) {
        Some(branch) if charge.branch > 0 => branch.name.as_str(),
        _ => "",
    };
    let Charge { at, amount, rule, what, factors, .. } = charge;
    let (what, branch, id) = (field(what.as_str()), field(branch), field(&run.id.to_string()));
    format!("{},{},{},{what},{},{branch},{id}\r\n", rfc3339(*at), amount.0, rule.name(), multiplier(*factors))
}

/// All multipliers as one exact number: `1`, `2.6`, `0.845`.
fn multiplier(factors: Factors) -> String {
    let product = u64::from(factors.repeat) * u64::from(factors.chain) * u64::from(factors.materiality);
    let text = format!("{}.{:06}", product / 1_000_000, product % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A text as one field. One that a spreadsheet would take for a formula is marked as text by a `'`, as spreadsheets do:
/// what agents write must not compute.
fn field(text: &str) -> String {
    let mark = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if mark.is_empty() && !text.contains([',', '"', '\n', '\r']) {
        return text.to_owned();
    }
    format!("\"{mark}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Agent, RunId};
    use crate::domain::statement::Rule;
    use crate::domain::time::{Span, Stamp};

    fn charge(amount: i64, what: &str, factors: Factors) -> Charge {
        let at = Stamp(1_777_638_896_250);
        Charge { at, amount: Span(amount), rule: Rule::Execute, branch: 0, factors, what: what.into() }
    }

    #[test]
    fn a_charge_is_a_line() {
        let run = Run::new(RunId::new(Agent::Claude, "s1"), 0);
        let factors = Factors { repeat: 200, chain: 130, materiality: 100 };
        let line = line(&run, &charge(-12_345, "Bash echo \"a, b\"", factors));
        let id = run.id.to_string();
        assert_eq!(line, format!("2026-05-01T12:34:56.250Z,-12345,execute,\"Bash echo \"\"a, b\"\"\",2.6,,{id}\r\n"));
        assert_eq!(HEADER.matches(',').count(), 6);
    }

    #[test]
    fn multipliers_are_exact() {
        let of = |repeat, chain, materiality| multiplier(Factors { repeat, chain, materiality });
        for (got, wanted) in [
            (multiplier(Factors::NONE), "1"),
            (of(800, 100, 100), "8"),
            (of(1_000, 100, 100), "10"),
            (of(100, 130, 65), "0.845"),
            (of(101, 103, 107), "1.113121"),
            (of(0, 100, 100), "0"),
            (of(u16::MAX, u16::MAX, u16::MAX), "281462092.005375"),
        ] {
            assert_eq!(got, wanted);
        }
    }

    #[test]
    fn fields_are_quoted_and_never_formulas() {
        for (text, wanted) in [
            ("", ""),
            ("plain text", "plain text"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\""),
            ("+1", "\"'+1\""),
            ("-rf", "\"'-rf\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("a=b", "a=b"),
        ] {
            assert_eq!(field(text), wanted);
        }
    }
}
