//! `raftcore.Config`, read attribute by attribute.

use pyo3::prelude::*;
use pyo3::types::PyDict;

macro_rules! config {
    ($($field:ident: $type:ty),* $(,)?) => {
        /// The attributes of a `raftcore.Config`.
        #[derive(FromPyObject)]
        pub(crate) struct Config {
            $($field: $type,)*
        }

        impl From<Config> for raftcore::Config {
            fn from(config: Config) -> Self {
                Self { $($field: config.$field,)* }
            }
        }

        /// The defaults of the core.
        pub(crate) fn default_config(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
            let config = raftcore::Config::default();
            let fields = PyDict::new(py);
            $(fields.set_item(stringify!($field), config.$field)?;)*
            Ok(fields)
        }
    };
}

config! {
    seed: u64,
    election_ticks_min: u32,
    election_ticks_max: u32,
    heartbeat_ticks: u32,
    pre_vote: bool,
    check_quorum: bool,
    max_payload_bytes: usize,
    max_append_bytes: usize,
    max_write_bytes: usize,
    max_apply_bytes: usize,
    max_in_flight_messages: usize,
    max_in_flight_bytes: usize,
    max_uncommitted_bytes: usize,
    max_undurable_bytes: usize,
    max_writes_in_flight: usize,
    max_reads: usize,
    read_ticks_max: u32,
    lease_drift_ticks: Option<u32>,
    disk_stall_ticks: u32,
    priority: u32,
    max_chunk_bytes: usize,
    max_retained_bytes: usize,
    window_bytes: usize,
}
