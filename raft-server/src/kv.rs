//! The state machine of the program: keys to JSON values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::machine::{RestoreError, StateMachine};

/// Version of the commands' encoding; their first byte.
const COMMAND_VERSION: u8 = 1;
/// Version of the snapshots' encoding; their first byte.
const SNAPSHOT_VERSION: u8 = 1;

/// A change of the map. Values are JSON texts, kept as they were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Puts all keys at once.
    Put(BTreeMap<String, String>),
    /// Removes one key.
    Delete(String),
}

/// Why bytes are not a [`Command`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// There are no bytes.
    #[error("the command is empty")]
    Empty,
    /// Made by a version this one does not know.
    #[error("unknown command version {0}")]
    UnknownVersion(u8),
    /// The bytes after the version cannot be read.
    #[error("malformed command")]
    Malformed,
}

impl Command {
    /// The command as bytes: a version byte, then postcard.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![COMMAND_VERSION]).unwrap_or_default()
    }

    /// Reads a command.
    ///
    /// # Errors
    /// [`CommandError`] says what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CommandError> {
        let (&version, rest) = bytes.split_first().ok_or(CommandError::Empty)?;
        if version != COMMAND_VERSION {
            return Err(CommandError::UnknownVersion(version));
        }
        match postcard::take_from_bytes(rest) {
            Ok((command, [])) => Ok(command),
            _ => Err(CommandError::Malformed),
        }
    }
}

/// What a command gave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// All keys were put.
    Put,
    /// The key is gone.
    Deleted {
        /// Whether it was there.
        existed: bool,
    },
    /// The command could not be read; nothing was changed.
    Unreadable(CommandError),
}

/// Keys to JSON values, in memory.
#[derive(Clone, Debug, Default)]
pub struct KeyValues {
    values: BTreeMap<String, Box<RawValue>>,
}

impl KeyValues {
    fn put(&mut self, pairs: BTreeMap<String, String>) -> Result<(), CommandError> {
        let parsed: Result<Vec<_>, _> = pairs
            .into_iter()
            .map(|(key, text)| RawValue::from_string(text).map(|value| (key, value)))
            .collect();
        self.values.extend(parsed.map_err(|_| CommandError::Malformed)?);
        Ok(())
    }
}

impl StateMachine for KeyValues {
    type Answer = Answer;
    type Query = String;
    type Reply = Option<Box<RawValue>>;

    fn apply(&mut self, command: &[u8]) -> Answer {
        match Command::decode(command) {
            Ok(Command::Put(pairs)) => match self.put(pairs) {
                Ok(()) => Answer::Put,
                Err(error) => Answer::Unreadable(error),
            },
            Ok(Command::Delete(key)) => {
                Answer::Deleted { existed: self.values.remove(&key).is_some() }
            }
            Err(error) => Answer::Unreadable(error),
        }
    }

    fn query(&self, key: String) -> Option<Box<RawValue>> {
        self.values.get(&key).cloned()
    }

    fn snapshot(&self) -> Vec<u8> {
        let texts: BTreeMap<_, _> =
            self.values.iter().map(|(key, value)| (key.as_str(), value.get())).collect();
        postcard::to_extend(&texts, vec![SNAPSHOT_VERSION]).unwrap_or_default()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), RestoreError> {
        let (&version, rest) = snapshot.split_first().ok_or(RestoreError::Malformed)?;
        if version != SNAPSHOT_VERSION {
            return Err(RestoreError::UnknownVersion(version));
        }
        let Ok((texts, [])) = postcard::take_from_bytes(rest) else {
            return Err(RestoreError::Malformed);
        };
        let mut restored = Self::default();
        restored.put(texts).map_err(|_| RestoreError::Malformed)?;
        *self = restored;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(pairs: &[(&str, &str)]) -> Vec<u8> {
        let pairs = pairs.iter().map(|&(key, text)| (key.to_owned(), text.to_owned())).collect();
        Command::Put(pairs).encode()
    }

    fn get(machine: &KeyValues, key: &str) -> Option<String> {
        machine.query(key.to_owned()).map(|value| value.get().to_owned())
    }

    #[test]
    fn a_put_sets_many_keys_and_a_delete_removes_one() {
        let mut machine = KeyValues::default();
        assert_eq!(machine.apply(&put(&[("a", "1"), ("b", "[2, 3]")])), Answer::Put);
        assert_eq!(get(&machine, "b").as_deref(), Some("[2, 3]"));
        let delete = Command::Delete("a".to_owned()).encode();
        assert_eq!(machine.apply(&delete), Answer::Deleted { existed: true });
        assert_eq!(machine.apply(&delete), Answer::Deleted { existed: false });
        assert_eq!(get(&machine, "a"), None);
    }

    #[test]
    fn a_number_keeps_every_digit_it_was_written_with() {
        let mut machine = KeyValues::default();
        let digits = "123456789012345678901234567890.10";
        assert_eq!(machine.apply(&put(&[("n", digits)])), Answer::Put);
        assert_eq!(get(&machine, "n").as_deref(), Some(digits));
    }

    #[test]
    fn a_snapshot_restores_the_same_state_whatever_was_there_before() {
        let mut machine = KeyValues::default();
        let _ = machine.apply(&put(&[("a", "1"), ("b", "[2,  3.50]")]));
        let mut other = KeyValues::default();
        let _ = other.apply(&put(&[("z", "9")]));
        other.restore(&machine.snapshot()).expect("a snapshot");
        assert_eq!(other.snapshot(), machine.snapshot());
        assert_eq!(get(&other, "b").as_deref(), Some("[2,  3.50]"));
        assert_eq!(get(&other, "z"), None);
    }

    #[test]
    fn bytes_that_are_no_snapshot_are_refused_and_change_nothing() {
        let mut machine = KeyValues::default();
        let _ = machine.apply(&put(&[("a", "1")]));
        let whole = machine.snapshot();
        let mut torn = whole.clone();
        torn.pop();
        let longer = [&whole[..], &[0]].concat();
        let no_json =
            postcard::to_extend(&BTreeMap::from([("b", "{")]), vec![SNAPSHOT_VERSION]).unwrap();
        for bytes in [&[][..], &torn, &longer, &no_json] {
            assert_eq!(machine.restore(bytes), Err(RestoreError::Malformed));
        }
        assert_eq!(machine.restore(&[7, 0]), Err(RestoreError::UnknownVersion(7)));
        assert_eq!(machine.snapshot(), whole);
    }

    #[test]
    fn an_unreadable_command_is_answered_as_such_and_changes_nothing() {
        let mut machine = KeyValues::default();
        assert_eq!(machine.apply(&put(&[("a", "1")])), Answer::Put);
        let half_wrong = put(&[("a", "2"), ("b", "{no json")]);
        let mut torn = put(&[("a", "3")]);
        torn.truncate(torn.len() - 1);
        let mut longer = put(&[("a", "4")]);
        longer.push(0);
        let cases = [
            (half_wrong, CommandError::Malformed),
            (torn, CommandError::Malformed),
            (longer, CommandError::Malformed),
            (vec![9, 0], CommandError::UnknownVersion(9)),
            (vec![], CommandError::Empty),
        ];
        for (bytes, error) in cases {
            assert_eq!(machine.apply(&bytes), Answer::Unreadable(error));
        }
        assert_eq!(get(&machine, "a").as_deref(), Some("1"));
        assert_eq!(get(&machine, "b"), None);
    }
}
