//! Who gets a vote (Raft 5.2, 5.4.1; thesis 4.2.3, 9.6). Role-independent: every node votes.

use crate::log::Point;
use crate::message::{
    AppendOutcome, AppendReply, Body, Message, PreVote, PreVoteReply, RequestVote, VoteReply,
};
use crate::shared::{Shared, count};
use crate::types::{NodeId, Term};

/// Answers a pre-vote request. Nothing is adopted from it, and nothing is promised by the answer.
pub(crate) fn on_pre_vote(
    shared: &mut Shared,
    from: NodeId,
    asked: Term,
    request: PreVote,
    leader_is_alive: bool,
) {
    let differs = request.doubt.is_some_and(|(id, checksum)| {
        let here = shared.log.point(id.index).filter(|here| here.id.index <= shared.commit);
        here.is_some_and(|here| here != Point { id, checksum })
    });
    if leader_is_alive && !differs {
        return count(&mut shared.counters().leader_alive);
    }
    if !shared.may_vote() && !differs {
        return count(&mut shared.counters().just_started);
    }
    let granted = !differs && asked >= shared.term() && shared.is_up_to_date(request.last);
    let body = Body::PreVoteReply(PreVoteReply { asked, granted, differs });
    shared.post(from, body);
}

/// Answers a vote request of the current term; says whether the vote is given.
pub(crate) fn on_request_vote(shared: &mut Shared, from: NodeId, request: RequestVote) -> bool {
    if !shared.may_vote() {
        count(&mut shared.counters().just_started);
        return false;
    }
    let vote = shared.hard_state.vote;
    let free = vote.is_none_or(|vote| vote == from) || put_back!(TwoVotesInATerm);
    let up_to_date = shared.is_up_to_date(request.last) || put_back!(LogNotComparedInVotes);
    let granted = free && up_to_date;
    if granted {
        shared.set_hard_state(shared.term(), Some(from));
    }
    shared.post(from, Body::VoteReply(VoteReply { granted }));
    granted
}

/// Tells a candidate or a leader of an earlier term that its time is over.
pub(crate) fn answer_old_term(shared: &mut Shared, message: &Message) {
    count(&mut shared.counters().old_term);
    let body = match &message.body {
        Body::RequestVote(_) => Body::VoteReply(VoteReply { granted: false }),
        Body::Append(_) | Body::Heartbeat(_) | Body::SnapshotChunk(_) => {
            Body::AppendReply(AppendReply { session: 0, outcome: AppendOutcome::OldTerm })
        }
        _ => return,
    };
    shared.post(message.from, body);
}
