//! A list that is empty in a steady group, and costs a pointer then.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};

/// A list without items most of the time: it makes room at the first one, and gives it back only when
/// trimmed.
#[derive(Clone)]
#[expect(clippy::box_collection, reason = "a pointer while there is nothing")]
pub(crate) struct Few<T>(Option<Box<Vec<T>>>);

impl<T> Few<T> {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    pub(crate) fn push(&mut self, item: T) {
        self.0.get_or_insert_with(room).push(item);
    }

    /// Takes out the item at this place; those after it move up.
    pub(crate) fn remove(&mut self, at: usize) -> Option<T> {
        let items = self.0.as_mut().filter(|items| at < items.len())?;
        Some(items.remove(at))
    }

    /// Takes out the item at this place; the last one takes it.
    pub(crate) fn swap_remove(&mut self, at: usize) -> Option<T> {
        let items = self.0.as_mut().filter(|items| at < items.len())?;
        Some(items.swap_remove(at))
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        self.remove(0)
    }

    pub(crate) fn clear(&mut self) {
        if let Some(items) = &mut self.0 {
            items.clear();
        }
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&mut T) -> bool) {
        if let Some(items) = &mut self.0 {
            items.retain_mut(keep);
        }
    }

    /// Gives back memory that holds nothing.
    pub(crate) fn trim(&mut self) {
        self.0.take_if(|items| items.is_empty());
        if let Some(items) = &mut self.0 {
            items.shrink_to_fit();
        }
    }
}

#[cold]
#[expect(clippy::box_collection, reason = "as above")]
fn room<T>() -> Box<Vec<T>> {
    Box::default()
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }
}

impl<T> DerefMut for Few<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.0.as_deref_mut().map_or(&mut [], Vec::as_mut_slice)
    }
}

/// As the items look: room that holds nothing does not tell two nodes apart.
impl<T: fmt::Debug> fmt::Debug for Few<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn room_that_holds_nothing_tells_no_two_lists_apart_and_goes_when_trimmed() {
        let mut list = Few::new();
        assert_eq!((list.pop_front(), list.swap_remove(0)), (None, None::<u8>));
        (1..=3).for_each(|item| list.push(item));
        assert_eq!((list.swap_remove(0), list.remove(1), list.remove(1)), (Some(1), Some(2), None));
        list.retain(|&mut item| item != 3);
        assert!(list.0.is_some() && list.is_empty());
        assert_eq!(format!("{list:?}"), format!("{:?}", Few::<u8>::new()));
        list.trim();
        assert!(list.0.is_none());
    }
}
