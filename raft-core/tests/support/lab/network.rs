//! Messages under way. Links can be cut (messages are lost) and held (messages wait for the test).

use super::Happening;
use raftcore::Message;
use std::collections::BTreeSet;

/// One direction between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    pub from: u64,
    pub to: u64,
}

impl Link {
    fn of(message: &Message) -> Self {
        Self { from: message.from().0, to: message.to().0 }
    }
}

#[derive(Default)]
pub struct Network {
    /// In the order in which they were sent.
    under_way: Vec<Message>,
    cut: BTreeSet<Link>,
    held: BTreeSet<Link>,
}

impl Network {
    pub fn send(&mut self, message: Message, account: &mut Vec<Happening>) {
        if self.cut.contains(&Link::of(&message)) {
            account.push(Happening::Lost(message));
        } else {
            self.under_way.push(message);
        }
    }

    /// Puts back a message, as if it were sent just now.
    pub fn put(&mut self, message: Message) {
        self.under_way.push(message);
    }

    /// Takes every message whose link is not held.
    pub fn take_free(&mut self) -> Vec<Message> {
        let (held, free) = core::mem::take(&mut self.under_way)
            .into_iter()
            .partition(|message| self.held.contains(&Link::of(message)));
        self.under_way = held;
        free
    }

    /// Takes the oldest message on a link.
    pub fn take(&mut self, link: Link) -> Option<Message> {
        let at = self.under_way.iter().position(|message| Link::of(message) == link)?;
        Some(self.under_way.remove(at))
    }

    /// Takes the newest message on a link.
    pub fn take_newest(&mut self, link: Link) -> Option<Message> {
        let at = self.under_way.iter().rposition(|message| Link::of(message) == link)?;
        Some(self.under_way.remove(at))
    }

    /// Takes all messages on a link.
    pub fn take_all(&mut self, link: Link) -> Vec<Message> {
        let on_it = |message: &mut Message| Link::of(message) == link;
        self.under_way.extract_if(.., on_it).collect()
    }

    pub fn on(&self, link: Link) -> impl Iterator<Item = &Message> {
        self.under_way.iter().filter(move |message| Link::of(message) == link)
    }

    pub fn all(&self) -> &[Message] {
        &self.under_way
    }

    pub fn clear(&mut self) {
        self.under_way.clear();
    }

    /// From now on messages on this link are lost; those under way too.
    pub fn cut(&mut self, link: Link) {
        self.take_all(link);
        self.cut.insert(link);
    }

    /// From now on messages between these nodes and those others are lost.
    pub fn cut_off(&mut self, some: &[u64], others: &[u64]) {
        between(some, others).into_iter().for_each(|link| self.cut(link));
    }

    pub fn hold(&mut self, link: Link) {
        self.held.insert(link);
    }

    pub fn release(&mut self, link: Link) {
        self.held.remove(&link);
    }

    /// No link is cut any more.
    pub fn heal(&mut self) {
        self.cut.clear();
    }
}

/// The links between two sets of nodes, in both directions.
pub fn between(some: &[u64], others: &[u64]) -> Vec<Link> {
    let mut links = Vec::new();
    for &from in some {
        for &to in others {
            links.push(Link { from, to });
            links.push(Link { from: to, to: from });
        }
    }
    links
}
