//! Status numbers: what every fallible function returns. A number is never reused.

use core::ffi::{CStr, c_char};

/// What a call came to: `RAFTCORE_STATUS_OK`, or a number that names one error for ever.
///
/// Its hundreds are its class: see `raftcore_status_class`. Numbers may be added, never changed.
pub type raftcore_status = u32;

/// Class of `RAFTCORE_STATUS_OK`.
pub const RAFTCORE_CLASS_OK: u32 = 0;
/// Class of errors: the caller broke the contract; nothing was changed.
pub const RAFTCORE_CLASS_MISUSE: u32 = 1;
/// Class of errors: a peer's message is wrong; nothing was adopted from it.
pub const RAFTCORE_CLASS_REJECTED: u32 = 2;
/// Class of errors: not now, or not here; nothing was changed.
pub const RAFTCORE_CLASS_REFUSED: u32 = 3;
/// Class of errors: a node cannot start.
pub const RAFTCORE_CLASS_START: u32 = 4;
/// Class of errors: stored writes do not fold into a state.
pub const RAFTCORE_CLASS_STORED: u32 = 5;
/// Class of errors: bytes are not a message or a write.
pub const RAFTCORE_CLASS_DECODE: u32 = 6;
/// Class of errors: a membership cannot be.
pub const RAFTCORE_CLASS_MEMBERSHIP: u32 = 7;
/// Class of errors: a bug in the library.
pub const RAFTCORE_CLASS_INTERNAL: u32 = 9;

/// Done.
pub const RAFTCORE_STATUS_OK: raftcore_status = 0;

/// A pointer that must not be NULL is.
pub const RAFTCORE_STATUS_NULL: raftcore_status = 100;
/// A number stands for none of the constants it is taken from.
pub const RAFTCORE_STATUS_UNKNOWN_NUMBER: raftcore_status = 101;
/// `raftcore_config.size` is not one that this library knows: header and library differ.
pub const RAFTCORE_STATUS_CONFIG_SIZE: raftcore_status = 102;
/// The caller's buffer is too small; nothing was copied.
pub const RAFTCORE_STATUS_BUFFER_TOO_SMALL: raftcore_status = 103;
/// A getter was used on an output of another kind.
pub const RAFTCORE_STATUS_WRONG_KIND: raftcore_status = 104;
/// A position is beyond the number of elements.
pub const RAFTCORE_STATUS_OUT_OF_BOUNDS: raftcore_status = 105;
/// A node was started from this `raftcore_stored` already; it serves once.
pub const RAFTCORE_STATUS_ALREADY_STARTED: raftcore_status = 106;
/// A length is larger than any buffer can be.
pub const RAFTCORE_STATUS_TOO_LONG: raftcore_status = 107;
/// A completion names a write that was never handed out.
pub const RAFTCORE_STATUS_MISUSE_UNKNOWN_WRITE: raftcore_status = 120;
/// A completion names a request that was never made.
pub const RAFTCORE_STATUS_MISUSE_UNKNOWN_REQUEST: raftcore_status = 121;
/// `raftcore_node_applied` names an entry that was not handed out.
pub const RAFTCORE_STATUS_MISUSE_NOT_HANDED_OUT: raftcore_status = 122;
/// `raftcore_node_snapshot_taken` names an entry that is not applied.
pub const RAFTCORE_STATUS_MISUSE_BEYOND_APPLIED: raftcore_status = 123;
/// The node has halted and takes no completions.
pub const RAFTCORE_STATUS_MISUSE_HALTED: raftcore_status = 124;
/// An answer is not what was asked for.
pub const RAFTCORE_STATUS_MISUSE_WRONG_ANSWER: raftcore_status = 125;
/// Misuse of a kind newer than this list.
pub const RAFTCORE_STATUS_MISUSE_OTHER: raftcore_status = 199;

