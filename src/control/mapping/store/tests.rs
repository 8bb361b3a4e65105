use super::*;

#[test]
fn names_of_folders() {
    assert_eq!(dashed("/home/u/my_proj.x"), "-home-u-my-proj-x");
    assert_eq!(digest("/work/x").len(), 64);
    assert_eq!(digest(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[test]
fn first_lines_of_files_and_of_older_documents() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let head = |text: &str| {
        fs::write(&path, text).unwrap();
        Head::read(&path)
    };
    let long = format!(
        "{{\"id\":\"x\",\"note\":\"{}\",\"timestamp\":\"2026-11-24T17:19:57.956Z\"}}\nrest",
        "n".repeat(100_000)
    );
    let found = head(&long).unwrap();
    assert_eq!((found.id.as_deref(), found.began()), (Some("x"), Stamp::parse_rfc3339("2026-11-24T17:19:57.956Z")));
    assert_eq!(head("{\n  \"sessionId\": \"abc\",\n  \"messages\": []").unwrap().session_id.as_deref(), Some("abc"));
    for bad in ["", "\n", "{", "{\"sessionId\"", "{\"sessionId\":", "{\"sessionId\":\"x"] {
        assert!(head(bad).is_none(), "{bad}");
    }
    assert!(Head::read(&dir.path().join("none")).is_none());
    assert!(head(&"x".repeat(1 << 20)).is_none());
}
