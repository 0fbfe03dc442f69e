//! Runs the journal as a person would.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn journal(path: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_journal"));
    command.arg(path).arg(line).output().expect("the program starts")
}

fn printed(path: &Path, line: &str) -> String {
    let output = journal(path, line);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("lines are text")
}

#[test]
fn a_line_is_still_there_in_the_next_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal");
    assert_eq!(printed(&path, "first"), "first\n");
    assert_eq!(printed(&path, "second"), "first\nsecond\n");
    assert_eq!(printed(&path, "third"), "first\nsecond\nthird\n");
}

#[test]
fn a_torn_last_write_is_cut_off_wherever_it_was_torn() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal");
    printed(&path, "first");
    let whole = fs::read(&path).expect("the file is there");
    for torn in (1..whole.len()).step_by(7) {
        fs::write(&path, &whole[..whole.len() - torn]).expect("the file is writable");
        let lines = printed(&path, "second");
        assert!(lines == "second\n" || lines == "first\nsecond\n", "{lines}");
        assert_eq!(printed(&path, "third"), lines + "third\n");
    }
}

#[test]
fn a_damaged_write_is_an_error_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal");
    printed(&path, "first");
    let mut bytes = fs::read(&path).expect("the file is there");
    bytes[20] ^= 1;
    fs::write(&path, &bytes).expect("the file is writable");
    let output = journal(&path, "second");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("Checksum"), "{output:?}");
    assert_eq!(fs::read(&path).expect("the file is there"), bytes);
}