/// The message belongs to another group.
pub const RAFTCORE_STATUS_REJECTED_WRONG_GROUP: raftcore_status = 200;
/// The message is for another node.
pub const RAFTCORE_STATUS_REJECTED_WRONG_NODE: raftcore_status = 201;
/// The message claims to come from this node itself.
pub const RAFTCORE_STATUS_REJECTED_FROM_SELF: raftcore_status = 202;
/// Not given any more: messages from strangers are ignored. The number stays taken.
pub const RAFTCORE_STATUS_REJECTED_NOT_MEMBER: raftcore_status = 203;
/// The term is zero, or too far beyond this node's to be true.
pub const RAFTCORE_STATUS_REJECTED_TERM_OUT_OF_RANGE: raftcore_status = 204;
/// Two leaders in one term: one of them forgot its vote (Raft 5.2).
pub const RAFTCORE_STATUS_REJECTED_SECOND_LEADER: raftcore_status = 205;
/// The entries are damaged.
pub const RAFTCORE_STATUS_REJECTED_ENTRIES: raftcore_status = 206;
/// The message names an entry that cannot be, or holds entries newer than itself.
pub const RAFTCORE_STATUS_REJECTED_SEQUENCE: raftcore_status = 207;
/// The message contradicts a committed entry.
pub const RAFTCORE_STATUS_REJECTED_CONTRADICTS_COMMITTED: raftcore_status = 208;
/// Same term and index, other content: Log Matching is broken (Raft 5.3).
pub const RAFTCORE_STATUS_REJECTED_DIVERGED: raftcore_status = 209;
/// The message confirms entries that this leader never sent.
pub const RAFTCORE_STATUS_REJECTED_BEYOND_LOG: raftcore_status = 210;
/// A piece of a snapshot that cannot be.
pub const RAFTCORE_STATUS_REJECTED_SNAPSHOT: raftcore_status = 211;
/// The node has halted and takes no messages.
pub const RAFTCORE_STATUS_REJECTED_HALTED: raftcore_status = 212;
/// Rejected for a reason newer than this list.
pub const RAFTCORE_STATUS_REJECTED_OTHER: raftcore_status = 299;

/// Only the leader takes this; `raftcore_node_leader` says who leads, if known.
pub const RAFTCORE_STATUS_REFUSED_NOT_LEADER: raftcore_status = 300;
/// Too much is under way; try again when some of it is applied.
pub const RAFTCORE_STATUS_REFUSED_BUSY: raftcore_status = 301;
/// The payload is larger than `max_payload_bytes`.
pub const RAFTCORE_STATUS_REFUSED_TOO_LARGE: raftcore_status = 302;
/// Another membership change is under way.
pub const RAFTCORE_STATUS_REFUSED_CHANGE_IN_PROGRESS: raftcore_status = 303;
/// The change was computed from a membership that is not the current one.
pub const RAFTCORE_STATUS_REFUSED_STALE_MEMBERSHIP: raftcore_status = 304;
/// The wished-for membership cannot be.
pub const RAFTCORE_STATUS_REFUSED_MEMBERSHIP: raftcore_status = 305;
/// This node has no vote, or just started and may not use it yet.
pub const RAFTCORE_STATUS_REFUSED_MAY_NOT_CAMPAIGN: raftcore_status = 306;
/// A leader is alive; its followers stick to it (thesis 6.2).
pub const RAFTCORE_STATUS_REFUSED_LEADER_ALIVE: raftcore_status = 307;
/// The node has halted.
pub const RAFTCORE_STATUS_REFUSED_HALTED: raftcore_status = 309;
/// Too many reads are under way; try again when some have ended.
pub const RAFTCORE_STATUS_REFUSED_TOO_MANY_READS: raftcore_status = 310;
/// Leadership is being handed over; try again, there or here.
pub const RAFTCORE_STATUS_REFUSED_TRANSFER_IN_PROGRESS: raftcore_status = 311;
/// Only a voter can lead.
pub const RAFTCORE_STATUS_REFUSED_NOT_VOTER: raftcore_status = 312;
/// Refused for a reason newer than this list.
pub const RAFTCORE_STATUS_REFUSED_OTHER: raftcore_status = 399;

/// The configuration cannot work.
pub const RAFTCORE_STATUS_START_CONFIG: raftcore_status = 400;
/// Nothing was ever stored: found a group or join one first.
pub const RAFTCORE_STATUS_START_NOTHING_STORED: raftcore_status = 401;
/// The state machine holds more than the log ever did.
pub const RAFTCORE_STATUS_START_APPLIED_BEYOND_LOG: raftcore_status = 402;
/// The number of starts is used up.
pub const RAFTCORE_STATUS_START_OUT_OF_RANGE: raftcore_status = 404;
/// The founding membership cannot be.
pub const RAFTCORE_STATUS_START_MEMBERSHIP: raftcore_status = 406;
/// No start for a reason newer than this list.
pub const RAFTCORE_STATUS_START_OTHER: raftcore_status = 499;

