//! `redkey policy show`: the merged policy with the origin of what differs from the shipped one, or one layer as it is.

use std::io::{self, Write};

use serde_json::{Map, json};
use toml::{Table, Value};

use super::line;
use crate::cli::LayerArg;
use crate::config::key::{KeyPath, key_text, value_text};
use crate::config::{Loaded, Name};
use crate::domain::text::Text;

/// Column at which remarks begin, where the line leaves room.
const REMARK: usize = 44;

/// Prints a policy as TOML, or as JSON.
pub fn show(loaded: &Loaded, what: LayerArg, json: bool, out: &mut dyn Write) -> io::Result<()> {
    let name = match what {
        LayerArg::Merged if json => return merged_json(loaded, out),
        LayerArg::Merged => return merged(loaded, out),
        LayerArg::Embedded => Name::Embedded,
        LayerArg::User => Name::User,
        LayerArg::Project => Name::Project,
    };
    let layers: Vec<_> = loaded.layers.iter().filter(|layer| layer.name == name).collect();
    if json {
        let layers: Vec<_> = layers
            .iter()
            .map(|layer| {
                let policy = toml::from_str::<Table>(&layer.text).unwrap_or_default();
                json!({ "layer": layer.name, "path": clean_json(&layer.path), "policy": table_json(&policy) })
            })
            .collect();
        return writeln!(out, "{}", serde_json::to_string_pretty(&layers)?);
    }
    if layers.is_empty() {
        return line(out, &format!("# There is no {} policy. `redkey policy path` says where one goes.", name.name()));
    }
    for layer in layers {
        line(out, &format!("# {}: {}", layer.name.name(), layer.path))?;
        for text in layer.text.lines() {
            line(out, text)?;
        }
    }
    Ok(())
}

fn merged(loaded: &Loaded, out: &mut dyn Write) -> io::Result<()> {
    line(out, "# The policy in force. Values without a remark are what redkey ships.")?;
    for layer in loaded.layers.iter().filter(|layer| layer.name != Name::Embedded) {
        line(out, &format!("# {}: {}", layer.name.name(), layer.path))?;
    }
    table(loaded, &KeyPath::default(), loaded.merged(), out)
}

/// Plain values first, then lists of tables, then tables: the order that TOML asks for.
fn table(loaded: &Loaded, at: &KeyPath, table: &Table, out: &mut dyn Write) -> io::Result<()> {
    let names = loaded.in_order(at, table);
    let rank = |value: &Value| match value {
        Value::Table(_) => 2,
        value if is_list_of_tables(value) => 1,
        _ => 0,
    };
    for wanted in 0..3 {
        for name in &names {
            let Some(value) = table.get(*name).filter(|value| rank(value) == wanted) else { continue };
            let path = at.clone().key(name);
            match value {
                Value::Table(inner) => {
                    // A table of nothing but tables needs no line of its own.
                    if inner.is_empty() || inner.values().any(|v| !v.is_table()) {
                        line(out, "")?;
                        line(out, &format!("[{path}]"))?;
                    }
                    self::table(loaded, &path, inner, out)?;
                }
                Value::Array(items) if wanted == 1 => list(loaded, &path, items, out)?,
                value => pair(loaded, &path, name, value, out)?,
            }
        }
    }
    Ok(())
}

fn is_list_of_tables(value: &Value) -> bool {
    value.as_array().is_some_and(|items| !items.is_empty() && items.iter().all(Value::is_table))
}

fn list(loaded: &Loaded, path: &KeyPath, items: &[Value], out: &mut dyn Write) -> io::Result<()> {
    for (i, item) in items.iter().enumerate() {
        let path = path.clone().index(i);
        line(out, "")?;
        remarked(out, &format!("[[{}]]", KeyPath(path.0[..path.0.len() - 1].to_vec())), &remark(loaded, &path))?;
        for (name, value) in item.as_table().into_iter().flatten() {
            line(out, &format!("{} = {}", key_text(name), value_text(value)))?;
        }
    }
    Ok(())
}

fn pair(loaded: &Loaded, path: &KeyPath, name: &str, value: &Value, out: &mut dyn Write) -> io::Result<()> {
    let shipped = loaded.shipped(path);
    let mut note = if shipped == Some(value) { String::new() } else { remark(loaded, path) };
    if let Some(shipped) = shipped.filter(|_| !note.is_empty()) {
        note.push_str(&format!("; shipped: {}", value_text(shipped)));
    }
    remarked(out, &format!("{} = {}", key_text(name), value_text(value)), &note)
}

/// `user, policy.toml:12`; nothing for what is shipped.
fn remark(loaded: &Loaded, path: &KeyPath) -> String {
    match loaded.origin(path) {
        Some(origin) if origin.layer == Name::Embedded => String::new(),
        Some(origin) => match origin.line {
            Some(line) => format!("{}, {}:{line}", origin.layer.name(), origin.path),
            None => format!("{}, {}", origin.layer.name(), origin.path),
        },
        None => String::new(),
    }
}

fn remarked(out: &mut dyn Write, text: &str, remark: &str) -> io::Result<()> {
    if remark.is_empty() { line(out, text) } else { line(out, &format!("{text:<REMARK$}  # {remark}")) }
}

/// `policy`, the merged values; `origins`, by dotted key, of those that are not what redkey ships; `layers`.
fn merged_json(loaded: &Loaded, out: &mut dyn Write) -> io::Result<()> {
    let mut origins = Map::new();
    collect_origins(loaded, &KeyPath::default(), &Value::Table(loaded.merged().clone()), &mut origins);
    let layers: Vec<_> =
        loaded.layers.iter().map(|l| json!({ "layer": l.name, "path": clean_json(&l.path) })).collect();
    let whole = json!({ "policy": table_json(loaded.merged()), "origins": origins, "layers": layers });
    writeln!(out, "{}", serde_json::to_string_pretty(&whole)?)
}

fn collect_origins(loaded: &Loaded, at: &KeyPath, value: &Value, found: &mut Map<String, serde_json::Value>) {
    match value {
        Value::Table(table) => {
            for (name, value) in table {
                collect_origins(loaded, &at.clone().key(name), value, found);
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                collect_origins(loaded, &at.clone().index(i), item, found);
            }
        }
        value if loaded.shipped(at) == Some(value) => {}
        _ => {
            if let Some(origin) = loaded.origin(at) {
                let origin = json!({ "layer": origin.layer, "path": clean_json(&origin.path), "line": origin.line });
                found.insert(clean_json(&at.to_string()), origin);
            }
        }
    }
}

fn table_json(table: &Table) -> serde_json::Value {
    let pairs = table.iter().map(|(name, value)| (clean_json(name), value_json(value)));
    serde_json::Value::Object(pairs.collect())
}

fn value_json(value: &Value) -> serde_json::Value {
    match value {
        Value::String(text) => clean_json(text).into(),
        Value::Integer(n) => (*n).into(),
        Value::Float(n) => (*n).into(),
        Value::Boolean(b) => (*b).into(),
        Value::Datetime(at) => at.to_string().into(),
        Value::Array(items) => items.iter().map(value_json).collect(),
        Value::Table(table) => table_json(table),
    }
}

/// JSON escapes control characters, but not those that reorder or hide text.
fn clean_json(text: &str) -> String {
    Text::limited(text, 4_096).as_str().to_owned()
}
