//! Errors of the core as exceptions of `raftcore.errors`.

use core::fmt::{Debug, Display};

use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use raftcore::{
    DecodeError, MembershipError, Misuse, NodeId, Refused, RejectedMessage, StartError, StoredError,
};

/// An error that has an exception in Python.
pub(crate) trait Raise {
    /// The exception.
    fn raise(self, py: Python<'_>) -> PyErr;
}

/// Turns the error of a result into its exception.
pub(crate) fn raised<T, E: Raise>(py: Python<'_>, result: Result<T, E>) -> PyResult<T> {
    result.map_err(|error| error.raise(py))
}

/// A bug in the library.
pub(crate) fn internal(py: Python<'_>, text: &str, kind: &str) -> PyErr {
    exception(py, "InternalError", (text, kind))
}

/// What is wrong with how Python used this layer.
pub(crate) fn misuse(py: Python<'_>, text: &str, kind: &str) -> PyErr {
    exception(py, "Misuse", (text, kind))
}

fn exception<'py>(py: Python<'py>, class: &str, fields: impl PyCallArgs<'py>) -> PyErr {
    let made = py.import("raftcore.errors").and_then(|errors| errors.getattr(class)?.call1(fields));
    made.map_or_else(|failed| failed, PyErr::from_value)
}

/// The name of an error's case, as in Rust.
fn kind(error: &impl Debug) -> String {
    let text = format!("{error:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

macro_rules! raise_as {
    ($error:ty, $class:literal) => {
        impl Raise for $error {
            fn raise(self, py: Python<'_>) -> PyErr {
                plain(py, $class, &self)
            }
        }
    };
}

raise_as!(DecodeError, "DecodeError");
raise_as!(MembershipError, "MembershipError");
raise_as!(Misuse, "Misuse");
raise_as!(RejectedMessage, "RejectedMessage");
raise_as!(StartError, "StartError");
raise_as!(StoredError, "StoredError");

fn plain(py: Python<'_>, class: &str, error: &(impl Display + Debug)) -> PyErr {
    exception(py, class, (error.to_string(), kind(error)))
}

impl Raise for Refused {
    fn raise(self, py: Python<'_>) -> PyErr {
        let (text, kind) = (self.to_string(), kind(&self));
        match self {
            Self::NotLeader { leader } => {
                exception(py, "NotLeader", (text, kind, leader.map(NodeId::get)))
            }
            Self::Busy { uncommitted_bytes } => {
                exception(py, "Busy", (text, kind, uncommitted_bytes))
            }
            Self::TooLarge { bytes, max } => exception(py, "TooLarge", (text, kind, bytes, max)),
            Self::ChangeInProgress => exception(py, "ChangeInProgress", (text, kind)),
            Self::StaleMembership { based_on, current } => {
                let fields = (text, kind, based_on.get(), current.get());
                exception(py, "StaleMembership", fields)
            }
            Self::TooManyReads { open } => exception(py, "TooManyReads", (text, kind, open)),
            Self::TransferInProgress { to } => {
                exception(py, "TransferInProgress", (text, kind, to.get()))
            }
            Self::NotVoter { node } => exception(py, "NotVoter", (text, kind, node.get())),
            Self::MayNotCampaign => exception(py, "MayNotCampaign", (text, kind)),
            Self::LeaderAlive { leader } => {
                exception(py, "LeaderAlive", (text, kind, leader.get()))
            }
            Self::Halted { .. } => exception(py, "NodeHalted", (text, kind)),
            _ => exception(py, "Refused", (text, kind)),
        }
    }
}