/// The write belongs to another node.
pub const RAFTCORE_STATUS_STORED_FOREIGN_IDENTITY: raftcore_status = 500;
/// Writes are missing between two, or their order is wrong.
pub const RAFTCORE_STATUS_STORED_OUT_OF_ORDER: raftcore_status = 501;
/// Term or incarnation goes down, or the vote changes within a term.
pub const RAFTCORE_STATUS_STORED_HARD_STATE_FELL: raftcore_status = 502;
/// Entries do not begin where the log ends.
pub const RAFTCORE_STATUS_STORED_GAP: raftcore_status = 503;
/// Entries are damaged.
pub const RAFTCORE_STATUS_STORED_ENTRIES: raftcore_status = 504;
/// A truncation or discard names entries outside the log.
pub const RAFTCORE_STATUS_STORED_OUTSIDE_LOG: raftcore_status = 505;
/// Entries came before any membership was known.
pub const RAFTCORE_STATUS_STORED_NO_MEMBERSHIP: raftcore_status = 506;
/// A snapshot is older than one before, or does not fit the log.
pub const RAFTCORE_STATUS_STORED_SNAPSHOT: raftcore_status = 507;
/// Entries that are needed were trimmed away.
pub const RAFTCORE_STATUS_STORED_TRIMMED: raftcore_status = 509;
/// An entry's term is newer than the term its write was made in.
pub const RAFTCORE_STATUS_STORED_ENTRY_FROM_FUTURE: raftcore_status = 508;
/// Stored writes do not fit for a reason newer than this list.
pub const RAFTCORE_STATUS_STORED_OTHER: raftcore_status = 599;

/// The bytes end too early; at the end of a file, a write that was torn by a crash.
pub const RAFTCORE_STATUS_DECODE_TRUNCATED: raftcore_status = 600;
/// More bytes than were announced.
pub const RAFTCORE_STATUS_DECODE_TRAILING: raftcore_status = 601;
/// Larger than any frame may be.
pub const RAFTCORE_STATUS_DECODE_TOO_LARGE: raftcore_status = 602;
/// Written by a version this one does not know.
pub const RAFTCORE_STATUS_DECODE_UNKNOWN_VERSION: raftcore_status = 603;
/// A kind of message this version does not know; harmless in a rolling upgrade.
pub const RAFTCORE_STATUS_DECODE_UNKNOWN_KIND: raftcore_status = 604;
/// The checksum does not fit the bytes.
pub const RAFTCORE_STATUS_DECODE_CHECKSUM: raftcore_status = 605;
/// The head cannot be read.
pub const RAFTCORE_STATUS_DECODE_HEAD: raftcore_status = 606;
/// The entries are malformed.
pub const RAFTCORE_STATUS_DECODE_ENTRIES: raftcore_status = 607;
/// A membership is malformed.
pub const RAFTCORE_STATUS_DECODE_MEMBERSHIP: raftcore_status = 608;
/// Malformed in a way newer than this list.
pub const RAFTCORE_STATUS_DECODE_OTHER: raftcore_status = 699;

/// A membership needs at least one voter.
pub const RAFTCORE_STATUS_MEMBERSHIP_NO_VOTER: raftcore_status = 700;
/// More voters than a membership may have.
pub const RAFTCORE_STATUS_MEMBERSHIP_TOO_MANY_VOTERS: raftcore_status = 701;
/// More members than a membership may have.
pub const RAFTCORE_STATUS_MEMBERSHIP_TOO_MANY_MEMBERS: raftcore_status = 702;
/// An id stands twice.
pub const RAFTCORE_STATUS_MEMBERSHIP_DUPLICATE: raftcore_status = 703;
/// A member's context is too long.
pub const RAFTCORE_STATUS_MEMBERSHIP_CONTEXT_TOO_LONG: raftcore_status = 704;
/// A voter is marked for promotion.
pub const RAFTCORE_STATUS_MEMBERSHIP_VOTER_PROMOTED: raftcore_status = 705;
/// Members are not in the order of their ids.
pub const RAFTCORE_STATUS_MEMBERSHIP_UNSORTED: raftcore_status = 706;
/// Not a membership for a reason newer than this list.
pub const RAFTCORE_STATUS_MEMBERSHIP_OTHER: raftcore_status = 799;

/// The library panicked: a bug in it. The object of the call is poisoned; free it.
pub const RAFTCORE_STATUS_PANIC: raftcore_status = 900;
/// An earlier call on this object panicked; it can only be freed.
pub const RAFTCORE_STATUS_POISONED: raftcore_status = 901;

