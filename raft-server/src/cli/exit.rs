//! Exit codes, and what leads to them.

use std::process::ExitCode;

use raftcore_server::api::ErrorKind;
use raftcore_server::{SettingsError, StartError, StopReason, StoreError};

/// The exit codes, as `--help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    Other = 1,
    Usage = 2,
    Address = 3,
    Folder = 4,
    FolderInUse = 5,
    ForeignData = 6,
    DamagedData = 7,
    Stopped = 8,
    OtherFormat = 9,
    NoLeader = 10,
    NoAnswer = 11,
    Unknown = 12,
    NoKey = 13,
    Refused = 14,
    Violation = 15,
    Recording = 16,
    NoMember = 17,
}

impl Code {
    /// The code with this number, as a child process gave it.
    pub(crate) fn from_number(number: i32) -> Self {
        let all = [
            Self::Usage,
            Self::Address,
            Self::Folder,
            Self::FolderInUse,
            Self::ForeignData,
            Self::DamagedData,
            Self::Stopped,
            Self::OtherFormat,
            Self::NoAnswer,
        ];
        all.into_iter().find(|&code| code as i32 == number).unwrap_or(Self::Other)
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// One clear line, and the exit code.
#[derive(Debug)]
pub(crate) struct Fail {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Fail {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<StoreError> for Fail {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Unusable { .. } => Code::Folder,
            StoreError::InUse { .. } => Code::FolderInUse,
            StoreError::Foreign { .. } => Code::ForeignData,
            StoreError::Damaged { .. } => Code::DamagedData,
            StoreError::OtherFormat { .. } => Code::OtherFormat,
            _ => Code::Stopped,
        };
        Self::new(code, error.to_string())
    }
}

impl From<SettingsError> for Fail {
    fn from(error: SettingsError) -> Self {
        let code = match error {
            SettingsError::Write { .. } => Code::Folder,
            _ => Code::Usage,
        };
        Self::new(code, error.to_string())
    }
}

impl From<StartError> for Fail {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Address { .. } => Self::new(Code::Address, error.to_string()),
            StartError::Store(error) => error.into(),
            StartError::Settings(error) => error.into(),
            StartError::Join { .. } => Self::new(Code::NoAnswer, error.to_string()),
            StartError::Node(_) => Self::new(Code::DamagedData, error.to_string()),
            error => Self::new(Code::Other, error.to_string()),
        }
    }
}

impl From<StopReason> for Fail {
    fn from(reason: StopReason) -> Self {
        Self::new(Code::Stopped, reason.to_string())
    }
}

impl From<ErrorKind> for Code {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::WrongJson
            | ErrorKind::WrongRequest
            | ErrorKind::WrongMembers
            | ErrorKind::TooLarge => Self::Refused,
            ErrorKind::UnknownMember => Self::NoMember,
            ErrorKind::UnknownKey => Self::NoKey,
            ErrorKind::NoLeader
            | ErrorKind::Busy
            | ErrorKind::Overwritten
            | ErrorKind::Stopping => Self::NoLeader,
            ErrorKind::UnknownOutcome => Self::Unknown,
            _ => Self::Other,
        }
    }
}
