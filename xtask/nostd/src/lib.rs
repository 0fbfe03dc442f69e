//! Three nodes in one program that has no `std`, no operating system and no C library.
//!
//! Were a dependency of the core to pull in `std`, its panic handler would clash with the one here
//! and nothing would build.
#![no_std]

extern crate alloc;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::ptr::null_mut;

use raftcore::{
    Config, GroupId, Identity, LogIndex, Membership, Message, Node, NodeId, Output, RoleName,
    Stored, Tick,
};

const HEAP_BYTES: usize = 4 << 20;
const COMMANDS: usize = 100;
const TICKS_MAX: u64 = 10_000;

/// Gives memory out in order; takes back only what was given out last.
#[repr(C, align(64))]
struct Heap {
    bytes: UnsafeCell<[u8; HEAP_BYTES]>,
    used: UnsafeCell<usize>,
}

// SAFETY: the program has one thread.
unsafe impl Sync for Heap {}

// SAFETY: each range lies inside `bytes` and is given out once until it is taken back.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and no reference to `used` outlives this call.
        let used = unsafe { &mut *self.used.get() };
        let start = used.next_multiple_of(layout.align());
        match start.checked_add(layout.size()) {
            // The heap itself is aligned to 64 bytes; nothing here asks for more.
            Some(end) if end <= HEAP_BYTES && layout.align() <= 64 => {
                *used = end;
                // SAFETY: `start` lies inside the array.
                unsafe { self.bytes.get().cast::<u8>().add(start) }
            }
            _ => null_mut(),
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`.
        let used = unsafe { &mut *self.used.get() };
        let start = memory as usize - self.bytes.get() as usize;
        if start + layout.size() == *used {
            *used = start;
        }
    }
}

#[global_allocator]
static HEAP: Heap = Heap { bytes: UnsafeCell::new([0; HEAP_BYTES]), used: UnsafeCell::new(0) };

unsafe extern "C" {
    /// Ends the program with this status; provided by the C side.
    fn proof_exit(status: i32) -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: it takes any number and does not return.
    unsafe { proof_exit(101) }
}

/// Elects a leader among three nodes and commits commands; gives how many all three have applied,
/// or -1.
#[unsafe(no_mangle)]
pub extern "C" fn proof_run() -> i32 {
    match run() {
        Some(applied) => applied.try_into().unwrap_or(i32::MAX),
        None => -1,
    }
}

fn run() -> Option<usize> {
    let group = GroupId(1);
    let membership = Membership::of_voters([1, 2, 3]).ok()?;
    let mut nodes = Vec::new();
    for id in [1, 2, 3] {
        let stored = Stored::found(Identity { group, node: NodeId(id) }, membership.clone());
        nodes.push(Node::new(Config::default(), stored, LogIndex(0)).ok()?);
    }
    let mut applied = [0; 3];
    let mut proposed = 0;
    for now in 0..TICKS_MAX {
        for node in &mut nodes {
            node.tick(Tick(now));
            if node.role() == RoleName::Leader && proposed < COMMANDS {
                proposed += usize::from(node.propose(b"command").is_ok());
            }
        }
        pump(&mut nodes, &mut applied)?;
        if applied.iter().all(|&count| count == COMMANDS) {
            return Some(COMMANDS);
        }
    }
    None
}

/// Carries out outputs until there are none.
fn pump(nodes: &mut [Node], applied: &mut [usize; 3]) -> Option<()> {
    let mut network: VecDeque<Message> = VecDeque::new();
    loop {
        for (node, applied) in nodes.iter_mut().zip(applied.iter_mut()) {
            while let Some(output) = node.poll_output() {
                match output {
                    Output::Send(message) => network.push_back(message),
                    Output::Persist(write) => node.persisted(write.id).ok()?,
                    Output::Apply(committed) => {
                        *applied += committed.commands().count();
                        node.applied(committed.last()).ok()?;
                    }
                    Output::Event(_) => {}
                    _ => return None,
                }
            }
        }
        let Some(message) = network.pop_front() else { return Some(()) };
        let to = nodes.iter_mut().find(|node| node.identity().node == message.to())?;
        to.receive(message).ok()?;
    }
}
