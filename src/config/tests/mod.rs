//! Whole policies, from files to rules.

use std::path::PathBuf;

use super::*;

mod docs;
mod layers;
mod loosening;
mod messages;

/// A home with a project in it; nothing of the real one.
pub(crate) struct Bench {
    tmp: tempfile::TempDir,
    pub sources: Sources,
}

impl Bench {
    pub fn new() -> Self {
        let tmp = tempfile::tempdir().expect("a directory");
        let project = tmp.path().join("work/app");
        std::fs::create_dir_all(project.join(".git")).expect("made");
        let sources = Sources {
            user_path: Some(project.join("my-policy.toml")),
            project_dir: Some(project),
            home: Some(tmp.path().to_owned()),
            ..Sources::default()
        };
        Self { tmp, sources }
    }

    pub fn home(&self) -> &Path {
        self.tmp.path()
    }

    pub fn project(&self) -> PathBuf {
        self.tmp.path().join("work/app")
    }

    /// The user's own file. It stands in the project so that messages name it shortly.
    pub fn user(self, text: &str) -> Self {
        self.file("my-policy.toml", text)
    }

    pub fn repo(self, text: &str) -> Self {
        self.file(PROJECT_FILE, text)
    }

    pub fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.project().join(name), text).expect("written");
        self
    }

    pub fn load(&self) -> Loaded {
        load(&self.sources).unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn error(&self) -> String {
        load(&self.sources).map(|_| ()).expect_err("is wrong").to_string()
    }
}
