use super::*;

/// The page that explains the policy says what the shipped policy says.
#[test]
fn the_pages_table_of_prices_is_the_shipped_one() {
    let page = include_str!("../../../assets/POLICY.md");
    let embedded: Table = toml::from_str(EMBEDDED).expect("the shipped policy");
    for section in ["clock", "stop", "tariff", "forecast"] {
        for (name, value) in embedded[section].as_table().expect("a table") {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let row = format!("| `{name}` | `{value}` |");
            assert!(page.contains(&row), "assets/POLICY.md has no row {row}");
        }
    }
}

#[test]
fn the_pages_examples_are_valid() {
    let page = include_str!("../../../assets/POLICY.md");
    let mut found = 0;
    for block in page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        found += 1;
        let bench =
            if block.starts_with("# .redkey.toml") { Bench::new().repo(block) } else { Bench::new().user(block) };
        assert_eq!(bench.load().warnings, [], "{block}");
    }
    assert!(found >= 5, "{found} examples");
}
