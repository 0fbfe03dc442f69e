//! The outer form of a transcript: free text, and steps of a command and its output.

/// A part of a transcript.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// A blank line or a remark, kept as it is.
    Text(String),
    Step(Step),
}

/// A command, and what is written below it.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// Number of the command's line, from 1.
    pub line: usize,
    pub command: String,
    pub output: Vec<String>,
}

const RULE: &str = "----";

/// Takes a transcript apart. A step ends with a blank line or with the text.
pub fn parse(text: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    let mut lines = text.lines().zip(1..).peekable();
    while let Some((line, number)) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            items.push(Item::Text(line.to_owned()));
            continue;
        }
        if lines.next_if(|(next, _)| *next == RULE).is_none() {
            return Err(format!("line {number}: {line}: no line {RULE} below the command"));
        }
        let mut output = Vec::new();
        while let Some((said, _)) = lines.next_if(|(next, _)| !next.is_empty()) {
            output.push(said.to_owned());
        }
        items.push(Item::Step(Step { line: number, command: line.to_owned(), output }));
    }
    Ok(items)
}

#[test]
fn a_step_is_a_command_a_rule_and_lines_up_to_a_blank_one() {
    let items = parse("# why\ntick 1\n----\na\nb\n\nsettle\n----\n").unwrap();
    let step = |line, command: &str, output: &[&str]| {
        let output = output.iter().map(|&said| said.into()).collect();
        Item::Step(Step { line, command: command.into(), output })
    };
    let text = |line: &str| Item::Text(line.into());
    let steps = [text("# why"), step(2, "tick 1", &["a", "b"]), text(""), step(7, "settle", &[])];
    assert_eq!(items, steps);
    assert!(parse("tick 1\nsettle\n----\n").unwrap_err().contains("line 1"));
}
