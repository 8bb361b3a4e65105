//! A policy compiled for use: which budget a run gets, what a tool call counts as, what a target is worth.

mod gate;
mod here;

use std::collections::HashMap;

use globset::{GlobBuilder, GlobMatcher};

use super::event::Agent;
use super::policy::{Caps, Policy, ShellClass, ToolClass};
use super::shell::{self, Pattern, Simple};
use super::statement::Rule;
use super::target;
use super::text::Text;
use super::time::Span;
use super::tool::ToolInput;
use here::Here;

/// Ready-to-use rules. Made once per policy.
#[derive(Debug)]
pub struct Rules {
    pub policy: Policy,
    shell: ShellTable,
    tools: HashMap<String, ToolTable>,
    materiality: Vec<(GlobMatcher, u16, bool)>,
    projects: Vec<Option<GlobMatcher>>,
    gates: Vec<(Pattern, bool)>,
}

/// Patterns by the program they are about, so that a command meets only its own.
#[derive(Debug, Default)]
struct ShellTable {
    patterns: Vec<(Pattern, ShellClass)>,
    by_program: HashMap<String, Vec<usize>>,
    any_program: Vec<usize>,
}

#[derive(Debug, Default)]
struct ToolTable {
    exact: HashMap<String, ToolClass>,
    globs: Vec<(GlobMatcher, ToolClass)>,
}

/// What a tool call counts as.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// The rule that prices it.
    pub rule: Rule,
    /// When it succeeds, the work so far counts as verified.
    pub verifies: bool,
    /// The run stands still until a person answers.
    pub asks: bool,
    /// Files touched, normalised.
    pub paths: Vec<String>,
    /// Hosts reached.
    pub hosts: Vec<String>,
    /// The policy line that decided, for explanations.
    pub because: Option<String>,
}

impl Class {
    /// Changes something that a later reader relies on: lengthens the unverified chain.
    pub fn is_consequential(&self) -> bool {
        match self.rule {
            Rule::Irreversible => true,
            Rule::Write | Rule::Execute => !self.verifies,
            _ => false,
        }
    }
}

/// The budget a run starts with, and which rule gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct Allowance {
    pub clock: Span,
    pub caps: Caps,
    pub because: String,
}

impl Allowance {
    /// Did a rule that is about this run give it, and not the default?
    pub fn is_by_rule(&self) -> bool {
        self.because.starts_with("budget.rules")
    }
}

/// A pattern or glob in a policy that can't be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct BadPattern {
    /// Dotted path of the key, as in `shell."git push"`.
    pub place: String,
    pub why: String,
}

impl Rules {
    /// Compiles; the first pattern that can't be is the error.
    pub fn compile(policy: Policy) -> Result<Self, BadPattern> {
        let shell = ShellTable::compile(&policy)?;
        let mut tools = HashMap::new();
        for (agent, table) in &policy.tools {
            tools.insert(agent.clone(), ToolTable::compile(agent, table)?);
        }
        let mut materiality = Vec::new();
        for (i, rule) in policy.materiality.iter().enumerate() {
            let glob = path_glob(&rule.glob, &format!("materiality[{i}].glob"))?;
            materiality.push((glob, u16::try_from(rule.percent).unwrap_or(u16::MAX), rule.tightens));
        }
        let mut projects = Vec::new();
        for (i, rule) in policy.budget.rules.iter().enumerate() {
            let place = format!("budget.rules[{i}].project");
            projects.push(rule.project.as_deref().map(|glob| path_glob(glob, &place)).transpose()?);
        }
        let gates = gate::compile(&policy)?;
        Ok(Self { policy, shell, tools, materiality, projects, gates })
    }

    /// Clock and caps for a run, by the first rule that matches; then a project's rules lower them.
    pub fn allowance(&self, agent: Agent, cwd: &str, label: &str) -> Allowance {
        let budget = &self.policy.budget;
        let matching = |tightens: bool| {
            let rules = budget.rules.iter().enumerate().filter(move |(_, rule)| rule.tightens == tightens);
            rules.filter(|(i, _)| self.mismatch(*i, agent, cwd, label).is_none())
        };
        let mut given = match matching(false).next() {
            Some((i, rule)) => Allowance {
                clock: rule.budget.unwrap_or(budget.default),
                caps: rule.caps.or(self.policy.caps),
                because: format!("budget.rules[{i}]"),
            },
            None => Allowance { clock: budget.default, caps: self.policy.caps, because: "budget.default".into() },
        };
        for (i, rule) in matching(true) {
            if let Some(lower) = rule.budget.filter(|lower| *lower < given.clock) {
                given.clock = lower;
                given.because = format!("budget.rules[{i}]");
            }
            given.caps = given.caps.tightest(rule.caps);
        }
        given
    }

