//! Layers on top of each other, and which of them a merged value came from.

use toml::{Table, Value};

use super::key::{KeyPath, Step};
use super::layer::{Layer, Name};

/// What an array does to the one below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrays {
    Replace,
    /// A project's rules are asked before the user's.
    InFront,
}

impl Arrays {
    pub fn of(layer: Name) -> Self {
        if layer == Name::Project { Arrays::InFront } else { Arrays::Replace }
    }
}

/// Lays `over` on `base`: tables merge, everything else replaces.
pub fn merge(base: &mut Table, over: &Table, arrays: Arrays) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above, arrays),
            (Some(Value::Array(below)), Value::Array(above)) if arrays == Arrays::InFront => {
                below.splice(0..0, above.iter().cloned());
            }
            (Some(below), above) => *below = above.clone(),
            (None, above) => {
                base.insert(key.clone(), above.clone());
            }
        }
    }
}

/// The layer that a merged value came from, and where it stands there.
pub fn origin<'a>(layers: &'a [Layer], path: &KeyPath) -> Option<(&'a Layer, KeyPath)> {
    let Some(at) = path.0.iter().position(|step| matches!(step, Step::Index(_))) else {
        return layers.iter().rev().find(|layer| layer.has(path)).map(|layer| (layer, path.clone()));
    };
    let array = KeyPath(path.0[..at].to_vec());
    let Some(Step::Index(index)) = path.0.get(at) else { return None };
    let (layer, local) = owner(layers, &array, *index)?;
    let rest = path.0[at + 1..].iter().cloned();
    Some((layer, KeyPath(array.index(local).0.into_iter().chain(rest).collect())))
}

/// Which layer's array holds the merged array's item `index`, and its index there.
fn owner<'a>(layers: &'a [Layer], array: &KeyPath, index: usize) -> Option<(&'a Layer, usize)> {
    let mut parts: Vec<(&Layer, usize)> = Vec::new();
    for layer in layers {
        let Some(len) = layer.array_len(array) else { continue };
        match Arrays::of(layer.name) {
            Arrays::InFront => parts.insert(0, (layer, len)),
            Arrays::Replace => parts = vec![(layer, len)],
        }
    }
    let mut left = index;
    for (layer, len) in parts {
        if left < len {
            return Some((layer, left));
        }
        left -= len;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: Name, text: &str) -> Layer {
        Layer::parse(name, name.name(), text).expect("a valid policy")
    }

    #[test]
    fn arrays_know_whose_their_items_are() {
        let layers = [
            layer(Name::Embedded, "[budget]\ndefault = \"30m\"\n[[budget.rules]]\nlabel = \"gone\"\n"),
            layer(Name::User, "[[budget.rules]]\nlabel = \"u0\"\n[[budget.rules]]\nlabel = \"u1\"\n"),
            layer(Name::Project, "[[budget.rules]]\nlabel = \"outer\"\n"),
            layer(Name::Project, "[[budget.rules]]\nlabel = \"i0\"\n[[budget.rules]]\nlabel = \"i1\"\n"),
        ];
        let mut merged = Table::new();
        for layer in &layers {
            merge(&mut merged, &layer.table, Arrays::of(layer.name));
        }
        let rules = merged["budget"]["rules"].as_array().expect("rules").clone();
        let labels: Vec<_> = rules.iter().map(|rule| rule["label"].as_str().unwrap_or("")).collect();
        assert_eq!(labels, ["i0", "i1", "outer", "u0", "u1"]);
        for (i, label) in labels.iter().enumerate() {
            let path = KeyPath::of_place(&format!("budget.rules[{i}].label"));
            let (layer, local) = origin(&layers, &path).expect("has an origin");
            assert!(layer.text[layer.span(&local)].contains(label), "{label}");
        }
        assert!(origin(&layers, &KeyPath::of_place("budget.rules[5].label")).is_none());
        let (from, _) = origin(&layers, &KeyPath::of_place("budget.default")).expect("has an origin");
        assert_eq!(from.name, Name::Embedded);
    }
}
