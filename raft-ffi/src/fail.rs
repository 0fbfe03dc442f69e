//! Errors of the core as status numbers.

use core_raftcore::{
    DecodeError, MembershipError, Misuse, Refused, RejectedMessage, StartError, StoredError,
};

use crate::status::*;

/// Why a call failed: the number it returns, and the text it leaves with the object.
#[derive(Debug)]
pub(crate) struct Fail {
    pub(crate) status: raftcore_status,
    pub(crate) text: String,
}

impl Fail {
    /// A failure of this layer itself; its status says it all.
    pub(crate) fn plain(status: raftcore_status) -> Self {
        Self { status, text: text(status).to_string_lossy().into_owned() }
    }
}

macro_rules! fail_from {
    ($error:ty, $number:ident) => {
        impl From<$error> for Fail {
            fn from(error: $error) -> Self {
                Self { status: $number(&error), text: error.to_string() }
            }
        }
    };
}

fail_from!(Misuse, misuse);
fail_from!(RejectedMessage, rejected);
fail_from!(Refused, refused);
fail_from!(StartError, start);
fail_from!(StoredError, stored);
fail_from!(DecodeError, decode);
fail_from!(MembershipError, membership);

const fn misuse(error: &Misuse) -> raftcore_status {
    match error {
        Misuse::UnknownWrite { .. } => RAFTCORE_STATUS_MISUSE_UNKNOWN_WRITE,
        Misuse::UnknownRequest => RAFTCORE_STATUS_MISUSE_UNKNOWN_REQUEST,
        Misuse::NotHandedOut { .. } => RAFTCORE_STATUS_MISUSE_NOT_HANDED_OUT,
        Misuse::BeyondApplied { .. } => RAFTCORE_STATUS_MISUSE_BEYOND_APPLIED,
        Misuse::WrongAnswer => RAFTCORE_STATUS_MISUSE_WRONG_ANSWER,
        Misuse::Halted { .. } => RAFTCORE_STATUS_MISUSE_HALTED,
        _ => RAFTCORE_STATUS_MISUSE_OTHER,
    }
}

const fn rejected(error: &RejectedMessage) -> raftcore_status {
    match error {
        RejectedMessage::WrongGroup { .. } => RAFTCORE_STATUS_REJECTED_WRONG_GROUP,
        RejectedMessage::WrongNode { .. } => RAFTCORE_STATUS_REJECTED_WRONG_NODE,
        RejectedMessage::FromSelf => RAFTCORE_STATUS_REJECTED_FROM_SELF,
        RejectedMessage::TermOutOfRange { .. } => RAFTCORE_STATUS_REJECTED_TERM_OUT_OF_RANGE,
        RejectedMessage::SecondLeader { .. } => RAFTCORE_STATUS_REJECTED_SECOND_LEADER,
        RejectedMessage::Entries(_) => RAFTCORE_STATUS_REJECTED_ENTRIES,
        RejectedMessage::Sequence { .. } => RAFTCORE_STATUS_REJECTED_SEQUENCE,
        RejectedMessage::ContradictsCommitted { .. } => {
            RAFTCORE_STATUS_REJECTED_CONTRADICTS_COMMITTED
        }
        RejectedMessage::Diverged { .. } => RAFTCORE_STATUS_REJECTED_DIVERGED,
        RejectedMessage::BeyondLog { .. } => RAFTCORE_STATUS_REJECTED_BEYOND_LOG,
        RejectedMessage::Snapshot { .. } => RAFTCORE_STATUS_REJECTED_SNAPSHOT,
        RejectedMessage::Halted { .. } => RAFTCORE_STATUS_REJECTED_HALTED,
        _ => RAFTCORE_STATUS_REJECTED_OTHER,
    }
}

const fn refused(error: &Refused) -> raftcore_status {
    match error {
        Refused::NotLeader { .. } => RAFTCORE_STATUS_REFUSED_NOT_LEADER,
        Refused::Busy { .. } => RAFTCORE_STATUS_REFUSED_BUSY,
        Refused::TooLarge { .. } => RAFTCORE_STATUS_REFUSED_TOO_LARGE,
        Refused::ChangeInProgress => RAFTCORE_STATUS_REFUSED_CHANGE_IN_PROGRESS,
        Refused::StaleMembership { .. } => RAFTCORE_STATUS_REFUSED_STALE_MEMBERSHIP,
        Refused::Membership(_) => RAFTCORE_STATUS_REFUSED_MEMBERSHIP,
        Refused::TooManyReads { .. } => RAFTCORE_STATUS_REFUSED_TOO_MANY_READS,
        Refused::TransferInProgress { .. } => RAFTCORE_STATUS_REFUSED_TRANSFER_IN_PROGRESS,
        Refused::NotVoter { .. } => RAFTCORE_STATUS_REFUSED_NOT_VOTER,
        Refused::MayNotCampaign => RAFTCORE_STATUS_REFUSED_MAY_NOT_CAMPAIGN,
        Refused::LeaderAlive { .. } => RAFTCORE_STATUS_REFUSED_LEADER_ALIVE,
        Refused::Halted { .. } => RAFTCORE_STATUS_REFUSED_HALTED,
        _ => RAFTCORE_STATUS_REFUSED_OTHER,
    }
}