    /// The first field of budget rule `index` that doesn't match such a run; `None` if it matches.
    pub fn mismatch(&self, index: usize, agent: Agent, cwd: &str, label: &str) -> Option<&'static str> {
        let rule = self.policy.budget.rules.get(index)?;
        if rule.agent.is_some_and(|a| a != agent) {
            return Some("agent");
        }
        if rule.label.as_deref().is_some_and(|l| l != label) {
            return Some("label");
        }
        let glob = self.projects.get(index).and_then(Option::as_ref);
        glob.is_some_and(|g| !g.is_match(cwd)).then_some("project")
    }

    /// What a call counts as.
    pub fn classify(&self, agent: Agent, tool: &Text, input: &ToolInput, cwd: &str) -> Class {
        let (class, because) = self.tool_class(agent, tool.as_str(), input);
        let mut out = Class {
            rule: rule_of(class),
            verifies: class == ToolClass::Verify,
            asks: class == ToolClass::Ask,
            paths: input.paths.iter().map(|p| target::normalise(p, cwd)).collect(),
            hosts: input.urls.iter().filter_map(|u| target::host_of(u)).collect(),
            because,
        };
        if class == ToolClass::Execute
            && let Some(command) = &input.command
        {
            self.classify_shell(command, cwd, &mut out);
        }
        out.hosts.retain(|host| !target::is_loopback(host));
        out
    }

    fn tool_class(&self, agent: Agent, tool: &str, input: &ToolInput) -> (ToolClass, Option<String>) {
        for table in [agent.name(), "any"] {
            if let Some(class) = self.tools.get(table).and_then(|t| t.get(tool)) {
                return (class, Some(format!("tools.{table}.{tool}")));
            }
        }
        match input.kind {
            Some(kind) => (kind.into(), Some("declared by the agent".into())),
            None => (ToolClass::Other, None),
        }
    }

    /// The gravest of a line's commands prices the line; `cd` moves what later paths are relative to.
    fn classify_shell(&self, line: &str, cwd: &str, out: &mut Class) {
        let mut here = Here::new(cwd);
        let mut gravest: Option<(ShellClass, Option<usize>)> = None;
        for command in shell::commands(line) {
            if here.follow(&command) {
                continue;
            }
            let (mut class, pattern, paths) = self.classify_command(&command, &here, cwd);
            let paths = if command.remote { Vec::new() } else { paths };
            let acts = command.redirects.iter().any(|r| writes(&r.path, r.write)) || shell::may_act(&command);
            if class == ShellClass::Read && acts {
                class = ShellClass::Execute;
            }
            let (class, verify) =
                if class == ShellClass::Verify { (ShellClass::Execute, true) } else { (class, false) };
            out.verifies |= verify;
            out.hosts.extend(shell::hosts(&command).into_iter().map(|h| h.to_ascii_lowercase()));
            out.paths.extend(paths);
            if gravest.as_ref().is_none_or(|(known, _)| class > *known) {
                gravest = Some((class, pattern));
            }
        }
        out.paths.truncate(32);
        let Some((class, pattern)) = gravest else { return };
        out.because = pattern.map(|i| format!("shell.\"{}\"", self.shell.patterns[i].0.as_str()));
        out.rule = match class {
            ShellClass::Read => Rule::Read,
            ShellClass::Network => Rule::Network,
            ShellClass::Irreversible => Rule::Irreversible,
            _ => Rule::Execute,
        };
    }

    /// One command by itself: its class, the line that gave it, and the paths it names.
    fn classify_command(&self, command: &Simple, here: &Here, cwd: &str) -> (ShellClass, Option<usize>, Vec<String>) {
        let paths: Vec<String> = shell::path_words(command).iter().map(|p| target::normalise(p, &here.dir)).collect();
        // What can't be placed (a variable, another machine, names that come through a pipe) counts as outside.
        let outside = |p: &String| p.contains('$') || (!target::is_inside(p, cwd) && !target::is_scratch(p));
        let is_outside = command.remote || paths.is_empty() || paths.iter().any(outside);
        let (class, pattern) = self.shell.classify(command, is_outside);
        (class, pattern, paths)
    }

    /// Multiplier, in percent, of the first glob that matches any of the targets; a project's globs only raise it.
    pub fn materiality(&self, paths: &[String], hosts: &[String]) -> u16 {
        let matching = |tightens: bool| {
            let globs = self.materiality.iter().filter(move |(_, _, project)| *project == tightens);
            let hits = globs.filter(|(glob, ..)| paths.iter().chain(hosts).any(|target| glob.is_match(target)));
            hits.map(|(_, percent, _)| *percent)
        };
        let given = matching(false).next().unwrap_or(100);
        matching(true).fold(given, u16::max)
    }

    /// Price of a rule that has a fixed one.
    pub fn price(&self, rule: Rule) -> Span {
        let tariff = &self.policy.tariff;
        match rule {
            Rule::Read => tariff.read,
            Rule::Write => tariff.write,
            Rule::Execute => tariff.execute,
            Rule::Network => tariff.network,
            Rule::Other => tariff.other,
            Rule::Spawn => tariff.spawn,
            Rule::FirstTouch => tariff.first_touch,
            Rule::NewRoot => tariff.new_root,
            Rule::Irreversible => tariff.irreversible,
            Rule::Failure => tariff.failure,
            Rule::ModelCall => tariff.model_call,
            Rule::Narrowing => tariff.narrowed_bit,
            Rule::Widening => tariff.widened_bit,
            Rule::Wall | Rule::Grant => Span::ZERO,
        }
    }
}

