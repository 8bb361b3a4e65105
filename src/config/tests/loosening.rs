use super::*;
use crate::domain::meter::Meter;

/// Every key of the policy with a looser and (where a project may set it at all) a tighter value than these.
const BELOW: &str = "[caps]\nusd = 5.0\ntokens = 50\noutput_tokens = 50\nturns = 50\ntools = 50\nfailures = 50\n\
                     depth = 50\nfanout = 50\nwall = \"50m\"\n";
/// No value is looser: a project's list only adds.
const NONE: &str = "";
const KEYS: &[(&str, &str, Option<&str>)] = &[
    ("budget.default", "\"2h\"", Some("\"5m\"")),
    ("budget.declared_max", "\"5h\"", Some("\"1h\"")),
    ("caps.usd", "5.01", Some("4.99")),
    ("caps.tokens", "51", Some("49")),
    ("caps.output_tokens", "51", Some("49")),
    ("caps.turns", "51", Some("49")),
    ("caps.tools", "51", Some("49")),
    ("caps.failures", "51", Some("49")),
    ("caps.depth", "51", Some("49")),
    ("caps.fanout", "51", Some("49")),
    ("caps.wall", "\"51m\"", Some("\"49m\"")),
    ("clock.idle_after", "\"1m\"", Some("\"6m\"")),
    ("clock.tool_idle_after", "\"9m\"", Some("\"11m\"")),
    ("clock.low", "\"1m\"", Some("\"6m\"")),
    ("clock.at_zero", "\"hold\"", None),
    ("clock.at_zero_hooked", "\"warn\"", Some("\"stop\"")),
    ("clock.warn_at", NONE, Some("[\"10m\"]")),
    ("stop.cooperative", "\"3s\"", Some("\"1s\"")),
    ("stop.int", "\"4s\"", Some("\"1s\"")),
    ("stop.term", "\"6s\"", Some("\"1s\"")),
    ("stop.orphans", "\"2s\"", Some("\"0s\"")),
    ("stop.give_up", "\"11s\"", None),
    ("stop.leftovers", "\"wait\"", None),
    ("gate.timeout", "\"6m\"", Some("\"1m\"")),
    ("gate.irreversible", "false", None),
    ("gate.patterns.\"git push origin wip\"", "false", Some("true")),
    ("tariff.wall_percent", "99", Some("101")),
    ("tariff.model_call", "\"0s\"", Some("\"2s\"")),
    ("tariff.output_tokens_per_second", "1001", Some("999")),
    ("tariff.uncached_input_tokens_per_second", "20001", Some("19999")),
    ("tariff.read", "\"1s\"", Some("\"3s\"")),
    ("tariff.write", "\"9s\"", Some("\"11s\"")),
    ("tariff.execute", "\"9s\"", Some("\"11s\"")),
    ("tariff.network", "\"14s\"", Some("\"16s\"")),
    ("tariff.other", "\"4s\"", Some("\"6s\"")),
    ("tariff.spawn", "\"119s\"", Some("\"121s\"")),
    ("tariff.first_touch", "\"1s\"", Some("\"3s\"")),
    ("tariff.new_root", "\"29s\"", Some("\"31s\"")),
    ("tariff.irreversible", "\"4m\"", Some("\"6m\"")),
    ("tariff.repeat_limit", "63", Some("65")),
    ("tariff.failure", "\"29s\"", Some("\"31s\"")),
    ("tariff.failure_limit", "9", Some("11")),
    ("tariff.chain_step_percent", "9", Some("11")),
    ("tariff.chain_limit_percent", "299", Some("301")),
    ("tariff.narrowed_bit", "\"11s\"", Some("\"9s\"")),
    ("tariff.widened_bit", "\"29s\"", Some("\"31s\"")),
    ("forecast.sample", "\"6s\"", None),
    ("forecast.half_life", "\"4m\"", None),
    ("forecast.prior_percent", "100", None),
    ("forecast.prior_samples", "1", None),
    ("forecast.drift_percent", "1", None),
    ("forecast.interval_percent", "50", None),
    ("watch.active_within", "\"1h\"", None),
    ("record.watched", "true", None),
    ("record.keep", "\"1d\"", None),
    ("record.keep_mb", "1", None),
    ("record.redact.aws", NONE, Some("['mine-[a-z]+']")),
    ("shell.\"git push\"", "\"off\"", None),
    (
        "shell.\"curl|wget|http|xh|nc|ncat|telnet|ftp|sftp|ssh|scp|rsync|ping|dig|nslookup|whois\"",
        "\"read\"",
        Some("\"irreversible\""),
    ),
    ("shell.fake-test", "\"verify\"", Some("\"execute\"")),
    ("tools.claude.Bash", "\"read\"", Some("\"irreversible\"")),
    ("tools.claude.WebFetch", "\"ask\"", Some("\"spawn\"")),
    ("tools.claude.Unheard", "\"read\"", Some("\"network\"")),
];

