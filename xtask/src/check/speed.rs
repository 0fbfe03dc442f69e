//! The core takes no more instructions than the baseline says.

use anyhow::{Result, bail};

use super::Outcome::{self, Noted, Passed, Skipped};
use crate::shell::Shell;
use crate::speed::{self, Verdict};

pub(super) fn run(shell: &mut Shell) -> Result<Outcome> {
    match speed::check(shell)? {
        Verdict::Same => Ok(Passed),
        Verdict::Better(what) => Ok(Noted(what)),
        Verdict::Worse(what) => bail!(what),
        Verdict::Impossible(why) => Ok(Skipped(why)),
    }
}
