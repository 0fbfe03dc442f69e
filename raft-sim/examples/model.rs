//! dev
use raftcore_sim::model::*;
fn main() {
    let mut args = std::env::args().skip(1);
    let mut scope = Scope::named(&args.next().unwrap()).unwrap().clone();
    let limits = Limits { states: 20_000_000, ..Limits::default() };
    for a in args {
        let (k, v) = a.split_once('=').unwrap();
        let n: u64 = v.parse().unwrap();
        match k { "terms" => scope.terms = n, "timeouts" => scope.timeouts = n as u8, "beats" => scope.heartbeats = n as u8,
          "props" => scope.proposals = n as u8, "crashes" => scope.crashes = n as u8,
          "slow" => scope.slow_disks = n > 0, "wif" => scope.writes_in_flight = n as usize, "pv" => scope.pre_vote = n>0, "cq" => scope.check_quorum = n>0,
          "transfers" => scope.transfers = n as u8,
          _ => panic!() }
    }
    match search(&scope, limits, |d| eprintln!("{d:?}")) {
        Ok(d) => eprintln!("{d:?}"),
        Err(c) => println!("{c}"),
    }
}