fn text(key: &str, value: &str) -> String {
    format!("{key} = {value}\n")
}

#[test]
fn a_project_can_loosen_no_key() {
    for (key, looser, _) in KEYS.iter().filter(|(_, looser, _)| *looser != NONE) {
        let error = Bench::new().user(BELOW).repo(&text(key, looser)).error();
        assert!(error.contains(&format!("{key} = {looser} would loosen your policy (")), "{key}: {error}");
        assert!(error.contains("; a project may only tighten\n"), "{key}: {error}");
        assert!(error.starts_with(".redkey.toml:1:"), "{key}: {error}");
    }
}

#[test]
fn a_project_can_tighten_what_has_a_tighter_side() {
    for (key, looser, tighter) in KEYS {
        if let Some(tighter) = tighter {
            Bench::new().user(BELOW).repo(&text(key, tighter)).load();
        }
        // What a project may not do, a user may.
        if *looser != NONE {
            Bench::new().user(&text(key, looser)).load();
        }
    }
}

#[test]
fn the_table_of_keys_is_complete() {
    let embedded: Table = toml::from_str(EMBEDDED).expect("the shipped policy");
    let mut keys: Vec<String> = Vec::new();
    for (section, values) in &embedded {
        match (section.as_str(), values) {
            ("shell" | "tools" | "version", _) => {}
            (_, Value::Table(values)) => {
                let plain = values.iter().filter(|(_, value)| !value.is_table());
                keys.extend(plain.map(|(key, _)| format!("{section}.{key}")));
            }
            (section, _) => keys.push(section.to_owned()),
        }
    }
    keys.extend(Meter::ALL.iter().filter(|m| **m != Meter::Clock).map(|m| format!("caps.{}", m.name())));
    for key in keys {
        assert!(KEYS.iter().any(|(known, ..)| *known == key), "{key} has no row in the table of directions");
    }
}

#[test]
fn a_projects_rules_and_globs_may_not_give_more_than_any_run_would_get() {
    let user = "[caps]\nusd = 5\n[[budget.rules]]\nagent = \"codex\"\nbudget = \"2h\"\n";
    for (rule, ok) in [
        ("budget = \"61m\"", true), // Codex gets two hours, which this lowers
        ("agent = \"codex\"\nbudget = \"2h\"", true),
        ("agent = \"codex\"\nbudget = \"121m\"", false),
        ("agent = \"claude\"\nbudget = \"61m\"", false),
        ("agent = \"claude\"\nbudget = \"1h\"", true),
        ("caps = { usd = 6 }", false),
        ("caps = { usd = 5, tools = 1000 }", true),
    ] {
        let bench = Bench::new().user(user).repo(&format!("[[budget.rules]]\n{rule}\n"));
        assert_eq!(load(&bench.sources).is_ok(), ok, "{rule}");
    }
    let bench = Bench::new().repo("[[materiality]]\nglob = \"**\"\npercent = 99\n");
    assert!(bench.error().contains("materiality[0].percent = 99 would loosen your policy (100)"));
}

#[test]
fn every_loosening_is_told_at_once() {
    let error = Bench::new()
        .repo("# ours\n[budget]\ndefault = \"2h\"\n\n[tariff]\nread = \"10s\"\nspawn = \"1s\"\n\n[shell]\n\"make\" = \"verify\"\n")
        .error();
    insta::assert_snapshot!(error);
}
