//! Where an action lands: files and hosts, made comparable, and the root each belongs to.

/// A path against a working directory, with `.` and `..` resolved by text alone (nothing is looked up).
pub fn normalise(path: &str, cwd: &str) -> String {
    let path = path.trim().trim_start_matches("file://").replace('\\', "/");
    let is_relative = !(path.starts_with('/') || path.starts_with('~') || has_drive(&path));
    let absolute = if !is_relative { path } else { format!("{}/{path}", cwd.trim_end_matches('/')) };
    let mut parts: Vec<&str> = Vec::new();
    for part in absolute.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    // Without a known working directory a relative path stays one.
    let is_rooted = absolute.starts_with('/') && !(cwd.is_empty() && is_relative);
    if is_rooted { format!("/{joined}") } else { joined }
}

fn has_drive(path: &str) -> bool {
    matches!(path.as_bytes(), [drive, b':', ..] if drive.is_ascii_alphabetic())
}

/// Is a normalised path inside the project? Without a known working directory everything relative is.
pub fn is_inside(path: &str, cwd: &str) -> bool {
    let cwd = cwd.trim_end_matches('/');
    if cwd.is_empty() {
        return !path.starts_with('/') || path.starts_with("/tmp/");
    }
    path == cwd || path.strip_prefix(cwd).is_some_and(|rest| rest.starts_with('/'))
}

/// Directories that hold scratch files: touching them is no new root, deleting there nothing irreversible.
pub fn is_scratch(path: &str) -> bool {
    ["/tmp", "/var/tmp", "/private/tmp", "/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/fd"]
        .iter()
        .any(|dir| is_inside(path, dir))
        || path.starts_with("/var/folders/")
}

/// The root outside the project that a normalised path belongs to: `/etc`, `/home/me/other`; `None` inside the
/// project and in scratch directories.
pub fn root_of(path: &str, cwd: &str) -> Option<String> {
    if is_inside(path, cwd) || is_scratch(path) || (cwd.is_empty() && !path.starts_with('/')) {
        return None;
    }
    let depth = match path.split('/').find(|p| !p.is_empty()) {
        Some("home" | "Users" | "mnt" | "media" | "Volumes") => 3,
        Some(
            "~" | "work" | "srv" | "opt" | "var" | "usr" | "workspace" | "workspaces" | "projects" | "src" | "data",
        ) => 2,
        _ => 1,
    };
    let kept: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).take(depth).collect();
    Some(format!("{}{}", if path.starts_with('/') { "/" } else { "" }, kept.join("/")))
}

/// Host of a link: `https://user@example.com:8080/x` → `example.com`.
pub fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = if host.starts_with('[') { host.split(']').next()? } else { host.split(':').next()? };
    (!host.is_empty() && host.len() < 256).then(|| host.trim_start_matches('[').to_ascii_lowercase())
}

/// Hosts that are this machine.
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host == "::1" || host == "0.0.0.0" || host.starts_with("127.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_comparable() {
        for (path, want) in [
            ("src/a.rs", "/p/src/a.rs"),
            ("./src/../b", "/p/b"),
            ("/etc//hosts", "/etc/hosts"),
            ("../../../x", "/x"),
            ("~/x/./y", "~/x/y"),
            ("file:///p/z", "/p/z"),
        ] {
            assert_eq!(normalise(path, "/p"), want, "{path}");
        }
        assert_eq!(normalise("./src/a.rs", ""), "src/a.rs");
        assert!(is_inside("src/a.rs", "") && root_of("src/a.rs", "").is_none());
    }

    #[test]
    fn roots_are_found_outside_the_project_alone() {
        assert_eq!(root_of("/p/src/a", "/p"), None);
        assert_eq!(root_of("/pp/src/a", "/p").as_deref(), Some("/pp"));
        assert_eq!(root_of("/home/me/other/src/x", "/home/me/p").as_deref(), Some("/home/me/other"));
        assert_eq!(root_of("/etc/hosts", "/p").as_deref(), Some("/etc"));
        assert_eq!(root_of("/tmp/x", "/p"), None);
    }

    #[test]
    fn hosts_are_found() {
        assert_eq!(host_of("https://u@Example.com:80/x?y").as_deref(), Some("example.com"));
        assert_eq!(host_of("http://[::1]:8/").as_deref(), Some("::1"));
        assert_eq!(host_of("https:///").as_deref(), None);
    }
}
