use super::*;
use crate::domain::event::Agent;
use crate::domain::policy::{Caps, ShellClass};
use crate::domain::time::Span;

#[test]
fn the_shipped_policy_is_sane_and_every_pattern_in_it_compiles() {
    let loaded = load(&Sources::default()).expect("the shipped policy");
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.layers.len(), 1);
    assert!(loaded.rules.policy.shell.len() > 60);
}

#[test]
fn each_layer_goes_before_the_one_below() {
    let default = |bench: &Bench| bench.load().rules.policy.budget.default;
    let mut bench = Bench::new();
    assert_eq!(default(&bench), Span::mins(60));
    bench = bench.user("[budget]\ndefault = \"2h\"\n");
    assert_eq!(default(&bench), Span::mins(120));
    bench = bench.repo("[budget]\ndefault = \"30m\"\n");
    assert_eq!(default(&bench), Span::mins(30));
    bench.sources.env.budget = Some("3h".into());
    assert_eq!(default(&bench), Span::mins(180));
    bench.sources.flags.budget = Some("4h".into());
    assert_eq!(default(&bench), Span::mins(240));
    let names: Vec<_> = bench.load().layers.iter().map(|layer| layer.name).collect();
    assert_eq!(names, [Name::Embedded, Name::User, Name::Project, Name::Flags], "a flag makes the variable moot");
}

#[test]
fn a_named_policy_stands_in_for_the_users_own() {
    let mut bench =
        Bench::new().user("[budget]\ndefault = \"1h\"\n").file("other.toml", "[budget]\ndefault = \"2h\"\n");
    let _ = std::fs::write(bench.project().join("third.toml"), "[budget]\ndefault = \"3h\"\n");
    bench.sources.env.policy = Some(bench.project().join("other.toml"));
    assert_eq!(bench.load().rules.policy.budget.default, Span::mins(120));
    bench.sources.flags.policy = Some(bench.project().join("third.toml"));
    assert_eq!(bench.load().rules.policy.budget.default, Span::mins(180));
    bench.sources.flags.policy = Some(bench.project().join("absent.toml"));
    assert_eq!(bench.error(), "absent.toml: there is no such file");
}

#[test]
fn tables_merge_and_a_users_lists_replace() {
    let bench = Bench::new().user(
        "[tariff]\nread = \"3s\"\n[shell]\n\"git push\" = \"network\"\n\"just deploy\" = \"irreversible\"\n\
         [tools.claude]\nBash = \"other\"\n[caps]\nusd = 5\n",
    );
    let policy = &bench.load().rules.policy;
    assert_eq!((policy.tariff.read, policy.tariff.write), (Span::secs(3), Span::secs(10)));
    assert_eq!(policy.shell["git push"], ShellClass::Network);
    assert!(policy.shell.contains_key("just deploy") && policy.shell.contains_key("npm|pnpm|yarn|bun test"));
    assert!(policy.tools["claude"].contains_key("Read") && policy.tools.contains_key("codex"));
    assert_eq!(policy.caps.usd, Some(5.0));
}

#[test]
fn a_projects_rules_lower_what_the_users_give_and_never_raise_it() {
    let bench = Bench::new()
        .user(
            "[[budget.rules]]\nagent = \"codex\"\nbudget = \"10m\"\ncaps = { usd = 2 }\n\
             [[budget.rules]]\nagent = \"claude\"\nbudget = \"1h\"\n",
        )
        .repo("[[budget.rules]]\nbudget = \"20m\"\ncaps = { usd = 3, tools = 50 }\n");
    let rules = bench.load().rules;
    let given = |agent| rules.allowance(agent, "/x", "");
    let caps = |usd| Caps { usd: Some(usd), tools: Some(50), ..Caps::default() };
    let codex = given(Agent::Codex);
    assert_eq!((codex.clock, codex.caps, codex.because.as_str()), (Span::mins(10), caps(2.0), "budget.rules[1]"));
    let claude = given(Agent::Claude);
    assert_eq!((claude.clock, claude.caps, claude.because.as_str()), (Span::mins(20), caps(3.0), "budget.rules[0]"));
    assert_eq!(given(Agent::Pi).clock, Span::mins(20));
}

#[test]
fn a_projects_materiality_raises_what_the_users_says_and_never_lowers_it() {
    let bench = Bench::new()
        .user("[[materiality]]\nglob = \"**/db/**\"\npercent = 300\n[[materiality]]\nglob = \"**/tmp/**\"\npercent = 50\n")
        .repo("[[materiality]]\nglob = \"**\"\npercent = 150\n");
    let rules = bench.load().rules;
    let of = |path: &str| rules.materiality(&[path.to_owned()], &[]);
    assert_eq!((of("/x/db/y"), of("/x/tmp/y"), of("/x/z")), (300, 150, 150));
}

