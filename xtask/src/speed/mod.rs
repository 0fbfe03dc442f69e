//! How fast the core is, in figures that do not depend on the machine's mood.

mod baseline;
mod compare;
mod counts;
mod table;

pub(crate) use baseline::{Verdict, check, rewrite};
pub(crate) use compare::{Arguments, run as compare};
