//! The native half of the Python package `raftcore`: a private module behind a typed Python face.
//!
//! Errors, outputs and enums are defined in Python; this module makes and raises them. It never calls
//! Python while it holds a lock, and a panic becomes `raftcore.InternalError`.

mod config;
mod convert;
mod errors;
mod guard;
mod node;
mod outputs;
mod stored;

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The native half of `raftcore`; private.
#[pymodule(gil_used = false)]
mod _raftcore {
    #[pymodule_export]
    use super::{
        default_config, node::Node, panic_behind_the_guard, record_entries, stored::Stored,
    };
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

/// The defaults of the core, by the names of `raftcore.Config`.
#[pyfunction]
fn default_config(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    config::default_config(py)
}

/// Which entries the record at the front of `data` holds, first and last, and how long it is: for a
/// host that must find the records of a `ReadLog` again. Without entries both indexes are 0.
#[pyfunction]
fn record_entries(data: &Bound<'_, PyAny>) -> PyResult<(u64, u64, usize)> {
    let record = stored::first_record(data)?;
    let (write, length) = errors::raised(data.py(), raftcore::Write::decode(&record))?;
    let entries = &write.entries;
    let range = (!entries.is_empty()).then(|| (entries.first().get(), entries.last().get()));
    let (first, last) = range.unwrap_or_default();
    Ok((first, last, length))
}

/// Panics behind the guard, to show what a bug in the library comes to.
#[pyfunction]
fn panic_behind_the_guard(py: Python<'_>) -> PyResult<()> {
    guard::Guarded::new(()).with(py, |()| panic!("on purpose"))
}