#[test]
fn an_inner_projects_file_does_not_undo_an_outer_ones() {
    let mut bench = Bench::new().repo("[budget]\ndefault = \"10m\"\n[[budget.rules]]\nbudget = \"9m\"\n");
    let inner = bench.project().join("crates/core");
    std::fs::create_dir_all(&inner).expect("made");
    bench.sources.project_dir = Some(inner.clone());
    std::fs::write(inner.join(PROJECT_FILE), "[[budget.rules]]\nagent = \"pi\"\nbudget = \"5m\"\n").expect("written");
    let rules = bench.load().rules;
    assert_eq!(rules.allowance(Agent::Pi, "/x", "").clock, Span::mins(5));
    assert_eq!(rules.allowance(Agent::Qwen, "/x", "").clock, Span::mins(9));
    std::fs::write(inner.join(PROJECT_FILE), "[budget]\ndefault = \"20m\"\n").expect("written");
    assert!(bench.error().contains("would loosen your policy (10m)"), "{}", bench.error());
}

#[test]
fn flags_win_over_rules_too() {
    let mut bench = Bench::new()
        .user("[[budget.rules]]\nagent = \"codex\"\nbudget = \"10m\"\ncaps = { usd = 2, turns = 9 }\n")
        .repo("[[budget.rules]]\nbudget = \"5m\"\ncaps = { usd = 1 }\n");
    bench.sources.flags.budget = Some("2h".into());
    bench.sources.flags.caps = vec!["usd=7".into(), "wall=1h".into()];
    let given = bench.load().rules.allowance(Agent::Codex, "/x", "");
    assert_eq!(given.clock, Span::mins(120));
    let want = Caps { usd: Some(7.0), turns: Some(9), wall: Some(Span::mins(60)), ..Caps::default() };
    assert_eq!(given.caps, want);
}

#[test]
fn a_tilde_is_the_home_directory_and_its_own_letters_are_no_pattern() {
    let mut bench = Bench::new().user("[[budget.rules]]\nproject = \"~/infra/**\"\nbudget = \"1m\"\n");
    bench.sources.home = Some("/home/[me]*".into());
    bench.sources.project_dir = None;
    let rules = bench.load().rules;
    let clock = |cwd: &str| rules.allowance(Agent::Pi, cwd, "").clock;
    assert_eq!(clock("/home/[me]*/infra/x"), Span::mins(1));
    assert_eq!(clock("/home/m/infra/x"), Span::mins(60));
    bench.sources.home = None;
    assert_eq!(bench.load().warnings.len(), 1);
}

#[test]
fn origins_name_layer_and_line() {
    let mut bench = Bench::new()
        .user("[tariff]\nread = \"3s\"\n[[budget.rules]]\nbudget = \"1m\"\ncaps = { usd = 3 }\n")
        .repo("[[budget.rules]]\nagent = \"pi\"\nbudget = \"30s\"\n");
    bench.sources.flags.caps = vec!["usd=2".into()];
    let loaded = bench.load();
    let origin = |place: &str| {
        let origin = loaded.origin(&KeyPath::of_place(place)).expect("has an origin");
        (origin.layer, origin.path, origin.line)
    };
    assert_eq!(origin("tariff.read"), (Name::User, "my-policy.toml".into(), Some(2)));
    assert_eq!(origin("tariff.write").0, Name::Embedded);
    assert_eq!(origin("budget.rules[0]"), (Name::Project, PROJECT_FILE.into(), Some(1)));
    assert_eq!(origin("budget.rules[1].budget"), (Name::User, "my-policy.toml".into(), Some(4)));
    assert_eq!(origin("budget.rules[1].caps.usd"), (Name::Flags, "--cap".into(), None));
    assert_eq!(origin("caps.usd").0, Name::Flags);
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let bench = Bench::new()
        .user("[[budget.rules]]\nbudget = \"1m\"\n[[budget.rules]]\nagent = \"pi\"\n[shell]\n\"./x y\" = \"read\"\n");
    let warnings: Vec<String> = bench.load().warnings.iter().map(|w| w.message.clone()).collect();
    assert_eq!(
        warnings,
        [
            "budget.rules[1] gives neither a budget nor a cap",
            "budget.rules[1] is never asked: budget.rules[0] matches every run",
            "shell.\"./x y\" matches nothing: write the program without its directory",
        ]
    );
}
