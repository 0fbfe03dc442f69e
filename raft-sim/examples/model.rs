//! dev
use raftcore_sim::model::*;
fn main() {
    let mut args = std::env::args().skip(1);
    let mut scope = Scope::named(&args.next().unwrap()).unwrap().clone();
    let mut limits = Limits { states: 50_000_000, ..Limits::default() };
    for a in args {
        let (k, v) = a.split_once('=').unwrap();
        let n: u64 = v.parse().unwrap();
        match k {
            "terms" => scope.terms = n,
            "timeouts" => scope.timeouts = n as u8,
            "beats" => scope.heartbeats = n as u8,
            "props" => scope.proposals = n as u8,
            "crashes" => scope.crashes = n as u8,
            "slow" => scope.slow_disks = n > 0,
            "wif" => scope.writes_in_flight = n as usize,
            "pv" => scope.pre_vote = n > 0,
            "cq" => scope.check_quorum = n > 0,
            "transfers" => scope.transfers = n as u8,
            #[cfg(feature = "put-back")]
            "bug" => raftcore::PutBack::switch(Some(raftcore::PutBack::ALL[n as usize - 1])),
            "changes" => {
                let all: [&'static [&'static [u64]]; 6] = [
                    &[],
                    &[&[1, 2]],
                    &[&[1, 3]],
                    &[&[2, 3]],
                    &[&[1, 2, 3]],
                    &[&[1, 2], &[1, 2, 3]],
                ];
                scope.changes = all[n as usize]
            }
            "founders" => scope.founders = [&[][..], &[1], &[1, 2], &[1, 2, 3]][n as usize],
            "nodes" => scope.nodes = n as usize,
            "max" => limits.states = n as usize,
            "depth" => limits.depth = n as usize,
            _ => panic!(),
        }
    }
    match search(&scope, limits, |d| eprintln!("{d:?}")) {
        Ok(d) => eprintln!("{d:?}"),
        Err(c) => println!("{c}"),
    }
}
