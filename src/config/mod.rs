//! The policy in force: embedded default < user's file < project's files (which may only tighten) < environment <
//! flags.
//!
//! Each text is checked by itself first, so that what is wrong is told with path, line and caret; then the layers are
//! laid on top of each other, checked as a whole and compiled.

mod dirs;
pub mod key;
pub mod layer;
mod merge;
mod overrides;
mod places;
mod problem;
mod sane;
mod suggest;
#[cfg(test)]
mod tests;
mod tighten;
mod wording;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use key::{KeyPath, Step};
use overrides::Overrides;
use toml::{Table, Value};

use crate::domain::policy::{EMBEDDED, Policy};
use crate::domain::rules::{BadPattern, Rules};
use crate::record::format::PolicyRec;

pub use dirs::Dirs;
pub use layer::{Layer, Name};
pub use places::PROJECT_FILE;
pub use problem::{ConfigError, Problem};

/// Where a policy is put together from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The user's file, where it is by default. It need not exist.
    pub user_path: Option<PathBuf>,
    /// Where the person is: a project's file is looked for here and above. `None`: no project has a say.
    pub project_dir: Option<PathBuf>,
    /// What paths are shown relative to, where that is not `project_dir`.
    pub shown_from: Option<PathBuf>,
    pub env: Env,
    pub flags: Flags,
    /// What `~/` in globs means.
    pub home: Option<PathBuf>,
}

/// Environment variables; empty ones count as not set.
#[derive(Clone, Debug, Default)]
pub struct Env {
    /// `REDKEY_POLICY`: the user's file, instead of the default place. Must exist.
    pub policy: Option<PathBuf>,
    /// `REDKEY_BUDGET`.
    pub budget: Option<String>,
}

/// What stands on the command line.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--policy FILE`: the user's file, instead of the default place and `REDKEY_POLICY`. Must exist.
    pub policy: Option<PathBuf>,
    pub budget: Option<String>,
    /// `METER=LIMIT` each.
    pub caps: Vec<String>,
}

/// A policy in force, and how it came about.
#[derive(Debug)]
pub struct Loaded {
    pub rules: Arc<Rules>,
    /// Lowest first.
    pub layers: Vec<Layer>,
    /// What is allowed and probably not meant, in words with a place.
    pub warnings: Vec<Problem>,
    merged: Table,
    overrides: [(Name, Overrides); 2],
}

/// Where a merged value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub layer: Name,
    pub path: String,
    /// `None` for flags and variables.
    pub line: Option<usize>,
}

impl Sources {
    /// Of this process: its directories, its variables, its working directory.
    pub fn from_process(flags: Flags) -> Self {
        let dirs = Dirs::find();
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let env = Env {
            policy: var("REDKEY_POLICY").map(PathBuf::from),
            budget: var("REDKEY_BUDGET").map(|value| value.to_string_lossy().into_owned()),
        };
        Self {
            user_path: dirs.as_ref().map(Dirs::policy),
            project_dir: std::env::current_dir().ok(),
            shown_from: None,
            env,
            flags,
            home: dirs.map(|dirs| dirs.home),
        }
    }

    /// The user's file, and whether it was named and so must exist.
    pub fn user_file(&self) -> Option<(&Path, bool)> {
        let named = self.flags.policy.as_deref().or(self.env.policy.as_deref());
        named.map(|path| (path, true)).or(self.user_path.as_deref().map(|path| (path, false)))
    }

    /// Project files that are looked for, outermost first.
    pub fn project_files(&self) -> Vec<PathBuf> {
        let dirs = self.project_dir.as_deref().map(|dir| places::project_dirs(dir, self.home.as_deref()));
        dirs.unwrap_or_default().into_iter().map(|dir| dir.join(PROJECT_FILE)).collect()
    }

    /// A path as these sources show it.
    pub fn shown(&self, path: &Path) -> String {
        places::shown(path, self.shown_from.as_deref().or(self.project_dir.as_deref()))
    }
}

/// Puts the policy together. The error holds everything that is wrong, as far as it can be known at once.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut problems = Vec::new();
    let mut layers = Vec::new();
    let mut keep = |result: Result<Option<Layer>, Problem>| match result {
        Ok(layer) => layers.extend(layer),
        Err(problem) => problems.push(problem),
    };
    keep(Layer::parse(Name::Embedded, "the policy that redkey ships", EMBEDDED).map(Some));
    if let Some((path, must_exist)) = sources.user_file() {
        keep(read(Name::User, path, &sources.shown(path), must_exist));
    }
    for path in sources.project_files() {
        keep(read(Name::Project, &path, &sources.shown(&path), false));
    }
    let flags = Overrides::new("--budget", sources.flags.budget.as_deref(), &sources.flags.caps);
    let env = match &flags {
        // A flag that is given makes the variable moot, whatever it holds.
        Ok(_) if sources.flags.budget.is_some() => Ok(Overrides::default()),
        _ => Overrides::new("REDKEY_BUDGET", sources.env.budget.as_deref(), &[]),
    };
    let mut given = |result: Result<Overrides, Vec<Problem>>| {
        result.unwrap_or_else(|more| {
            problems.extend(more);
            Overrides::default()
        })
    };
    let overrides = [(Name::Environment, given(env)), (Name::Flags, given(flags))];
    if problems.is_empty() { combine(sources, layers, overrides) } else { Err(ConfigError { problems }) }
}

