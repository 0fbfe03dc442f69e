//! Where C meets Rust: checked pointers in, values out, and a stop for panics.
//!
//! Every pointer that C gives passes through this file. What cannot be checked (that a pointer that
//! is not NULL is good) is the caller's promise, made in the header.

use core::any::Any;
use core::ffi::c_char;
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::panic::catch_unwind;

use crate::fail::Fail;
use crate::status::*;

/// Runs a call; a panic becomes a failure instead of crossing into C.
pub(crate) fn guard<T>(call: impl FnOnce() -> Result<T, Fail>) -> Result<T, Fail> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
}

/// Runs a call that concerns no object, for its status alone.
pub(crate) fn status_of(call: impl FnOnce() -> Result<(), Fail>) -> raftcore_status {
    match guard(call) {
        Ok(()) => RAFTCORE_STATUS_OK,
        Err(fail) => fail.status,
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Fail {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Fail { status: RAFTCORE_STATUS_PANIC, text: said.unwrap_or("panic").to_owned() }
}

/// Where a result goes: memory of the caller that is not yet initialised.
pub(crate) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// # Safety
    /// `place` is NULL, or good for writing one `T` until this call into the library ends.
    pub(crate) unsafe fn new(place: *mut T) -> Result<Self, Fail> {
        NonNull::new(place).map(Self).ok_or_else(|| Fail::plain(RAFTCORE_STATUS_NULL))
    }

    /// Puts the result there.
    pub(crate) fn put(self, value: T) {
        // SAFETY: `new` was promised memory that is good for writing one `T`; what was there
        // before is not ours and is not dropped.
        unsafe { self.0.write(value) }
    }
}

/// An object that C lends for reading.
///
/// # Safety
/// `object` is NULL, or was made by this library, is not freed, and nothing changes it until this
/// call into the library ends.
pub(crate) unsafe fn lent<'a, T>(object: *const T) -> Result<&'a T, Fail> {
    // SAFETY: promised by the caller.
    unsafe { object.as_ref() }.ok_or_else(|| Fail::plain(RAFTCORE_STATUS_NULL))
}

/// An object that C lends for changing.
///
/// # Safety
/// `object` is NULL, or was made by this library, is not freed, and no other call uses it until
/// this call into the library ends.
pub(crate) unsafe fn lent_mut<'a, T>(object: *mut T) -> Result<&'a mut T, Fail> {
    // SAFETY: promised by the caller.
    unsafe { object.as_mut() }.ok_or_else(|| Fail::plain(RAFTCORE_STATUS_NULL))
}

/// Elements that C lends for reading. None of them may come from NULL.
///
/// # Safety
/// `data` is NULL, or good for reading `length` initialised elements until this call into the
/// library ends.
pub(crate) unsafe fn elements<'a, T>(data: *const T, length: usize) -> Result<&'a [T], Fail> {
    if length == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(Fail::plain(RAFTCORE_STATUS_NULL));
    }
    if length > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Fail::plain(RAFTCORE_STATUS_TOO_LONG));
    }
    // SAFETY: not NULL, not longer than memory; the rest is promised by the caller.
    Ok(unsafe { core::slice::from_raw_parts(data, length) })
}

/// A value of the core behind the panic boundary, and the text of its last failure.
pub(crate) struct Guarded<T> {
    value: T,
    poisoned: AtomicBool,
    last_error: String,
}

impl<T> Guarded<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { value, poisoned: AtomicBool::new(false), last_error: String::new() }
    }

    /// A call that may change the value. A panic poisons it.
    pub(crate) fn change(
        &mut self,
        call: impl FnOnce(&mut T) -> Result<(), Fail>,
    ) -> raftcore_status {
        let value = &mut self.value;
        let poisoned = self.poisoned.get_mut();
        if *poisoned {
            return RAFTCORE_STATUS_POISONED;
        }
        let Err(fail) = guard(|| call(value)) else { return RAFTCORE_STATUS_OK };
        *poisoned = fail.status == RAFTCORE_STATUS_PANIC;
        self.last_error = fail.text;
        fail.status
    }

    /// A call that only looks; it leaves no text behind. A panic poisons the value too.
    pub(crate) fn look(&self, call: impl FnOnce(&T) -> Result<(), Fail>) -> raftcore_status {
        if self.poisoned.load(Relaxed) {
            return RAFTCORE_STATUS_POISONED;
        }
        let status = status_of(|| call(&self.value));
        if status == RAFTCORE_STATUS_PANIC {
            self.poisoned.store(true, Relaxed);
        }
        status
    }

    /// The text of the last failure; empty if there was none.
    pub(crate) fn last_error(&self) -> &str {
        &self.last_error
    }
}

/// Gives an object to C, which frees it with the function of its type.
pub(crate) fn give<T>(object: T) -> *mut T {
    Box::into_raw(Box::new(object))
}

/// Takes an object back from C and drops it.
///
/// # Safety
/// `object` is NULL, or came from [`give`] and is not used again.
pub(crate) unsafe fn take_back<T>(object: *mut T) {
    let drop_it = || {
        if !object.is_null() {
            // SAFETY: it came from `Box::into_raw` in `give`, and is not used again.
            drop(unsafe { Box::from_raw(object) });
        }
        Ok(())
    };
    // There is nobody to tell: what a panic in a drop leaves behind is a leak.
    let _ = status_of(drop_it);
}

/// Copies bytes, one part after the other, into the caller's buffer.
///
/// # Safety
/// `buffer` is NULL, or good for writing `capacity` bytes until this call into the library ends.
pub(crate) unsafe fn copy_out(
    parts: &[&[u8]],
    buffer: *mut u8,
    capacity: usize,
) -> Result<(), Fail> {
    if buffer.is_null() {
        return Err(Fail::plain(RAFTCORE_STATUS_NULL));
    }
    if parts.iter().map(|part| part.len()).sum::<usize>() > capacity {
        return Err(Fail::plain(RAFTCORE_STATUS_BUFFER_TOO_SMALL));
    }
    let mut at = 0;
    for part in parts {
        // SAFETY: `buffer` holds `capacity` bytes, which is enough for all parts; memory of the
        // caller to be written does not overlap with memory of this library.
        unsafe { core::ptr::copy_nonoverlapping(part.as_ptr(), buffer.add(at), part.len()) };
        at += part.len();
    }
    Ok(())
}

/// Copies as much of a text as fits into the caller's buffer, and ends it with a NUL.
///
/// # Safety
/// `buffer` is NULL, or good for writing `capacity` bytes until this call into the library ends.
pub(crate) unsafe fn copy_text(
    text: &str,
    buffer: *mut c_char,
    capacity: usize,
) -> Result<(), Fail> {
    if buffer.is_null() {
        return Err(Fail::plain(RAFTCORE_STATUS_NULL));
    }
    let room = capacity.checked_sub(1).ok_or_else(|| Fail::plain(RAFTCORE_STATUS_BUFFER_TOO_SMALL));
    let most = room?.min(text.len());
    let fits = (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let cut = text.as_bytes().get(..fits).unwrap_or_default();
    // SAFETY: `buffer` holds `capacity` bytes; `cut` is shorter by at least the NUL.
    unsafe {
        core::ptr::copy_nonoverlapping(cut.as_ptr(), buffer.cast(), cut.len());
        buffer.add(cut.len()).write(0);
    }
    Ok(())
}
