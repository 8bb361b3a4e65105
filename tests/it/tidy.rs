//! What must hold of the source itself.

use std::path::{Path, PathBuf};

/// Rooms that know neither the outside world nor its clocks.
const PURE: [&str; 32] = [
    "src/domain",
    "src/backtest",
    "src/store/like.rs",
    "src/store/row.rs",
    "src/adapters",
    "src/engine",
    "src/control/words.rs",
    "src/control/ladder.rs",
    "src/control/protocol.rs",
    "src/control/gates.rs",
    "src/control/meter/decide.rs",
    "src/control/meter/total.rs",
    "src/control/meter/suspects.rs",
    "src/replay",
    "src/report.rs",
    "src/export/mod.rs",
    "src/export/walk.rs",
    "src/export/csv.rs",
    "src/export/html",
    "src/demo.rs",
    "src/sources/decode.rs",
    "src/sources/lines.rs",
    "src/control/hook/settings",
    "src/control/hook/answer.rs",
    "src/control/hook/call.rs",
    "src/record/convert",
    "src/record/convert.rs",
    "src/record/format",
    "src/record/format.rs",
    "src/record/redact",
    "src/record/redact.rs",
    "src/record/tape.rs",
];
const FORBIDDEN: [&str; 12] = [
    "tokio",
    "ratatui",
    "crossterm",
    "std::fs",
    "std::process",
    "std::net",
    "std::thread",
    "SystemTime",
    "Instant",
    "chrono::Local",
    "chrono::Utc",
    "rusqlite",
];

fn rust_files(path: &Path, into: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("a directory") {
            rust_files(&entry.expect("an entry").path(), into);
        }
    } else if path.extension().is_some_and(|e| e == "rs") {
        into.push(path.to_owned());
    }
}

/// The part of a file before its tests.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

#[test]
fn pure_rooms_stay_pure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    PURE.iter().map(|p| root.join(p)).filter(|p| p.exists()).for_each(|p| rust_files(&p, &mut files));
    assert!(files.len() > 20, "the rooms have moved: {files:?}");
    let mut found = Vec::new();
    for file in files {
        let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if matches!(name, "tests.rs" | "testkit.rs") || file.components().any(|c| c.as_os_str() == "tests") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a source file");
        for (number, line) in product(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in FORBIDDEN {
                if code.contains(word) {
                    found.push(format!("{}:{}: {word}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "pure modules name the outside world:\n{}", found.join("\n"));
}

#[test]
fn nothing_is_left_open() {
    let mut files = Vec::new();
    rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source file");
        for word in ["todo!(", "unimplemented!(", "dbg!(", "FIXME"] {
            assert!(!text.contains(word), "{} has {word}", file.display());
        }
    }
}
