//! Runs and campaigns as a user of the library sees them.

use core::sync::atomic::{AtomicU64, Ordering};

use raftcore_sim::{
    Campaign, CampaignError, ConfigError, FaultKind, NODES, RunError, SimConfig, run,
};

fn config(seed: u64, steps: u64) -> SimConfig {
    SimConfig { seed, steps, ..SimConfig::default() }
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let first = run(&config(11, 4_000)).unwrap();
    let again = run(&config(11, 4_000)).unwrap();
    let other = run(&config(12, 4_000)).unwrap();
    assert_eq!(first, again);
    assert_ne!(first.digest, other.digest);
}

#[test]
fn clusters_of_every_size_recover_from_their_faults() {
    for nodes in NODES {
        for seed in 0..8 {
            let config = SimConfig { nodes: Some(nodes), ..config(seed, 3_000) };
            let report = run(&config).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(report.nodes, nodes);
            assert!(report.steps >= 3_000);
            assert!(report.commits > 0);
        }
    }
}

#[test]
fn a_short_campaign_is_clean_and_sees_every_fault_and_many_commits() {
    let campaign = Campaign { first: config(0, 5_000), seeds: 150, threads: None };
    let calls = AtomicU64::new(0);
    let totals = campaign
        .run(|progress| {
            assert_eq!(progress.seeds_done, calls.fetch_add(1, Ordering::Relaxed) + 1);
            assert_eq!(progress.seeds, 150);
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(calls.into_inner(), 150);
    assert!(totals.faults.iter().all(|(_, count)| count > 0));
    assert!(totals.median_commits >= 100, "{}", totals.median_commits);
    assert!(totals.median_leader_changes >= 1);
    assert!(totals.median_steps >= 5_000);
}

#[test]
fn a_campaigns_digest_does_not_depend_on_its_threads() {
    let digest = |threads| {
        let campaign = Campaign { first: config(40, 1_500), seeds: 12, threads: Some(threads) };
        campaign.run(|_| ()).unwrap().digest
    };
    assert_eq!(digest(1), digest(3));
}

#[test]
fn a_campaign_in_which_a_fault_never_fired_fails_and_names_it() {
    let campaign = Campaign { first: config(0, 10), seeds: 100, threads: None };
    let error = campaign.run(|_| ()).unwrap_err();
    let CampaignError::FaultNeverFired { kind, seeds, totals } = &error else {
        panic!("{error}");
    };
    assert_eq!((*seeds, totals.faults[*kind]), (100, 0));
    assert!(error.to_string().contains(kind.name()));
}

#[test]
fn a_campaign_of_single_founders_sees_them_join_others() {
    let first = SimConfig { nodes: Some(1), ..config(0, 4_000) };
    let totals = Campaign { first, seeds: 120, threads: None }.run(|_| ()).unwrap();
    assert!(totals.faults[FaultKind::AddedVoter] > 0);
    assert!(totals.faults[FaultKind::FailedSync] > 0);
}

#[test]
fn without_faults_nothing_goes_wrong() {
    let report = run(&SimConfig { faults: false, nodes: Some(3), ..config(5, 5_000) }).unwrap();
    assert_eq!(report.faults.total(), 0);
    assert_eq!((report.restarts, report.leader_changes), (0, 0));
    assert!(report.commits >= 100);
}

#[test]
fn what_cannot_be_run_is_refused_by_name() {
    for nodes in [0, 8] {
        let config = SimConfig { nodes: Some(nodes), ..SimConfig::default() };
        assert_eq!(run(&config), Err(RunError::Config(ConfigError::Nodes { nodes })));
        let error = Campaign { first: config, ..Campaign::default() }.run(|_| ()).unwrap_err();
        assert_eq!(error, CampaignError::Config(ConfigError::Nodes { nodes }));
    }
    let refused = |first, seeds| Campaign { first, seeds, threads: None }.run(|_| ()).unwrap_err();
    assert_eq!(refused(config(0, 1), 0), CampaignError::Config(ConfigError::NoSeeds));
    let beyond = refused(config(u64::MAX, 1), 2);
    assert_eq!(beyond, CampaignError::Config(ConfigError::SeedRange));
}