fn read(name: Name, path: &Path, shown: &str, must_exist: bool) -> Result<Option<Layer>, Problem> {
    match places::read(path, shown, must_exist)? {
        Some(text) => Layer::parse(name, shown, &text).map(Some),
        None if must_exist => Err(Problem::of(shown, "there is no such file")),
        None => Ok(None),
    }
}

fn combine(
    sources: &Sources,
    mut layers: Vec<Layer>,
    overrides: [(Name, Overrides); 2],
) -> Result<Loaded, ConfigError> {
    let mut problems = Vec::new();
    let (mut merged, policy) = merge_files(&layers, &mut problems)?;
    for (path, message) in sane::complaints(&policy) {
        problems.push(locate(&layers, &path, |name| format!("{name} {message}")));
    }
    if !problems.is_empty() {
        problems.sort_by_key(|p| (p.path.clone(), p.place.as_ref().map(|place| (place.line, place.column))));
        return Err(ConfigError { problems });
    }
    for (name, given) in overrides.iter().filter(|(_, given)| !given.is_empty()) {
        given.apply(&mut merged);
        layers.push(given.as_layer(*name)?);
    }
    let mut policy = layer::typed(&merged)?;
    mark_projects(&mut policy, &layers);
    let files: Vec<Layer> = layers.iter().filter(|layer| layer.name <= Name::Project).cloned().collect();
    let mut warnings: Vec<Problem> = sane::warnings(&policy)
        .into_iter()
        .map(|(path, message)| locate(&files, &path, |name| format!("{name} {message}")))
        .collect();
    expand_home(&mut policy, sources.home.as_deref(), |path, message| {
        warnings.push(locate(&files, path, |name| format!("{name} {message}")));
    });
    match Rules::compile(policy) {
        Ok(rules) => Ok(Loaded { rules: Arc::new(rules), layers, warnings, merged, overrides }),
        Err(BadPattern { place, why }) => {
            Err(locate(&files, &KeyPath::of_place(&place), |name| format!("{name} can't be read as a pattern: {why}"))
                .into())
        }
    }
}

/// Lays the files on top of each other, holding each project's to what is below it.
fn merge_files(layers: &[Layer], problems: &mut Vec<Problem>) -> Result<(Table, Policy), Problem> {
    let mut merged = Table::new();
    let mut policy = Policy::default();
    for layer in layers {
        merge::merge(&mut merged, &layer.table, merge::Arrays::of(layer.name));
        let next = layer::typed(&merged)?;
        if layer.name == Name::Project {
            for tighten::Loosening { path, was } in tighten::loosenings(&policy, &next, &layer.policy) {
                let value = value_at(&layer.table, &path).map(key::value_text).unwrap_or_default();
                let message = format!("{path} = {value} would loosen your policy ({was}); a project may only tighten");
                problems.push(layer.problem(&path, message));
            }
        }
        policy = next;
    }
    Ok((merged, policy))
}

/// A problem where the merged value at `path` stands; the words are made from its name in its own file.
fn locate(layers: &[Layer], path: &KeyPath, words: impl Fn(&KeyPath) -> String) -> Problem {
    match merge::origin(layers, path).or_else(|| nearest_origin(layers, path)) {
        Some((layer, local)) => layer.problem(&local, words(&local)),
        None => Problem::of("policy", words(path)),
    }
}

/// For a key that no layer has: the table it would stand in.
fn nearest_origin<'a>(layers: &'a [Layer], path: &KeyPath) -> Option<(&'a Layer, KeyPath)> {
    let parents = (1..path.0.len()).rev().map(|len| KeyPath(path.0[..len].to_vec()));
    parents.into_iter().find_map(|parent| merge::origin(layers, &parent))
}

fn value_at<'a>(table: &'a Table, path: &KeyPath) -> Option<&'a Value> {
    let (Step::Key(first), rest) = path.0.split_first()? else { return None };
    rest.iter().try_fold(table.get(first)?, |value, step| match step {
        Step::Key(name) => value.get(name.as_str()),
        Step::Index(index) => value.get(index),
    })
}

