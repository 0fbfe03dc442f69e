//! Leader election (Raft 5.2).
mod support;
use raftcore::Config;
use support::lab::Lab;

#[test]
fn x() {
    let mut lab = Lab::new(3, &Config::default());
    lab.preload(2, &[1, 1, 2, 4], 5);
    lab.elect(1);
}
