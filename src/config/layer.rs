//! One policy text: read, checked by itself, with the place of every key in it.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::{KeyPath, Step};
use super::problem::Problem;
use super::wording;
use crate::domain::policy::Policy;

/// Where a layer comes from. Later ones go before earlier ones; a project may only tighten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    Embedded,
    User,
    Project,
    Environment,
    Flags,
}

impl Name {
    pub fn name(self) -> &'static str {
        match self {
            Name::Embedded => "embedded",
            Name::User => "user",
            Name::Project => "project",
            Name::Environment => "environment",
            Name::Flags => "flags",
        }
    }
}

/// A policy text and what stands in it.
#[derive(Clone, Debug)]
pub struct Layer {
    pub name: Name,
    /// As shown to people; for flags and variables their names.
    pub path: String,
    pub text: String,
    pub(super) table: toml::Table,
    pub(super) policy: Policy,
    root: Node,
}

/// Where a key and its value stand, in bytes, and what is inside.
#[derive(Clone, Debug, Default)]
struct Node {
    key: Range<usize>,
    value: Range<usize>,
    inside: Inside,
}

#[derive(Clone, Debug, Default)]
enum Inside {
    #[default]
    Nothing,
    Table(BTreeMap<String, Node>),
    Array(Vec<Node>),
}

impl Layer {
    /// Reads a text by itself: its syntax, its keys, its types.
    pub fn parse(name: Name, path: &str, text: &str) -> Result<Self, Problem> {
        let root = {
            let spanned = DeTable::parse(text).map_err(|error| problem(path, text, &error))?;
            Node { key: 0..0, value: spanned.span(), inside: Inside::Table(children(spanned.get_ref())) }
        };
        let policy = toml::from_str(text).map_err(|error| problem(path, text, &error))?;
        let table = toml::from_str(text).map_err(|error| problem(path, text, &error))?;
        let layer = Self { name, path: path.into(), text: text.into(), table, policy, root };
        layer.complete()?;
        Ok(layer)
    }

    /// Keys whose absence would silently mean something else than what was meant.
    fn complete(&self) -> Result<(), Problem> {
        let missing = |list: KeyPath, wanted: &[&str]| -> Option<(KeyPath, String)> {
            let Inside::Array(items) = &self.node(&list)?.inside else { return None };
            items.iter().enumerate().find_map(|(i, item)| {
                let Inside::Table(keys) = &item.inside else { return None };
                let name = wanted.iter().find(|name| !keys.contains_key(**name))?;
                Some((list.clone().index(i), format!("`{name}` is missing")))
            })
        };
        match missing(KeyPath::default().key("materiality"), &["glob", "percent"]) {
            Some((path, message)) => Err(self.problem(&path, message)),
            None => Ok(()),
        }
    }

    fn node(&self, path: &KeyPath) -> Option<&Node> {
        path.0.iter().try_fold(&self.root, |node, step| node.child(step))
    }

    pub(super) fn has(&self, path: &KeyPath) -> bool {
        self.node(path).is_some()
    }

    /// Length of the array at `path`, if there is one.
    pub(super) fn array_len(&self, path: &KeyPath) -> Option<usize> {
        match &self.node(path)?.inside {
            Inside::Array(items) => Some(items.len()),
            _ => None,
        }
    }

    /// Bytes of the key and its value, or of what is nearest above it.
    pub(super) fn span(&self, path: &KeyPath) -> Range<usize> {
        let mut node = &self.root;
        for step in &path.0 {
            match node.child(step) {
                Some(child) => node = child,
                None => break,
            }
        }
        let (start, end) = (node.key.start, node.value.end);
        if node.key.is_empty() || end < start { node.value.clone() } else { start..end }
    }

    /// Line of a key, from 1.
    pub fn line(&self, path: &KeyPath) -> usize {
        let start = self.span(path).start.min(self.text.len());
        self.text.as_bytes()[..start].iter().filter(|b| **b == b'\n').count() + 1
    }

    pub(super) fn problem(&self, path: &KeyPath, message: impl Into<String>) -> Problem {
        Problem::at(&self.path, &self.text, self.span(path), message)
    }
}

impl Node {
    fn child(&self, step: &Step) -> Option<&Node> {
        match (&self.inside, step) {
            (Inside::Table(keys), Step::Key(name)) => keys.get(name),
            (Inside::Array(items), Step::Index(index)) => items.get(*index),
            _ => None,
        }
    }

    fn new(key: Range<usize>, value: &Spanned<DeValue<'_>>) -> Self {
        let inside = match value.get_ref() {
            DeValue::Table(table) => Inside::Table(children(table)),
            DeValue::Array(items) => Inside::Array(items.iter().map(|item| Node::new(0..0, item)).collect()),
            _ => Inside::Nothing,
        };
        Self { key, value: value.span(), inside }
    }
}

fn children(table: &DeTable<'_>) -> BTreeMap<String, Node> {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), Node::new(key.span(), value))).collect()
}

fn problem(path: &str, text: &str, error: &toml::de::Error) -> Problem {
    let message = wording::of(error.message());
    match error.span() {
        Some(span) => Problem::at(path, text, span, message),
        None => Problem::of(path, message),
    }
}

/// The typed form of a table that is made of layers which are each valid by themselves.
pub(super) fn typed(table: &toml::Table) -> Result<Policy, Problem> {
    Policy::deserialize(table.clone()).map_err(|error| Problem::of("policy", wording::of(error.message())))
}