/// The class of a status, one of `RAFTCORE_CLASS_*`; a number never given out has the class of its
/// hundreds.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn raftcore_status_class(status: raftcore_status) -> u32 {
    status / 100
}

/// A short English text for a status, for logs. Never NULL; valid for ever.
///
/// The text of one particular failure, with its numbers, is in `raftcore_node_last_error` and
/// `raftcore_stored_last_error`.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn raftcore_status_text(status: raftcore_status) -> *const c_char {
    text(status).as_ptr()
}

/// The text of a status.
pub(crate) fn text(status: raftcore_status) -> &'static CStr {
    TEXTS.iter().find(|(number, _)| *number == status).map_or(c"unknown status", |(_, text)| text)
}

const TEXTS: &[(raftcore_status, &CStr)] = &[
    (RAFTCORE_STATUS_OK, c"ok"),
    (RAFTCORE_STATUS_NULL, c"a pointer is NULL"),
    (RAFTCORE_STATUS_UNKNOWN_NUMBER, c"unknown number for a constant"),
    (RAFTCORE_STATUS_CONFIG_SIZE, c"raftcore_config has another size in this library"),
    (RAFTCORE_STATUS_BUFFER_TOO_SMALL, c"the buffer is too small"),
    (RAFTCORE_STATUS_WRONG_KIND, c"the output is of another kind"),
    (RAFTCORE_STATUS_OUT_OF_BOUNDS, c"no such element"),
    (RAFTCORE_STATUS_ALREADY_STARTED, c"a node was started from this already"),
    (RAFTCORE_STATUS_TOO_LONG, c"longer than memory"),
    (RAFTCORE_STATUS_MISUSE_UNKNOWN_WRITE, c"the write was never handed out"),
    (RAFTCORE_STATUS_MISUSE_UNKNOWN_REQUEST, c"the request was never made"),
    (RAFTCORE_STATUS_MISUSE_NOT_HANDED_OUT, c"the entry was not handed out for apply"),
    (RAFTCORE_STATUS_MISUSE_BEYOND_APPLIED, c"a snapshot of what is not applied"),
    (RAFTCORE_STATUS_MISUSE_HALTED, c"the node has halted"),
    (RAFTCORE_STATUS_MISUSE_WRONG_ANSWER, c"the answer does not fit the request"),
    (RAFTCORE_STATUS_MISUSE_OTHER, c"misuse"),
    (RAFTCORE_STATUS_REJECTED_WRONG_GROUP, c"message of another group"),
    (RAFTCORE_STATUS_REJECTED_WRONG_NODE, c"message for another node"),
    (RAFTCORE_STATUS_REJECTED_FROM_SELF, c"message from this node itself"),
    (RAFTCORE_STATUS_REJECTED_NOT_MEMBER, c"the sender is no member"),
    (RAFTCORE_STATUS_REJECTED_TERM_OUT_OF_RANGE, c"term out of range"),
    (RAFTCORE_STATUS_REJECTED_SECOND_LEADER, c"second leader in one term"),
    (RAFTCORE_STATUS_REJECTED_ENTRIES, c"damaged entries"),
    (RAFTCORE_STATUS_REJECTED_SEQUENCE, c"entries out of order"),
    (RAFTCORE_STATUS_REJECTED_CONTRADICTS_COMMITTED, c"contradicts a committed entry"),
    (RAFTCORE_STATUS_REJECTED_DIVERGED, c"same term and index, other content"),
    (RAFTCORE_STATUS_REJECTED_BEYOND_LOG, c"confirms entries that were never sent"),
    (RAFTCORE_STATUS_REJECTED_SNAPSHOT, c"impossible piece of a snapshot"),
    (RAFTCORE_STATUS_REJECTED_HALTED, c"the node has halted"),
    (RAFTCORE_STATUS_REJECTED_OTHER, c"rejected message"),
    (RAFTCORE_STATUS_REFUSED_NOT_LEADER, c"not the leader"),
    (RAFTCORE_STATUS_REFUSED_BUSY, c"too much is under way"),
    (RAFTCORE_STATUS_REFUSED_TOO_LARGE, c"the payload is too large"),
    (RAFTCORE_STATUS_REFUSED_CHANGE_IN_PROGRESS, c"a membership change is under way"),
    (RAFTCORE_STATUS_REFUSED_STALE_MEMBERSHIP, c"computed from an old membership"),
    (RAFTCORE_STATUS_REFUSED_MEMBERSHIP, c"the membership cannot be"),
    (RAFTCORE_STATUS_REFUSED_MAY_NOT_CAMPAIGN, c"this node may not campaign now"),
    (RAFTCORE_STATUS_REFUSED_LEADER_ALIVE, c"a leader is alive"),
    (RAFTCORE_STATUS_REFUSED_HALTED, c"the node has halted"),
    (RAFTCORE_STATUS_REFUSED_TOO_MANY_READS, c"too many reads are under way"),
    (RAFTCORE_STATUS_REFUSED_TRANSFER_IN_PROGRESS, c"leadership is being handed over"),
    (RAFTCORE_STATUS_REFUSED_NOT_VOTER, c"the node is not a voter"),
    (RAFTCORE_STATUS_REFUSED_OTHER, c"refused"),
    (RAFTCORE_STATUS_START_CONFIG, c"the configuration cannot work"),
    (RAFTCORE_STATUS_START_NOTHING_STORED, c"nothing is stored"),
    (RAFTCORE_STATUS_START_APPLIED_BEYOND_LOG, c"applied is beyond the log"),
    (RAFTCORE_STATUS_START_OUT_OF_RANGE, c"the incarnation cannot be raised"),
    (RAFTCORE_STATUS_START_MEMBERSHIP, c"the founding membership cannot be"),
    (RAFTCORE_STATUS_START_OTHER, c"the node cannot start"),
    (RAFTCORE_STATUS_STORED_FOREIGN_IDENTITY, c"write of another node"),
    (RAFTCORE_STATUS_STORED_OUT_OF_ORDER, c"writes are missing or out of order"),
    (RAFTCORE_STATUS_STORED_HARD_STATE_FELL, c"term, vote or incarnation went back"),
    (RAFTCORE_STATUS_STORED_GAP, c"entries do not begin where the log ends"),
    (RAFTCORE_STATUS_STORED_ENTRIES, c"damaged entries"),
    (RAFTCORE_STATUS_STORED_OUTSIDE_LOG, c"entry outside the log"),
    (RAFTCORE_STATUS_STORED_NO_MEMBERSHIP, c"entries before any membership"),
    (RAFTCORE_STATUS_STORED_SNAPSHOT, c"the snapshot does not fit"),
    (RAFTCORE_STATUS_STORED_TRIMMED, c"entries were trimmed away"),
    (RAFTCORE_STATUS_STORED_ENTRY_FROM_FUTURE, c"an entry is newer than its write"),
    (RAFTCORE_STATUS_STORED_OTHER, c"stored writes do not fit"),
    (RAFTCORE_STATUS_DECODE_TRUNCATED, c"the bytes end too early"),
    (RAFTCORE_STATUS_DECODE_TRAILING, c"bytes left over"),
    (RAFTCORE_STATUS_DECODE_TOO_LARGE, c"larger than any frame"),
    (RAFTCORE_STATUS_DECODE_UNKNOWN_VERSION, c"unknown format version"),
    (RAFTCORE_STATUS_DECODE_UNKNOWN_KIND, c"unknown message kind"),
    (RAFTCORE_STATUS_DECODE_CHECKSUM, c"checksum mismatch"),
    (RAFTCORE_STATUS_DECODE_HEAD, c"malformed head"),
    (RAFTCORE_STATUS_DECODE_ENTRIES, c"malformed entries"),
    (RAFTCORE_STATUS_DECODE_MEMBERSHIP, c"malformed membership"),
    (RAFTCORE_STATUS_DECODE_OTHER, c"malformed bytes"),
    (RAFTCORE_STATUS_MEMBERSHIP_NO_VOTER, c"no voter"),
    (RAFTCORE_STATUS_MEMBERSHIP_TOO_MANY_VOTERS, c"too many voters"),
    (RAFTCORE_STATUS_MEMBERSHIP_TOO_MANY_MEMBERS, c"too many members"),
    (RAFTCORE_STATUS_MEMBERSHIP_DUPLICATE, c"an id stands twice"),
    (RAFTCORE_STATUS_MEMBERSHIP_CONTEXT_TOO_LONG, c"a member's context is too long"),
    (RAFTCORE_STATUS_MEMBERSHIP_VOTER_PROMOTED, c"a voter is marked for promotion"),
    (RAFTCORE_STATUS_MEMBERSHIP_UNSORTED, c"members are not sorted"),
    (RAFTCORE_STATUS_MEMBERSHIP_OTHER, c"the membership cannot be"),
    (RAFTCORE_STATUS_PANIC, c"a bug in the library: it panicked"),
    (RAFTCORE_STATUS_POISONED, c"an earlier call panicked"),
];
