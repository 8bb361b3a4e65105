//! Whose socket it is.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;

use super::*;

#[test]
fn only_its_user_can_open_it() {
    let scene = scene();
    let metadata = fs::symlink_metadata(scene.desk.path()).expect("there");
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
    assert_eq!(metadata.uid(), dir::own_uid());
}

#[test]
fn a_name_has_one_owner_and_is_free_after_it() {
    let room = room();
    let first = room.desk("r-1");
    let error = Desk::open(&room.dir, "r-1", welcome("r-1")).expect_err("taken").to_string();
    assert!(error.contains("is in use"), "{error}");
    assert_eq!(room.dir.names(), ["r-1"]);
    drop(first);
    assert_eq!(fs::read_dir(room.dir.path()).expect("there").count(), 0, "neither socket nor lock is left");
    drop(room.desk("r-1"));
}

#[test]
fn a_socket_left_behind_is_replaced_and_somebody_elses_is_not() {
    let room = room();
    let path = room.dir.socket_path("r-1").expect("fits");
    drop(UnixListener::bind(&path).expect("bound"));
    assert!(path.exists(), "left behind");
    drop(room.desk("r-1"));

    let listens = UnixListener::bind(&path).expect("bound");
    assert!(matches!(Desk::open(&room.dir, "r-1", welcome("r-1")), Err(DeskError::InUse { .. })));
    drop(listens);
    fs::remove_file(&path).expect("there");
    fs::write(&path, "notes").expect("written");
    assert!(matches!(Desk::open(&room.dir, "r-1", welcome("r-1")), Err(DeskError::NotSocket { .. })));
    assert_eq!(fs::read_to_string(&path).expect("kept"), "notes");
}

#[test]
fn only_its_own_socket_is_removed() {
    let room = room();
    let desk = room.desk("r-1");
    let path = desk.path().to_owned();
    fs::remove_file(&path).expect("there");
    let _other = UnixListener::bind(&path).expect("bound");
    drop(desk);
    assert!(path.exists());
}

#[test]
fn what_was_left_behind_is_tidied_away() {
    let room = room();
    let _alive = room.desk("r-1");
    let _foreign = UnixListener::bind(room.dir.socket_path("r-2").expect("fits")).expect("bound");
    drop(UnixListener::bind(room.dir.socket_path("r-3").expect("fits")).expect("bound"));
    assert_eq!(tidy(&room.dir), 1);
    assert_eq!(room.dir.names(), ["r-1", "r-2"]);
    assert_eq!(tidy(&room.dir), 0);
}
