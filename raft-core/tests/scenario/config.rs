//! Settings of nodes, as transcripts name them.

use super::args::Args;
use raftcore::Config;

/// Settings a transcript may name; all others keep their defaults.
pub const SETTINGS: [&str; 20] = [
    "prevote",
    "checkquorum",
    "seed",
    "election",
    "heartbeat",
    "append-bytes",
    "write-bytes",
    "apply-bytes",
    "in-flight",
    "in-flight-bytes",
    "uncommitted-bytes",
    "undurable-bytes",
    "chunk-bytes",
    "retained-bytes",
    "writes",
    "lease-drift",
    "read-ticks",
    "disk-stall",
    "priority",
    "window-bytes",
];

/// Changes the settings that the command names.
pub fn change(config: &mut Config, args: &Args) -> Result<(), String> {
    for (key, value) in args.options() {
        let on = || match value {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err(format!("{key} is on or off, not {value}")),
        };
        let number = || value.parse().map_err(|_| format!("{key}: not a number: {value}"));
        match key {
            "prevote" => config.pre_vote = on()?,
            "checkquorum" => config.check_quorum = on()?,
            "seed" => config.seed = number()? as u64,
            "election" => {
                let (min, max) = value.split_once("..").ok_or("election is like 20..40")?;
                let number = |text: &str| text.parse().map_err(|_| format!("not a number: {text}"));
                config.election_ticks_min = number(min)?;
                config.election_ticks_max = number(max)?;
            }
            "heartbeat" => config.heartbeat_ticks = number()? as u32,
            "append-bytes" => config.max_append_bytes = number()?,
            "write-bytes" => config.max_write_bytes = number()?,
            "apply-bytes" => config.max_apply_bytes = number()?,
            "in-flight" => config.max_in_flight_messages = number()?,
            "in-flight-bytes" => config.max_in_flight_bytes = number()?,
            "uncommitted-bytes" => config.max_uncommitted_bytes = number()?,
            "chunk-bytes" => config.max_chunk_bytes = number()?,
            "retained-bytes" => config.max_retained_bytes = number()?,
            "undurable-bytes" => config.max_undurable_bytes = number()?,
            "writes" => config.max_writes_in_flight = number()?,
            "lease-drift" => config.lease_drift_ticks = Some(number()? as u32),
            "read-ticks" => config.read_ticks_max = number()? as u32,
            "disk-stall" => config.disk_stall_ticks = number()? as u32,
            "priority" => config.priority = number()? as u32,
            "window-bytes" => config.window_bytes = number()?,
            _ => {}
        }
    }
    config.validate().map_err(|error| error.to_string())
}
