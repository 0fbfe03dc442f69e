//! A command line: words, options like `times=3`, quoted text, nodes and links.

use crate::support::lab::Link;

/// The words of a command after its name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Args {
    pub words: Vec<String>,
    options: Vec<(String, String)>,
}

impl Args {
    /// Splits a line at blanks, except within double quotes.
    pub fn parse(line: &str) -> Result<(String, Self), String> {
        let mut all = split(line)?.into_iter();
        let (_, name) = all.next().ok_or("no command")?;
        let mut args = Self::default();
        for (quoted, word) in all {
            match word.split_once('=') {
                Some((key, value)) if !quoted => args.options.push((key.into(), value.into())),
                _ => args.words.push(word),
            }
        }
        Ok((name, args))
    }

    pub fn option(&self, key: &str) -> Option<&str> {
        let found = self.options.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    }

    pub fn number<T: core::str::FromStr>(&self, key: &str) -> Result<Option<T>, String> {
        let read = |value: &str| value.parse().map_err(|_| format!("{key}: not a number: {value}"));
        self.option(key).map(read).transpose()
    }

    /// Every option must be one of these.
    pub fn only(&self, known: &[&str]) -> Result<(), String> {
        match self.options.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, _)) => Err(format!("unknown option {key}")),
            None => Ok(()),
        }
    }

    pub fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|given| given == word)
    }

    pub fn word(&self, at: usize) -> Result<&str, String> {
        self.words.get(at).map(String::as_str).ok_or_else(|| "something is missing".into())
    }
}

/// Words, and whether each was quoted.
fn split(line: &str) -> Result<Vec<(bool, String)>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (quoted, word, after) = match rest.strip_prefix('"') {
            Some(text) => {
                let (word, after) = text.split_once('"').ok_or("a quote is not closed")?;
                (true, word, after)
            }
            None => {
                let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
                (false, word, after)
            }
        };
        words.push((quoted, word.to_owned()));
        rest = after.trim_start();
    }
    Ok(words)
}

/// Ids like `1` or `1,2`.
pub fn ids(word: &str) -> Result<Vec<u64>, String> {
    let one = |id: &str| id.parse().map_err(|_| format!("not a node: {id}"));
    word.split(',').map(one).collect()
}

/// A link like `1->2`.
pub fn link(word: &str) -> Result<Link, String> {
    let parts = word
        .split_once("->")
        .and_then(|(from, to)| Some(Link { from: from.parse().ok()?, to: to.parse().ok()? }));
    parts.ok_or_else(|| format!("not a link: {word}"))
}

#[test]
fn options_words_and_quoted_text_are_told_apart() {
    let (name, args) = Args::parse("propose 1 \"x = 1\" times=3").unwrap();
    assert_eq!(
        (name.as_str(), args.words.as_slice()),
        ("propose", &["1".into(), "x = 1".into()][..])
    );
    assert_eq!(args.number::<u64>("times"), Ok(Some(3)));
    assert!(args.only(&["count"]).is_err());
    assert!(Args::parse("propose 1 \"x").is_err());
    assert_eq!(link("1->2"), Ok(Link { from: 1, to: 2 }));
    assert!(link("1-2").is_err());
}
