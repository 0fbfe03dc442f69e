//! Reads the source tree and names what does not belong there.
//!
//! Long files and long functions grow where nobody holds the line; this holds it.

mod functions;

use core::fmt;
use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use proc_macro2::{TokenStream, TokenTree};

use crate::shell::{program, root};

/// Most lines of one file.
const FILE_LINES_MAX: usize = 600;
/// Most lines of one function, from its first to its last.
const FUNCTION_LINES_MAX: usize = 70;
/// Files whose lengths count.
const SOURCES: [&str; 9] = ["rs", "py", "pyi", "c", "h", "cc", "cpp", "hpp", "sh"];
/// Written by a program, not by hand.
const GENERATED: [&str; 1] = ["include/raftcore.h"];
/// Where `unsafe` may stand: the C interface, and programs that bring their own allocator.
const UNSAFE_ALLOWED: [&str; 2] = ["raft-ffi/", "xtask/nostd/"];
/// Notes to oneself; split, so that this file does not name them.
const LEFTOVER_WORDS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
/// Macros that must not be left in.
const LEFTOVER_MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];
/// Folders that exist on one machine only.
const FOREIGN_PATHS: [&str; 3] =
    [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/")];

/// Something that does not belong in the tree.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Checks every file of the repository that is not ignored.
///
/// # Errors
/// Names the first findings, one per line.
pub(crate) fn check() -> Result<()> {
    let mut findings = Vec::new();
    for path in paths()? {
        let file = root().join(&path);
        // A listed file may be deleted, or not be text.
        if let Ok(text) = fs::read_to_string(file) {
            findings.extend(examine(&path, &text)?);
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    bail!("{} untidy places\n{}", findings.len(), lines.join("\n"));
}

/// Every file that git knows or would add.
fn paths() -> Result<Vec<String>> {
    let mut git = program("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.stderr(Stdio::inherit()).output().context("cannot start git")?;
    if !output.status.success() {
        bail!("git cannot list the files of this folder");
    }
    let text = String::from_utf8(output.stdout).context("a file's name is not UTF-8")?;
    Ok(text.split_terminator('\0').map(str::to_owned).collect())
}

/// What is wrong with one file.
fn examine(path: &str, text: &str) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut find = |line: usize, what: String| {
        findings.push(Finding { path: path.to_owned(), line, what });
    };
    for (line, found) in words(text) {
        find(line, found);
    }
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    if !SOURCES.contains(&extension) || GENERATED.contains(&path) {
        return Ok(findings);
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        find(lines, format!("{lines} lines; a file has at most {FILE_LINES_MAX}"));
    }
    for function in functions::all(path, extension, text)? {
        let lines = function.last - function.first + 1;
        if lines > FUNCTION_LINES_MAX {
            let name = function.name;
            let what =
                format!("`{name}` has {lines} lines; a function has at most {FUNCTION_LINES_MAX}");
            find(function.first, what);
        }
    }
    if extension == "rs" {
        let unsafe_allowed = UNSAFE_ALLOWED.iter().any(|folder| path.starts_with(folder));
        for (line, what) in tokens(functions::tokens(path, text)?, unsafe_allowed) {
            find(line, what);
        }
    }
    Ok(findings)
}

/// Leftover notes and foreign paths, with their lines.
fn words(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        for word in words.filter(|word| LEFTOVER_WORDS.contains(word)) {
            found.push((number + 1, format!("`{word}` is left over")));
        }
        for path in FOREIGN_PATHS.iter().filter(|path| line.contains(**path)) {
            found.push((number + 1, format!("`{path}` exists on one machine only")));
        }
    }
    found
}

/// Leftover macros and misplaced `unsafe`, with their lines.
fn tokens(stream: TokenStream, unsafe_allowed: bool) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut stream = stream.into_iter().peekable();
    while let Some(tree) = stream.next() {
        match tree {
            TokenTree::Group(group) => found.extend(tokens(group.stream(), unsafe_allowed)),
            TokenTree::Ident(ident) => {
                let line = ident.span().start().line;
                let called =
                    matches!(stream.peek(), Some(TokenTree::Punct(p)) if p.as_char() == '!');
                if called && LEFTOVER_MACROS.iter().any(|name| ident == name) {
                    found.push((line, format!("`{ident}!` is left over")));
                }
                if ident == "unsafe" && !unsafe_allowed {
                    found
                        .push((line, format!("`unsafe` outside of {}", UNSAFE_ALLOWED.join(", "))));
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(usize, String)> {
        let findings = examine(path, text).expect("the text is readable");
        findings.into_iter().map(|finding| (finding.line, finding.what)).collect()
    }

    fn body(lines: usize, line: &str) -> String {
        format!("{line}\n").repeat(lines)
    }

    #[test]
    fn a_rust_function_of_71_lines_is_found_and_one_of_70_is_not() {
        let long = format!("struct S;\nimpl S {{\n    fn f() {{\n{}    }}\n}}\n", body(69, "g();"));
        let what = "`f` has 71 lines; a function has at most 70".to_owned();
        assert_eq!(found("a.rs", &long), [(3, what)]);
        let short = format!("fn f() {{\n{}}}\n", body(68, "g();"));
        assert_eq!(found("a.rs", &short), []);
    }

    #[test]
    fn a_long_python_function_is_found_also_inside_a_class() {
        let text = format!(
            "class C:\n    def f(\n        x\n    ):\n{}\n\nx = 1\n",
            body(68, "        y()")
        );
        let what = "`f` has 71 lines; a function has at most 70".to_owned();
        assert_eq!(found("a.py", &text), [(2, what)]);
    }

    #[test]
    fn a_long_c_function_is_found_whatever_its_comments_and_strings_hold() {
        let inside = body(69, "    puts(\"} // {\"); /* } */ if (1) { }");
        let text = format!("struct s {{ int a; }};\nstatic int\nf(int x)\n{{\n{inside}}}\n");
        let found = found("a.c", &text);
        assert_eq!(found, [(2, "`f` has 73 lines; a function has at most 70".to_owned())]);
    }

    #[test]
    fn a_file_of_601_lines_is_found_unless_it_is_generated() {
        let text = body(601, "// a line");
        let what = "601 lines; a file has at most 600".to_owned();
        assert_eq!(found("a.rs", &text), [(601, what)]);
        assert_eq!(found("include/raftcore.h", &text), []);
        assert_eq!(found("a.rs", &body(600, "// a line")), []);
    }

    #[test]
    fn leftovers_are_found_in_code_and_comments_but_not_in_strings() {
        let note = LEFTOVER_WORDS[0];
        assert_eq!(found("a.md", note), [(1, format!("`{note}` is left over"))]);
        let text = "fn f() {\n    dbg!(1);\n    let x = \"dbg!(1)\";\n}\n";
        assert_eq!(found("a.rs", text), [(2, "`dbg!` is left over".to_owned())]);
    }

    #[test]
    fn unsafe_is_found_outside_of_the_c_interface() {
        let text = "fn f() {\n    unsafe { g() }\n}\n";
        let at: Vec<usize> =
            found("raft-core/src/a.rs", text).iter().map(|found| found.0).collect();
        assert_eq!(at, [2]);
        assert_eq!(found("raft-ffi/src/a.rs", text), []);
    }

    #[test]
    fn a_path_of_one_machine_is_found_in_any_file() {
        let path = FOREIGN_PATHS[0];
        assert_eq!(found("a.toml", path).len(), 1);
    }
}