fn writes(path: &str, write: bool) -> bool {
    write && !path.starts_with("/dev/") && !path.starts_with('&')
}

fn rule_of(class: ToolClass) -> Rule {
    match class {
        ToolClass::Read => Rule::Read,
        ToolClass::Write => Rule::Write,
        ToolClass::Execute | ToolClass::Verify => Rule::Execute,
        ToolClass::Network => Rule::Network,
        ToolClass::Spawn => Rule::Spawn,
        ToolClass::Irreversible => Rule::Irreversible,
        ToolClass::Ask | ToolClass::Other => Rule::Other,
    }
}

fn path_glob(glob: &str, place: &str) -> Result<GlobMatcher, BadPattern> {
    GlobBuilder::new(glob)
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| BadPattern { place: place.into(), why: error.to_string() })
}

impl ShellTable {
    fn compile(policy: &Policy) -> Result<Self, BadPattern> {
        let mut table = Self::default();
        for (text, class) in &policy.shell {
            if *class == ShellClass::Off {
                continue;
            }
            let place = || format!("shell.\"{text}\"");
            let pattern = Pattern::parse(text).map_err(|why| BadPattern { place: place(), why })?;
            let index = table.patterns.len();
            for program in text.split_whitespace().next().unwrap_or("*").split('|') {
                if program.contains('*') {
                    table.any_program.push(index);
                } else {
                    table.by_program.entry(program.to_owned()).or_default().push(index);
                }
            }
            table.patterns.push((pattern, *class));
        }
        Ok(table)
    }

    /// Class of one command: the gravest pattern that matches, else an execution. `outside`: what it acts on may lie
    /// outside the project.
    fn classify(&self, command: &Simple, outside: bool) -> (ShellClass, Option<usize>) {
        let here = |class| match class {
            ShellClass::IrreversibleOutside if outside => ShellClass::Irreversible,
            ShellClass::IrreversibleOutside => ShellClass::Execute,
            class => class,
        };
        let own = command.words.first().and_then(|program| self.by_program.get(program.as_str()));
        own.into_iter()
            .flatten()
            .chain(&self.any_program)
            .filter(|i| self.patterns[**i].0.matches(command))
            .map(|i| (here(self.patterns[*i].1), Some(*i)))
            .max_by_key(|(class, _)| *class)
            .unwrap_or((ShellClass::Execute, None))
    }
}

impl ToolTable {
    fn compile(agent: &str, table: &std::collections::BTreeMap<String, ToolClass>) -> Result<Self, BadPattern> {
        let mut out = Self::default();
        for (name, class) in table {
            if name.contains('*') {
                let place = format!("tools.{agent}.\"{name}\"");
                let glob = GlobBuilder::new(name)
                    .build()
                    .map_err(|error| BadPattern { place, why: error.to_string() })?
                    .compile_matcher();
                out.globs.push((glob, *class));
            } else {
                out.exact.insert(name.clone(), *class);
            }
        }
        Ok(out)
    }

    fn get(&self, tool: &str) -> Option<ToolClass> {
        let glob = || self.globs.iter().find(|(glob, _)| glob.is_match(tool)).map(|(_, class)| *class);
        self.exact.get(tool).copied().or_else(glob)
    }
}

#[cfg(test)]
mod tests;
