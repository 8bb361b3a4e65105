//! Which files are looked at.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::problem::Problem;

/// Name of a project's policy file.
pub const PROJECT_FILE: &str = ".redkey.toml";

/// Longest policy file that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Directories whose `.redkey.toml` counts for work in `dir`, outermost first: from the repository's root, else from
/// the home directory, down to `dir`. Outside of both only `dir` itself counts, so that a file which somebody left in
/// a shared directory like `/tmp` has no say.
pub fn project_dirs(dir: &Path, home: Option<&Path>) -> Vec<PathBuf> {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let mut found = Vec::new();
    for ancestor in dir.ancestors() {
        found.push(ancestor.to_owned());
        if ancestor.join(".git").exists() || Some(ancestor) == home {
            found.reverse();
            return found;
        }
    }
    vec![dir]
}

/// Text of a policy file; `None` if there is none. One that was `named` may be a pipe or a device, too.
pub fn read(path: &Path, shown: &str, named: bool) -> Result<Option<String>, Problem> {
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(Problem::of(shown, error.to_string())),
    };
    if meta.is_dir() {
        return Err(Problem::of(shown, "is a directory, not a file"));
    }
    // Opening a pipe waits for its writer, so nobody may leave one where a project's file is looked for.
    if !meta.is_file() && !named {
        return Err(Problem::of(shown, "is not a file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| Problem::of(shown, error.to_string()))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Problem::of(shown, "is larger than 1 MiB, which no policy is"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        Problem::at(shown, &text, at..at + 1, "is not UTF-8 from here on")
    })?;
    Ok(Some(text))
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// A path as it is shown: relative to where the person is, if it lies there.
pub fn shown(path: &Path, cwd: Option<&Path>) -> String {
    let relative = cwd.and_then(|cwd| path.strip_prefix(cwd).ok()).filter(|p| !p.as_os_str().is_empty());
    relative.unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_end_at_the_repository_or_at_home() {
        let tmp = tempfile::tempdir().expect("a directory");
        let home = tmp.path().join("home");
        let repo = home.join("repo");
        let deep = repo.join("a/b");
        std::fs::create_dir_all(&deep).expect("made");
        let dirs = |dir: &Path| project_dirs(dir, Some(&home));
        assert_eq!(dirs(&deep), [home.clone(), repo.clone(), repo.join("a"), deep.clone()]);
        std::fs::create_dir(repo.join(".git")).expect("made");
        assert_eq!(dirs(&deep), [repo.clone(), repo.join("a"), deep.clone()]);
        assert_eq!(dirs(&home), std::slice::from_ref(&home));
        assert_eq!(project_dirs(&home, None), std::slice::from_ref(&home));
    }

    #[test]
    fn what_is_no_text_file_is_refused() {
        let tmp = tempfile::tempdir().expect("a directory");
        let path = |name: &str| tmp.path().join(name);
        std::fs::write(path("latin"), b"a = 1\n# caf\xe9\n").expect("written");
        assert_eq!(read(&path("absent"), "x", false), Ok(None));
        assert_eq!(read(&path("latin").join("below"), "x", false), Ok(None));
        assert!(read(tmp.path(), "x", true).is_err_and(|p| p.message == "is a directory, not a file"));
        let null = Path::new("/dev/null");
        assert!(read(null, "x", false).is_err_and(|p| p.message == "is not a file"));
        assert_eq!(read(null, "x", true), Ok(Some(String::new())));
        assert!(read(Path::new("/dev/zero"), "x", true).is_err_and(|p| p.message.contains("1 MiB")));
        let problem = read(&path("latin"), "x", false).expect_err("not UTF-8");
        assert!(problem.to_string().starts_with("x:2:6: is not UTF-8"), "{problem}");
    }
}
