//! IO. A settings file: read whole, replaced whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Longer is no settings file.
const MOST: u64 = 8 << 20;

/// A settings file. Where it is a link, what it leads to is meant; the link stays.
pub struct SettingsFile {
    path: PathBuf,
    target: PathBuf,
}

impl SettingsFile {
    pub fn at(path: &Path) -> Result<Self> {
        let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
        let target = match is_link {
            true => {
                fs::canonicalize(path).with_context(|| format!("{} is a link that leads nowhere", path.display()))?
            }
            false => path.to_owned(),
        };
        Ok(Self { path: path.to_owned(), target })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the link leads to, if it is one.
    pub fn target(&self) -> Option<&Path> {
        (self.target != self.path).then_some(self.target.as_path())
    }

    /// `None`: there is no such file.
    pub fn read(&self) -> Result<Option<String>> {
        let shown = self.path.display();
        let found = match fs::metadata(&self.target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.with_context(|| shown.to_string())?,
        };
        if !found.is_file() {
            bail!("{shown} is not a file");
        }
        if found.len() > MOST {
            bail!("{shown} has {} MiB; that is no settings file", found.len() >> 20);
        }
        let bytes = fs::read(&self.target).with_context(|| shown.to_string())?;
        let text =
            String::from_utf8(bytes).ok().with_context(|| format!("{shown} is not UTF-8 text; it is left as it is"))?;
        Ok(Some(text))
    }

    /// Replaces the text `before` by `after` (`None`: no file). If somebody else has changed the file meanwhile, nothing
    /// is done. Its mode stays.
    pub fn replace(&self, before: Option<&str>, after: Option<&str>) -> Result<()> {
        if self.read()?.as_deref() != before {
            bail!("{} was changed meanwhile; nothing was written, try again", self.path.display());
        }
        match after {
            None => fs::remove_file(&self.target).with_context(|| format!("can't remove {}", self.path.display())),
            Some(text) => {
                self.write(text).with_context(|| format!("can't write {}; it is as it was", self.path.display()))
            }
        }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let dir = self.target.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let name = self.target.file_name().unwrap_or_default().to_string_lossy();
        let beside = dir.join(format!(".{name}.redkey-{}", std::process::id()));
        let written = self.write_beside(&beside, text).and_then(|()| fs::rename(&beside, &self.target));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written?;
        // The name outlives a crash only with its directory; where that can't be synced, the text is there anyway.
        let _ = fs::File::open(dir).and_then(|dir| dir.sync_all());
        Ok(())
    }

    fn write_beside(&self, beside: &Path, text: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
        if let Ok(found) = fs::metadata(&self.target) {
            file.set_permissions(fs::Permissions::from_mode(found.permissions().mode() & 0o7777))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o7777
    }

    #[test]
    fn mode_and_link_stay() {
        let dir = tempfile::tempdir().expect("a directory");
        let real = dir.path().join("dotfiles.json");
        fs::write(&real, "{}").expect("written");
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("mode");
        let link = dir.path().join("settings.json");
        std::os::unix::fs::symlink("dotfiles.json", &link).expect("a link");
        let file = SettingsFile::at(&link).expect("followed");
        assert_eq!(file.target(), Some(fs::canonicalize(&real).expect("there").as_path()));
        file.replace(Some("{}"), Some("{1}")).expect("replaced");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!((fs::read_to_string(&real).expect("text"), mode(&real)), ("{1}".to_owned(), 0o640));
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 2, "nothing is left beside it");
    }

    #[test]
    fn a_file_comes_and_goes() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("new/settings.json");
        let file = SettingsFile::at(&path).expect("a place");
        assert_eq!(file.read().expect("read"), None);
        file.replace(None, Some("x")).expect("made");
        assert_eq!((mode(&path), mode(&dir.path().join("new"))), (0o600, 0o700));
        file.replace(Some("x"), None).expect("removed");
        assert!(!path.exists());
    }

    #[test]
    fn what_others_wrote_meanwhile_is_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("settings.json");
        fs::write(&path, "theirs").expect("written");
        let file = SettingsFile::at(&path).expect("a place");
        for before in [None, Some("ours")] {
            let error = file.replace(before, Some("new")).expect_err("refused");
            assert!(error.to_string().contains("changed meanwhile"), "{error}");
        }
        assert_eq!(fs::read_to_string(&path).expect("text"), "theirs");
    }

    #[test]
    fn what_is_no_settings_file_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let told = |path: &Path| SettingsFile::at(path).and_then(|f| f.read()).expect_err("refused").to_string();
        assert!(told(dir.path()).contains("not a file"));
        fs::write(dir.path().join("bytes"), b"\xff").expect("written");
        assert!(told(&dir.path().join("bytes")).contains("not UTF-8"));
        std::os::unix::fs::symlink("nowhere", dir.path().join("link")).expect("a link");
        assert!(told(&dir.path().join("link")).contains("leads nowhere"));
    }
}
