//! Bugs of other libraries that can be put back, to prove that the checks find them.
//!
//! Only under the feature `put-back`; otherwise each question is a constant `false`.

/// A bug that shipped somewhere, or nearly did.
#[cfg(feature = "put-back")]
#[doc(hidden)]
#[allow(missing_docs, reason = "the name says what is wrong")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PutBack {
    CommitOfEarlierTerms = 1,
    VoteBeforeDurable,
    VoteForgottenOnRestart,
    TwoVotesInATerm,
    LogNotComparedInVotes,
    VoteRequestBeforeDurable,
    OwnVoteBeforeDurable,
    ReplyBeforeDurable,
    ReplyWithLastIndex,
    CommitBeyondVerified,
    OwnMatchBeforeDurable,
    LateAcknowledgementCounts,
    TruncateWithoutConflict,
    PreviousTermIgnored,
    RepliesOfOldTermsCount,
    ApplyBeforeDurable,
    ChangeBeforeOwnCommit,
    ReadBeforeOwnCommit,
    EarlierEchoConfirmsRead,
    LeaseAfterTimeoutNow,
    JointCountsOneQuorum,
    MembershipNotRolledBack,
    RemovedVoterNeverRuns,
    OverwrittenMeansLost,
    PiecesOfTwoSnapshots,
    ResetKeepsTickets,
    RestoreBeforeDurable,
    NewestMembershipInSnapshot,
    CompactedAppendedAgain,
    UnknownMeansLost,
    EvictsUndurable,
    OvertakenAnswerCounts,
    ShortAnswerCountsAsWhole,
    ReadErrorSentAsAppend,
    DiscardBeyondSnapshot,
    SnapshotNamedBeforeWhole,
    ResumedWithoutBeginning,
    OlderSnapshotInstalled,
    SnapshotDropsSuffix,
    DiscardForgetsMembership,
    LostPieceNeverSentAgain,
    ReleasedWhileShipped,
    TornResetIgnored,
}

#[cfg(feature = "put-back")]
impl PutBack {
    /// All of them.
    pub const ALL: [Self; 43] = [
        Self::CommitOfEarlierTerms,
        Self::VoteBeforeDurable,
        Self::VoteForgottenOnRestart,
        Self::TwoVotesInATerm,
        Self::LogNotComparedInVotes,
        Self::VoteRequestBeforeDurable,
        Self::OwnVoteBeforeDurable,
        Self::ReplyBeforeDurable,
        Self::ReplyWithLastIndex,
        Self::CommitBeyondVerified,
        Self::OwnMatchBeforeDurable,
        Self::LateAcknowledgementCounts,
        Self::TruncateWithoutConflict,
        Self::PreviousTermIgnored,
        Self::RepliesOfOldTermsCount,
        Self::ApplyBeforeDurable,
        Self::ChangeBeforeOwnCommit,
        Self::ReadBeforeOwnCommit,
        Self::EarlierEchoConfirmsRead,
        Self::LeaseAfterTimeoutNow,
        Self::JointCountsOneQuorum,
        Self::MembershipNotRolledBack,
        Self::RemovedVoterNeverRuns,
        Self::OverwrittenMeansLost,
        Self::PiecesOfTwoSnapshots,
        Self::ResetKeepsTickets,
        Self::RestoreBeforeDurable,
        Self::NewestMembershipInSnapshot,
        Self::CompactedAppendedAgain,
        Self::UnknownMeansLost,
        Self::EvictsUndurable,
        Self::OvertakenAnswerCounts,
        Self::ShortAnswerCountsAsWhole,
        Self::ReadErrorSentAsAppend,
        Self::DiscardBeyondSnapshot,
        Self::SnapshotNamedBeforeWhole,
        Self::ResumedWithoutBeginning,
        Self::OlderSnapshotInstalled,
        Self::SnapshotDropsSuffix,
        Self::DiscardForgetsMembership,
        Self::LostPieceNeverSentAgain,
        Self::ReleasedWhileShipped,
        Self::TornResetIgnored,
    ];

    /// Puts this bug back in the whole process, or takes all out again.
    pub fn switch(bug: Option<Self>) {
        ACTIVE.store(bug.map_or(0, |bug| bug as u8), core::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(feature = "put-back")]
static ACTIVE: core::sync::atomic::AtomicU8 = core::sync::atomic::AtomicU8::new(0);

#[cfg(feature = "put-back")]
pub(crate) fn is_active(bug: PutBack) -> bool {
    ACTIVE.load(core::sync::atomic::Ordering::Relaxed) == bug as u8
}

/// Whether the named bug is put back.
#[cfg(feature = "put-back")]
macro_rules! put_back {
    ($bug:ident) => {
        $crate::put_back::is_active($crate::put_back::PutBack::$bug)
    };
}

/// Whether the named bug is put back: never.
#[cfg(not(feature = "put-back"))]
macro_rules! put_back {
    ($bug:ident) => {
        false
    };
}
