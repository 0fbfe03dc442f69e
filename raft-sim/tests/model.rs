//! Small scopes as a whole; the larger ones are for the command `raftcore model`.

use raftcore_sim::model::{Limits, Scope, search};

#[test]
fn every_state_of_every_quick_scope_keeps_every_property() {
    for scope in Scope::ALL.iter().filter(|scope| scope.quick) {
        let searched = search(scope, Limits::default(), |_| ());
        let searched = searched.unwrap_or_else(|example| panic!("{}: {example}", scope.name));
        println!("{}: {searched:?}", scope.name);
        assert!(searched.exhausted, "{}", scope.name);
        assert!(searched.committed_max > 0, "{}: nothing was committed", scope.name);
        assert!(searched.term_max as u64 >= scope.terms, "{}: too few leaders", scope.name);
    }
}

#[test]
fn a_search_stops_at_its_limits_and_says_that_states_wait() {
    let scope = Scope::named("start").unwrap();
    let whole = search(scope, Limits::default(), |_| ()).unwrap();
    assert_eq!((whole.exhausted, whole.waiting), (true, 0));

    let shallow = search(scope, Limits { depth: 5, ..Limits::default() }, |_| ()).unwrap();
    assert!(!shallow.exhausted && shallow.waiting > 0 && shallow.depth == 5);
    let few = search(scope, Limits { states: 100, ..Limits::default() }, |_| ()).unwrap();
    assert!(!few.exhausted && few.waiting > 0 && few.states < whole.states);
}

#[test]
fn a_search_visits_the_same_states_each_time() {
    let scope = Scope::named("start").unwrap();
    let mut depths = Vec::new();
    let first = search(scope, Limits::default(), |so_far| depths.push(so_far.states)).unwrap();
    let again = search(scope, Limits::default(), |_| ()).unwrap();
    assert_eq!((first.states, first.steps, first.nodes), (again.states, again.steps, again.nodes));
    assert_eq!(depths.len(), first.depth);
    assert!(depths.is_sorted());
}

#[test]
fn scopes_have_names_of_their_own() {
    for scope in Scope::ALL {
        assert_eq!(Scope::named(scope.name), Some(scope));
    }
    assert_eq!(Scope::named("nothing"), None);
}
