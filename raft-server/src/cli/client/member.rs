//! `raftcore member`: who is in the group, and changes of that.

use bytes::Bytes;
use clap::{Args, Subcommand};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use raftcore_server::api::{MemberBody, MembersBody, NewMember};
use reqwest::Method;
use serde_json::json;

use super::{Cluster, Done, Where, parse};
use crate::cli::{Code, Fail, say};

/// Show the members of the group, or change them, one at a time.
///
/// A node whose data were lost comes back under a new id: start the new one, add it, remove the
/// old one. Success of a change means that it is committed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  raftcore member list
  raftcore member add 4 --raft 127.0.0.1:7104 --http 127.0.0.1:8104     then it gets the log and a vote
  raftcore member add 5 --raft 127.0.0.1:7105 --http 127.0.0.1:8105 --learner
  raftcore member promote 5
  raftcore member remove 3

Exit codes are listed by `raftcore --help`; 17 means that there is no such member.")]
pub(crate) struct Member {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the members, as the first endpoint that answers knows them
    List(List),
    /// Add a node that was started with `raftcore node --join`; it gets a vote once it has caught up
    Add(Add),
    /// Remove a node; its process may be stopped afterwards, and its id must not be used again
    Remove(Other),
    /// Give a learner a vote once it has caught up
    Promote(Other),
}

#[derive(Args, Debug)]
struct List {
    /// Print JSON, as GET /members gives it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

#[derive(Args, Debug)]
struct Add {
    /// Its id, one that was never used before
    id: u64,
    /// Where it takes messages of other nodes, as host:port
    #[arg(long, value_name = "ADDR")]
    raft: String,
    /// Where it takes requests of clients, as host:port
    #[arg(long, value_name = "ADDR")]
    http: String,
    /// Keep it a learner: a copy without a vote
    #[arg(long)]
    learner: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

#[derive(Args, Debug)]
struct Other {
    /// The member's id
    id: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

impl Member {
    pub(crate) async fn run(self) -> Result<(), Fail> {
        match self.command {
            Command::List(list) => list.run().await,
            Command::Add(add) => add.run().await,
            Command::Remove(Other { id, json, place }) => {
                change(&place, json, Method::DELETE, &[&id.to_string()], Bytes::new()).await
            }
            Command::Promote(Other { id, json, place }) => {
                let path = [&id.to_string(), "promote"];
                change(&place, json, Method::POST, &path, Bytes::new()).await
            }
        }
    }
}

impl List {
    async fn run(self) -> Result<(), Fail> {
        let cluster = Cluster::find(&self.place)?;
        let body: MembersBody =
            parse(&cluster.ask(Method::GET, &["members"], Bytes::new()).await?)?;
        if self.json {
            let text = serde_json::to_string_pretty(&body);
            say(text.map_err(|error| Fail::new(Code::Other, error.to_string()))?);
        } else {
            say(table(&body));
        }
        Ok(())
    }
}

impl Add {
    async fn run(self) -> Result<(), Fail> {
        let Self { id, raft, http, learner, json, place } = self;
        let body = serde_json::to_vec(&NewMember { raft, http, learner })
            .map_err(|error| Fail::new(Code::Other, error.to_string()))?;
        change(&place, json, Method::PUT, &[&id.to_string()], body.into()).await
    }
}

async fn change(
    place: &Where,
    json: bool,
    method: Method,
    path: &[&str],
    body: Bytes,
) -> Result<(), Fail> {
    let path = [&["members"], path].concat();
    let Done { index, term } = parse(&Cluster::find(place)?.ask(method, &path, body).await?)?;
    if json {
        say(json!({ "ok": true, "index": index, "term": term }));
    } else {
        say(format_args!("ok index={index} term={term}"));
    }
    Ok(())
}

fn table(body: &MembersBody) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["node", "standing", "messages", "clients"]);
    for MemberBody { id, voter, promote, raft, http } in &body.members {
        let standing = match (voter, promote) {
            (true, _) => "voter",
            (false, true) => "learner, to be promoted",
            (false, false) => "learner",
        };
        let shown =
            |address: &str| if address.is_empty() { "-".into() } else { address.to_owned() };
        table.add_row([id.to_string(), standing.to_owned(), shown(raft), shown(http)]);
    }
    table
}
