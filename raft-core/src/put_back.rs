//! Bugs of other libraries that can be put back, to prove that the checks find them.
//!
//! Only under the feature `put-back`; without it each question is a constant `false`.

/// The bugs, listed once.
macro_rules! bugs {
    ($($bug:ident,)*) => {
        /// A bug that shipped somewhere, or nearly did.
        #[doc(hidden)]
        #[allow(missing_docs, reason = "the name says what is wrong")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum PutBack {
            $($bug,)*
        }

        impl PutBack {
            /// All of them.
            pub const ALL: [Self; [$(Self::$bug,)*].len()] = [$(Self::$bug,)*];
        }
    };
}

bugs! {
    CommitOfEarlierTerms,
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

impl PutBack {
    /// Puts this bug back in the whole process, or takes all out again.
    pub fn switch(bug: Option<Self>) {
        ACTIVE.store(bug.map_or(NONE, |bug| bug as u8), core::sync::atomic::Ordering::SeqCst);
    }
}

const NONE: u8 = u8::MAX;
static ACTIVE: core::sync::atomic::AtomicU8 = core::sync::atomic::AtomicU8::new(NONE);

pub(crate) fn is_active(bug: PutBack) -> bool {
    ACTIVE.load(core::sync::atomic::Ordering::Relaxed) == bug as u8
}

/// Whether the named bug is put back.
macro_rules! put_back {
    ($bug:ident) => {
        $crate::put_back::is_active($crate::put_back::PutBack::$bug)
    };
}
