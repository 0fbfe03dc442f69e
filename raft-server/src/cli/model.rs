//! `raftcore model`: every state of a small cluster, checked.

use clap::Args;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use raftcore_sim::model::{Limits, Scope, Searched, search};
use serde_json::json;

use super::{Code, Fail, say};

/// Visit every state that a small cluster can reach and check each.
///
/// Unlike `simulate`, which draws runs at random, this leaves nothing out: within a scope, which
/// bounds terms, proposals and crashes, messages are lost, repeated and reordered in all ways, and
/// writes become durable at all times. A property that breaks is told with a shortest way there.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  raftcore model                       the quick scopes, in seconds
  raftcore model --list                all scopes
  raftcore model --scope election --max-states 100000000

Each state takes about 100 to 300 bytes. Exit codes are listed by `raftcore --help`; 15 means that
a property broke.")]
pub(crate) struct Model {
    /// What to search [default: all quick scopes]
    #[arg(long, value_name = "NAME")]
    scope: Vec<String>,
    /// Show the scopes and search nothing
    #[arg(long)]
    list: bool,
    /// Stop a scope after so many states
    #[arg(long, value_name = "N", default_value_t = Limits::default().states)]
    max_states: usize,
    /// Stop a scope after states so many steps from the first one [default: no limit]
    #[arg(long, value_name = "N")]
    max_depth: Option<usize>,
    /// Print JSON, one line for each scope, instead of a table
    #[arg(long)]
    json: bool,
}

impl Model {
    pub(crate) fn run(self) -> Result<(), Fail> {
        if self.list {
            say(list());
            return Ok(());
        }
        let scopes = self.scopes()?;
        let limits = Limits {
            states: self.max_states,
            depth: self.max_depth.unwrap_or(Limits::default().depth),
        };
        let mut rows = Vec::new();
        for scope in scopes {
            let bar = bar(scope);
            let searched = search(scope, limits, |so_far| {
                bar.set_message(format!("depth {}, {} wait", so_far.depth, so_far.waiting));
                bar.set_position(so_far.states as u64);
            });
            bar.finish_and_clear();
            let searched = searched.map_err(|example| {
                if self.json {
                    let (property, trace) = (example.property.to_string(), &example.trace);
                    say(json!({
                        "ok": false,
                        "scope": scope.name,
                        "property": property,
                        "detail": example.detail,
                        "trace": trace,
                    }));
                }
                Fail::new(Code::Violation, format!("scope {}: {example}", scope.name))
            })?;
            if self.json {
                say(as_json(scope, &searched));
            }
            rows.push((scope, searched));
        }
        if !self.json {
            say(table(&rows));
            say("model: ok, every property held in every state that was visited");
        }
        Ok(())
    }

    fn scopes(&self) -> Result<Vec<&'static Scope>, Fail> {
        if self.scope.is_empty() {
            return Ok(Scope::ALL.iter().filter(|scope| scope.quick).collect());
        }
        let named = |name: &String| {
            Scope::named(name).ok_or_else(|| {
                let message =
                    format!("there is no scope {name}; `raftcore model --list` shows all");
                Fail::new(Code::Usage, message)
            })
        };
        self.scope.iter().map(named).collect()
    }
}

fn bar(scope: &Scope) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = format!("{}: {{pos}} states, {{per_sec}}, {{msg}}", scope.name);
    bar.set_style(
        ProgressStyle::with_template(&style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar
}

fn as_json(scope: &Scope, searched: &Searched) -> serde_json::Value {
    json!({
        "ok": true,
        "scope": scope.name,
        "exhausted": searched.exhausted,
        "states": searched.states,
        "waiting": searched.waiting,
        "depth": searched.depth,
        "steps": searched.steps,
        "nodes": searched.nodes,
        "messages": searched.messages,
        "committed_max": searched.committed_max,
        "term_max": searched.term_max,
        "seconds": searched.elapsed.as_secs_f64(),
    })
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table
}

fn list() -> Table {
    let mut table = plain_table();
    table.set_header(["scope", "quick", "what is in it"]);
    for scope in Scope::ALL {
        table.add_row([scope.name, if scope.quick { "yes" } else { "" }, &scope.to_string()]);
    }
    table
}

fn table(rows: &[(&Scope, Searched)]) -> Table {
    let mut table = plain_table();
    table.set_header(["scope", "states", "steps", "depth", "all?", "seconds"]);
    for (scope, searched) in rows {
        let all = match searched.waiting {
            0 => "all".to_owned(),
            waiting => format!("no, {waiting} wait"),
        };
        table.add_row([
            scope.name.to_owned(),
            searched.states.to_string(),
            searched.steps.to_string(),
            searched.depth.to_string(),
            all,
            format!("{:.1}", searched.elapsed.as_secs_f64()),
        ]);
    }
    table
}