const fn start(error: &StartError) -> raftcore_status {
    match error {
        StartError::Config(_) => RAFTCORE_STATUS_START_CONFIG,
        StartError::Membership(_) => RAFTCORE_STATUS_START_MEMBERSHIP,
        StartError::NothingStored => RAFTCORE_STATUS_START_NOTHING_STORED,
        StartError::AppliedBeyondLog { .. } => RAFTCORE_STATUS_START_APPLIED_BEYOND_LOG,
        StartError::OutOfRange => RAFTCORE_STATUS_START_OUT_OF_RANGE,
        _ => RAFTCORE_STATUS_START_OTHER,
    }
}

const fn stored(error: &StoredError) -> raftcore_status {
    match error {
        StoredError::ForeignIdentity { .. } => RAFTCORE_STATUS_STORED_FOREIGN_IDENTITY,
        StoredError::OutOfOrder { .. } => RAFTCORE_STATUS_STORED_OUT_OF_ORDER,
        StoredError::HardStateFell { .. } => RAFTCORE_STATUS_STORED_HARD_STATE_FELL,
        StoredError::Gap { .. } => RAFTCORE_STATUS_STORED_GAP,
        StoredError::Entries(_) => RAFTCORE_STATUS_STORED_ENTRIES,
        StoredError::OutsideLog { .. } => RAFTCORE_STATUS_STORED_OUTSIDE_LOG,
        StoredError::EntryFromFuture { .. } => RAFTCORE_STATUS_STORED_ENTRY_FROM_FUTURE,
        StoredError::NoMembership => RAFTCORE_STATUS_STORED_NO_MEMBERSHIP,
        StoredError::Snapshot { .. } => RAFTCORE_STATUS_STORED_SNAPSHOT,
        StoredError::Trimmed { .. } => RAFTCORE_STATUS_STORED_TRIMMED,
        _ => RAFTCORE_STATUS_STORED_OTHER,
    }
}

const fn decode(error: &DecodeError) -> raftcore_status {
    match error {
        DecodeError::Truncated => RAFTCORE_STATUS_DECODE_TRUNCATED,
        DecodeError::Trailing => RAFTCORE_STATUS_DECODE_TRAILING,
        DecodeError::TooLarge { .. } => RAFTCORE_STATUS_DECODE_TOO_LARGE,
        DecodeError::UnknownVersion { .. } => RAFTCORE_STATUS_DECODE_UNKNOWN_VERSION,
        DecodeError::UnknownKind { .. } => RAFTCORE_STATUS_DECODE_UNKNOWN_KIND,
        DecodeError::Checksum => RAFTCORE_STATUS_DECODE_CHECKSUM,
        DecodeError::Head => RAFTCORE_STATUS_DECODE_HEAD,
        DecodeError::Entries(_) => RAFTCORE_STATUS_DECODE_ENTRIES,
        DecodeError::Membership(_) => RAFTCORE_STATUS_DECODE_MEMBERSHIP,
        _ => RAFTCORE_STATUS_DECODE_OTHER,
    }
}

const fn membership(error: &MembershipError) -> raftcore_status {
    match error {
        MembershipError::NoVoter => RAFTCORE_STATUS_MEMBERSHIP_NO_VOTER,
        MembershipError::TooManyVoters => RAFTCORE_STATUS_MEMBERSHIP_TOO_MANY_VOTERS,
        MembershipError::TooManyMembers => RAFTCORE_STATUS_MEMBERSHIP_TOO_MANY_MEMBERS,
        MembershipError::Duplicate { .. } => RAFTCORE_STATUS_MEMBERSHIP_DUPLICATE,
        MembershipError::Unsorted => RAFTCORE_STATUS_MEMBERSHIP_UNSORTED,
        MembershipError::ContextTooLong { .. } => RAFTCORE_STATUS_MEMBERSHIP_CONTEXT_TOO_LONG,
        MembershipError::VoterPromoted { .. } => RAFTCORE_STATUS_MEMBERSHIP_VOTER_PROMOTED,
        _ => RAFTCORE_STATUS_MEMBERSHIP_OTHER,
    }
}
