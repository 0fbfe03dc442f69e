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
    use super::{default_config, node::Node, panic_behind_the_guard, stored::Stored};
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

/// Panics behind the guard, to show what a bug in the library comes to.
#[pyfunction]
fn panic_behind_the_guard(py: Python<'_>) -> PyResult<()> {
    guard::Guarded::new(()).with(py, |()| panic!("on purpose"))
}
