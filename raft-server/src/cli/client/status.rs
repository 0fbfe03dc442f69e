//! `raftcore status`: the nodes at a glance.

use clap::Args;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use raftcore::NodeId;
use raftcore_server::api::StatusBody;
use reqwest::{Method, Url};
use serde_json::json;

use super::{Cluster, Reply, Where, endpoint, join, parse};
use crate::cli::node::role_name;
use crate::cli::{Code, Fail, say};

/// Show the nodes: role, term, leader, how far each log is, and whether the logs agree.
///
/// One endpoint is enough: it names the others. The checksum is that of the log at the last entry
/// that every answering node has applied; equal checksums mean equal logs up to there.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  raftcore status
  raftcore status --json --endpoint http://127.0.0.1:8101

Exit codes are listed by `raftcore --help`; 10 means that the nodes have no leader.")]
pub(crate) struct Status {
    /// Print JSON: one object per node, as GET /status gives it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// A node that was asked.
struct Asked {
    id: NodeId,
    endpoint: Option<Url>,
    answer: Result<StatusBody, Fail>,
}

impl Status {
    pub(crate) async fn run(self) -> Result<(), Fail> {
        let cluster = Cluster::find(&self.place)?;
        let nodes = cluster.ask_everyone().await?;
        if self.json {
            print_json(&nodes)?;
        } else {
            say(table(&nodes));
        }
        let leads = |body: &StatusBody| body.leader == Some(body.id);
        if nodes.iter().any(|node| node.answer.as_ref().is_ok_and(leads)) {
            return Ok(());
        }
        Err(Fail::new(
            Code::NoLeader,
            "there is no leader among the nodes that answer; a majority must run",
        ))
    }
}

impl Cluster {
    /// The status of every member, as the first endpoint that answers names them.
    async fn ask_everyone(&self) -> Result<Vec<Asked>, Fail> {
        let mut first = None;
        for endpoint in &self.endpoints {
            if let Ok(body) = self.status(endpoint, None).await {
                first = Some(body);
                break;
            }
        }
        let first = first.ok_or_else(|| self.nobody())?;
        let mut nodes = Vec::new();
        for member in first.members {
            if member.http.is_empty() {
                let fail = Fail::new(Code::NoAnswer, "no node that answers knows its address");
                nodes.push(Asked { id: member.id, endpoint: None, answer: Err(fail) });
                continue;
            }
            let endpoint = endpoint(&format!("http://{}", member.http))?;
            let answer = self.status(&endpoint, None).await;
            nodes.push(Asked { id: member.id, endpoint: Some(endpoint), answer });
        }
        let applied = nodes.iter().filter_map(|node| node.answer.as_ref().ok());
        let common = applied.map(|body| body.applied_index.get()).min();
        for node in nodes.iter_mut().filter(|node| node.answer.is_ok()) {
            if let Some(endpoint) = &node.endpoint {
                node.answer = self.status(endpoint, common).await;
            }
        }
        Ok(nodes)
    }

    async fn status(&self, endpoint: &Url, index: Option<u64>) -> Result<StatusBody, Fail> {
        let mut url = join(endpoint, &["status"]);
        if let Some(index) = index {
            url.query_pairs_mut().append_pair("index", &index.to_string());
        }
        match self.ask_one(Method::GET, url, bytes::Bytes::new(), self.timeout).await {
            Reply::Success(body) => parse(&body),
            Reply::Failed(fail) | Reply::NotNow(fail) => Err(fail),
        }
    }
}

fn print_json(nodes: &[Asked]) -> Result<(), Fail> {
    let rows: Vec<_> = nodes
        .iter()
        .map(|node| match &node.answer {
            Ok(body) => json!(body),
            Err(fail) => json!({ "id": node.id, "error": fail.message }),
        })
        .collect();
    let text = serde_json::to_string_pretty(&rows);
    say(text.map_err(|error| Fail::new(Code::Other, error.to_string()))?);
    Ok(())
}

fn table(nodes: &[Asked]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    let answered = nodes.iter().find_map(|node| node.answer.as_ref().ok());
    let at = answered.map_or(0, |body| body.checksum.index.get());
    let checksum = format!("checksum@{at}");
    table.set_header([
        "node",
        "role",
        "term",
        "leader",
        "committed",
        "applied",
        "durable",
        "last",
        &checksum,
        "clients",
    ]);
    for Asked { id, endpoint, answer } in nodes {
        let clients = endpoint.as_ref().map_or("-", |url| url.as_str().trim_end_matches('/'));
        let clients = clients.to_owned();
        match answer {
            Ok(body) => table.add_row([
                id.to_string(),
                role_name(body.role).to_owned(),
                body.term.to_string(),
                body.leader.map_or_else(|| "none".to_owned(), |id| id.to_string()),
                body.commit_index.to_string(),
                body.applied_index.to_string(),
                body.stable_index.to_string(),
                body.last_index.to_string(),
                body.checksum.value.clone().unwrap_or_else(|| "-".to_owned()),
                clients,
            ]),
            Err(_) => {
                let mut row = vec!["-".to_owned(); 10];
                row[0] = id.to_string();
                row[1] = "no answer".to_owned();
                row[9] = clients;
                table.add_row(row)
            }
        };
    }
    table
}
