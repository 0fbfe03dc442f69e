//! How fast the core is, in figures that do not depend on the machine's mood.

mod baseline;
mod counts;

pub(crate) use baseline::{Verdict, check, rewrite};
