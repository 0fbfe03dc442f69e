//! A value behind a lock and a stop for panics.

use core::any::Any;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Mutex;

use pyo3::prelude::*;

use crate::errors;

/// A value that one call at a time may use. A panic poisons it.
pub(crate) struct Guarded<T>(Mutex<T>);

impl<T> Guarded<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Runs a call on the value. The call must not run Python code: that could need the value again.
    pub(crate) fn with<R>(&self, py: Python<'_>, call: impl FnOnce(&mut T) -> R) -> PyResult<R> {
        let locked = AssertUnwindSafe(|| self.0.lock().ok().map(|mut value| call(&mut value)));
        match catch_unwind(locked) {
            Ok(Some(result)) => Ok(result),
            Ok(None) => Err(errors::internal(py, "an earlier call panicked", "Poisoned")),
            Err(panic) => Err(errors::internal(py, said(panic.as_ref()), "Panic")),
        }
    }
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("panic")
}
