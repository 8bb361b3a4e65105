//! Where redkey keeps its things: the XDG base directories, and on systems without them the platform's own.

use std::ffi::OsString;
use std::path::PathBuf;

use directories::ProjectDirs;

/// redkey's directories. None of them is made by asking for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    pub home: PathBuf,
    /// Holds `policy.toml`.
    pub config: PathBuf,
    /// What should outlive a restart: recordings, logs, history.
    pub state: PathBuf,
    /// What can be made again.
    pub cache: PathBuf,
    /// Sockets. `None` where the system has no such directory, as on macOS: use a directory under `state`.
    pub runtime: Option<PathBuf>,
}

impl Dirs {
    /// Of this user; `None` without a home directory.
    pub fn find() -> Option<Self> {
        let home = directories::BaseDirs::new()?.home_dir().to_owned();
        Some(Self::resolve(home, &ProjectDirs::from("", "", "redkey")?, |name| std::env::var_os(name)))
    }

    /// `XDG_*` first, on every system; they count only when absolute, as the specification says.
    fn resolve(home: PathBuf, platform: &ProjectDirs, env: impl Fn(&str) -> Option<OsString>) -> Self {
        let xdg =
            |name: &str| env(name).map(PathBuf::from).filter(|dir| dir.is_absolute()).map(|dir| dir.join("redkey"));
        let state = || platform.state_dir().map_or_else(|| platform.data_local_dir().join("state"), PathBuf::from);
        Self {
            home,
            config: xdg("XDG_CONFIG_HOME").unwrap_or_else(|| platform.config_dir().to_owned()),
            state: xdg("XDG_STATE_HOME").unwrap_or_else(state),
            cache: xdg("XDG_CACHE_HOME").unwrap_or_else(|| platform.cache_dir().to_owned()),
            runtime: xdg("XDG_RUNTIME_DIR").or_else(|| platform.runtime_dir().map(PathBuf::from)),
        }
    }

    /// The user's own policy file.
    pub fn policy(&self) -> PathBuf {
        self.config.join("policy.toml")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(vars: &[(&str, &str)]) -> Dirs {
        let platform = ProjectDirs::from_path("redkey-test".into()).expect("paths can be named");
        Dirs::resolve("/h".into(), &platform, |name| {
            vars.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[cfg(unix)]
    #[test]
    fn absolute_variables_win() {
        let dirs = resolve(&[("XDG_CONFIG_HOME", "/c"), ("XDG_STATE_HOME", "/s"), ("XDG_RUNTIME_DIR", "/r")]);
        assert_eq!(dirs.policy(), PathBuf::from("/c/redkey/policy.toml"));
        assert_eq!(dirs.state, PathBuf::from("/s/redkey"));
        assert_eq!(dirs.runtime, Some(PathBuf::from("/r/redkey")));
    }

    #[test]
    fn relative_and_missing_variables_fall_back() {
        let (none, relative) = (resolve(&[]), resolve(&[("XDG_CONFIG_HOME", "c"), ("XDG_CACHE_HOME", "")]));
        assert_eq!(none, relative);
        assert!(!none.state.as_os_str().is_empty());
    }
}
