use super::*;

#[test]
fn what_is_wrong_is_told_with_line_and_caret() {
    let cases = [
        "[budget]\ndefualt = \"30m\"\n",
        "[budget]\nusd = 5\n",
        "[tarif]\nread = \"1s\"\n",
        "colour = true\n",
        "[budget]\ndefault = \"half an hour\"\n",
        "[budget]\ndefault = 30\n",
        "[budget\ndefault = \"30m\"\n",
        "[budget]\ndefault = \"30m\"\ndefault = \"1h\"\n",
        "[caps]\ntools = -1\n",
        "[caps]\ntools = 0\nusd = -2.5\n",
        "[caps]\ntools = 1.5\n",
        "caps = 5\n",
        "[[budget.rules]]\nagent = \"cluade\"\n",
        "[shell]\n\"git push\" = \"irreversable\"\n",
        "[tools.cluade]\nBash = \"execute\"\n",
        "[tools]\nBash = \"execute\"\n",
        "[[materiality]]\nglob = \"**/x\"\n",
        "[[materiality]]\nglob = \"**/[x\"\npercent = 200\n",
        "[[budget.rules]]\nproject = \"~/{a\"\nbudget = \"5m\"\n",
        "[tariff]\nwall_percent = 20_000\nread = \"-1s\"\noutput_tokens_per_second = 0\n",
        "[forecast]\nsample = \"0s\"\nhalf_life = \"1s\"\n",
        "[clock]\ntool_idle_after = \"1s\"\n",
        "[shell]\n\"\" = \"read\"\n",
        "version = 2\n",
        "[budget]\ndefault = \"0s\" # \u{202e}\x0b\n",
    ];
    let mut shown = String::new();
    for case in cases {
        let bench = Bench::new().user(case);
        let error = bench.error().replace(&bench.home().display().to_string(), "HOME");
        shown.push_str(&format!("{error}\n\n"));
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn flags_and_variables_are_named_in_what_is_wrong_with_them() {
    let mut bench = Bench::new();
    bench.sources.env.budget = Some("soon".into());
    bench.sources.flags.caps = vec!["usd=5".into(), "dolars=5".into(), "tools=0".into()];
    insta::assert_snapshot!(bench.error());
}

#[test]
fn a_shell_pattern_that_cannot_be_read_is_shown_in_its_file() {
    let error = Bench::new().user("[shell]\n\"ls\" = \"read\"\n\"git \\\"push\" = \"irreversible\"\n").error();
    assert!(error.starts_with("my-policy.toml:3:1: shell."), "{error}");
    assert!(error.contains("can't be read as a pattern: "), "{error}");
}
