//! What can only be tested from inside: panics, versions, numbers.

use core::ffi::CStr;
use std::collections::HashMap;

use crate::fail::Fail;
use crate::guard::Guarded;
use crate::status::*;
use crate::version::*;

/// Name and number of every status, read from the file that declares them.
fn declared() -> HashMap<&'static str, raftcore_status> {
    let lines = include_str!("status.rs").lines();
    let declared = lines.filter_map(|line| {
        let (name, number) =
            line.strip_prefix("pub const RAFTCORE_STATUS_")?.split_once(": raftcore_status = ")?;
        Some((name, number.trim_end_matches(';').parse().expect("a number")))
    });
    declared.collect()
}

#[test]
fn a_panic_becomes_a_status_and_poisons_the_object() {
    let mut guarded = Guarded::new(7);
    assert_eq!(guarded.change(|_| panic!("on purpose")), RAFTCORE_STATUS_PANIC);
    assert_eq!(guarded.last_error(), "on purpose");
    assert_eq!(guarded.change(|_| Ok(())), RAFTCORE_STATUS_POISONED);
    assert_eq!(guarded.look(|_| Ok(())), RAFTCORE_STATUS_POISONED);
}

#[test]
fn a_panic_in_a_getter_poisons_the_object_too() {
    let mut guarded = Guarded::new(7);
    assert_eq!(guarded.look(|_| panic!("on purpose")), RAFTCORE_STATUS_PANIC);
    assert_eq!(guarded.change(|_| Ok(())), RAFTCORE_STATUS_POISONED);
}

#[test]
fn a_failure_leaves_its_text_and_the_object_usable() {
    let mut guarded = Guarded::new(7);
    let status = guarded.change(|_| Err(Fail::plain(RAFTCORE_STATUS_WRONG_KIND)));
    assert_eq!(status, RAFTCORE_STATUS_WRONG_KIND);
    assert_eq!(guarded.last_error(), "the output is of another kind");
    assert_eq!(guarded.change(|_| Ok(())), RAFTCORE_STATUS_OK);
}

#[test]
fn every_status_has_a_number_of_its_own_and_a_text() {
    let declared = declared();
    assert!(declared.len() > 60, "only {} were found", declared.len());
    let mut names = HashMap::new();
    for (name, number) in declared {
        assert_eq!(names.insert(number, name), None, "{number} is given out twice");
        assert_ne!(text(number), c"unknown status", "{name} has no text");
    }
}

#[test]
fn the_class_of_a_status_is_the_one_its_name_tells() {
    let classes = [
        ("MISUSE_", RAFTCORE_CLASS_MISUSE),
        ("REJECTED_", RAFTCORE_CLASS_REJECTED),
        ("REFUSED_", RAFTCORE_CLASS_REFUSED),
        ("START_", RAFTCORE_CLASS_START),
        ("STORED_", RAFTCORE_CLASS_STORED),
        ("DECODE_", RAFTCORE_CLASS_DECODE),
        ("MEMBERSHIP_", RAFTCORE_CLASS_MEMBERSHIP),
    ];
    for (name, number) in declared() {
        let class = classes.iter().find(|(prefix, _)| name.starts_with(prefix));
        if let Some((_, class)) = class {
            assert_eq!(raftcore_status_class(number), *class, "{name}");
        }
    }
}

/// The variants of a public enum, as `Enum::Variant`, read from a source file of the core.
fn variants(source: &str, name: &str) -> Vec<String> {
    let (_, body) = source.split_once(&format!("pub enum {name} {{")).expect("the enum");
    let body = body.split("\n}").next().unwrap_or_default();
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    let names = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    let names = names.filter_map(|line| line.split(|c: char| !c.is_alphanumeric()).next());
    names.map(|variant| format!("{name}::{variant}")).collect()
}

#[test]
fn every_case_of_the_core_has_a_number() {
    let errors = include_str!("../../raft-core/src/error.rs");
    let members = include_str!("../../raft-core/src/membership/mod.rs");
    let outputs = include_str!("../../raft-core/src/output.rs");
    let (fail, output) = (include_str!("fail.rs"), include_str!("output.rs"));
    let mut cases = Vec::new();
    for name in ["Misuse", "RejectedMessage", "Refused", "StartError", "StoredError", "DecodeError"]
    {
        cases.extend(variants(errors, name).into_iter().map(|case| (case, fail)));
    }
    cases.extend(variants(members, "MembershipError").into_iter().map(|case| (case, fail)));
    for name in ["Event", "HaltReason", "ReadFailure", "StepDownReason"] {
        cases.extend(variants(outputs, name).into_iter().map(|case| (case, output)));
    }
    assert!(cases.len() > 60, "only {} were found", cases.len());
    for (case, numbers) in cases {
        let handled = numbers
            .match_indices(&case)
            .any(|(at, _)| !numbers[at + case.len()..].starts_with(|c: char| c.is_alphanumeric()));
        assert!(handled, "{case} has no number");
    }
}

#[test]
fn the_versions_of_header_and_library_are_that_of_the_package() {
    let parts = [RAFTCORE_VERSION_MAJOR, RAFTCORE_VERSION_MINOR, RAFTCORE_VERSION_PATCH];
    let [major, minor, patch] = parts;
    let package = env!("CARGO_PKG_VERSION");
    assert_eq!(format!("{major}.{minor}.{patch}"), package);
    assert_eq!(RAFTCORE_VERSION_NUMBER, major * 1_000_000 + minor * 1_000 + patch);
    assert_eq!(raftcore_version_number(), RAFTCORE_VERSION_NUMBER);
    // SAFETY: the library's version is a text that is valid for ever.
    let version = unsafe { CStr::from_ptr(raftcore_version()) };
    assert_eq!(version.to_str(), Ok(package));
}

#[test]
fn the_name_of_the_shared_library_holds_the_version_of_its_abi() {
    let soname = format!("libraftcore.so.{RAFTCORE_VERSION_MAJOR}.{RAFTCORE_VERSION_MINOR}");
    assert!(include_str!("../build.rs").contains(&soname));
}