/// A project's rules and globs stand in front, and only tighten.
fn mark_projects(policy: &mut Policy, layers: &[Layer]) {
    let count = |path: &str| -> usize {
        let projects = layers.iter().filter(|layer| layer.name == Name::Project);
        projects.filter_map(|layer| layer.array_len(&KeyPath::of_place(path))).sum()
    };
    for rule in policy.budget.rules.iter_mut().take(count("budget.rules")) {
        rule.tightens = true;
    }
    for rule in policy.materiality.iter_mut().take(count("materiality")) {
        rule.tightens = true;
    }
}

/// `~/` in globs becomes the home directory, its own characters taken literally.
fn expand_home(policy: &mut Policy, home: Option<&Path>, mut warn: impl FnMut(&KeyPath, &str)) {
    let home = home.map(|home| globset::escape(home.to_string_lossy().trim_end_matches('/')));
    let mut expand = |glob: &mut String, place: String| {
        let Some(rest) = glob.strip_prefix("~/") else { return };
        match &home {
            Some(home) => *glob = format!("{home}/{rest}"),
            None => warn(&KeyPath::of_place(&place), "matches nothing: no home directory is known"),
        }
    };
    for (i, rule) in policy.budget.rules.iter_mut().enumerate() {
        if let Some(glob) = &mut rule.project {
            expand(glob, format!("budget.rules[{i}].project"));
        }
    }
    for (i, rule) in policy.materiality.iter_mut().enumerate() {
        expand(&mut rule.glob, format!("materiality[{i}].glob"));
    }
}

impl Loaded {
    /// The merged policy, as TOML has it.
    pub fn merged(&self) -> &Table {
        &self.merged
    }

    /// The policy as a recording holds it: everything but what is about recordings, globs as they are compiled.
    pub fn recorded(&self) -> PolicyRec {
        let mut table = self.merged.clone();
        table.remove("record");
        let policy = &self.rules.policy;
        let set = |list: Option<&mut Value>, key: &str, globs: Vec<Option<&str>>| {
            let items = list.and_then(Value::as_array_mut).into_iter().flatten();
            for (item, glob) in items.zip(globs) {
                if let (Some(item), Some(glob)) = (item.as_table_mut(), glob) {
                    item.insert(key.to_owned(), Value::String(glob.to_owned()));
                }
            }
        };
        let projects = policy.budget.rules.iter().map(|rule| rule.project.as_deref()).collect();
        set(table.get_mut("budget").and_then(|budget| budget.get_mut("rules")), "project", projects);
        let globs = policy.materiality.iter().map(|rule| Some(rule.glob.as_str())).collect();
        set(table.get_mut("materiality"), "glob", globs);
        PolicyRec {
            toml: table.to_string().into(),
            project_rules: policy.budget.rules.iter().filter(|rule| rule.tightens).count(),
            project_globs: policy.materiality.iter().filter(|rule| rule.tightens).count(),
        }
    }

    /// Where a merged value comes from.
    pub fn origin(&self, path: &KeyPath) -> Option<Origin> {
        if let Some((name, _)) = self.overrides.iter().rev().find(|(_, given)| given.covers(path)) {
            let layer = self.layers.iter().find(|layer| layer.name == *name)?;
            return Some(Origin { layer: *name, path: layer.path.clone(), line: None });
        }
        let files = self.files();
        let (layer, local) = merge::origin(files, path).or_else(|| nearest_origin(files, path))?;
        Some(Origin { layer: layer.name, path: layer.path.clone(), line: Some(layer.line(&local)) })
    }

    /// The value that redkey ships for `path`.
    pub fn shipped(&self, path: &KeyPath) -> Option<&Value> {
        value_at(&self.layers.first()?.table, path)
    }

    /// Layers that are files, and the embedded one.
    fn files(&self) -> &[Layer] {
        let end = self.layers.iter().position(|layer| layer.name > Name::Project).unwrap_or(self.layers.len());
        &self.layers[..end]
    }

    /// Names of a merged table in the order in which their authors wrote them, the shipped ones first.
    pub fn in_order<'a>(&self, at: &KeyPath, table: &'a Table) -> Vec<&'a str> {
        let mut names: Vec<(usize, usize, &str)> = Vec::new();
        for name in table.keys() {
            let path = at.clone().key(name);
            let first = self.layers.iter().enumerate().find(|(_, layer)| layer.has(&path));
            let (index, start) = first.map_or((usize::MAX, 0), |(i, layer)| (i, layer.span(&path).start));
            names.push((index, start, name));
        }
        names.sort_unstable();
        names.into_iter().map(|(_, _, name)| name).collect()
    }
}
