//! `raftcore send`, `get`, `delete`, `status`, `member`: clients of a running cluster.

use core::time::Duration;
use std::io::Read;
use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use raftcore_server::ClusterFile;
use raftcore_server::api::{ErrorBody, ErrorKind};
use reqwest::{Client, Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep};

use super::{Code, Fail, say};

pub(crate) use member::Member;
pub(crate) use status::Status;

mod member;
mod status;

/// Pause after every endpoint said "not now".
const PAUSE: Duration = Duration::from_millis(100);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the cluster is.
#[derive(Args, Debug)]
struct Where {
    /// A node's address for clients; repeat it for more, they are tried in turn
    /// [default: http://127.0.0.1:8101 to 8103]
    #[arg(long = "endpoint", value_name = "URL")]
    endpoints: Vec<String>,
    /// The folder of a local cluster, to find its nodes
    #[arg(long, value_name = "DIR", conflicts_with = "endpoints")]
    dir: Option<PathBuf>,
    /// Give up after so many milliseconds
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    timeout_ms: u64,
}

/// Put one or many keys, all of them or none.
///
/// Success means that the keys are committed and applied. If the answer is lost, the outcome is
/// unknown (exit code 12): the keys may or may not be there; sending them again is harmless.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  raftcore send '{\"y\": 7}'
  raftcore send '{\"a\": [1, 2], \"b\": {\"c\": null}}'
  raftcore send - < many.json

Exit codes are listed by `raftcore --help`.")]
pub(crate) struct Send {
    /// A JSON object of keys and values; `-` reads it from stdin
    #[arg(value_name = "JSON")]
    json: String,
    #[command(flatten)]
    place: Where,
}

/// Read a key: prints its JSON value, never older than an acknowledged write.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  raftcore get y

Exit codes are listed by `raftcore --help`.")]
pub(crate) struct Get {
    /// The key
    key: String,
    #[command(flatten)]
    place: Where,
}

/// Remove a key.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  raftcore delete y

Exit codes are listed by `raftcore --help`.")]
pub(crate) struct Delete {
    /// The key
    key: String,
    #[command(flatten)]
    place: Where,
}

#[derive(Deserialize)]
struct Done {
    index: u64,
    term: u64,
}

impl Send {
    pub(crate) async fn run(self) -> Result<(), Fail> {
        let body = match self.json.as_str() {
            "-" => {
                let mut text = Vec::new();
                let read = std::io::stdin().read_to_end(&mut text);
                read.map_err(|error| Fail::new(Code::Other, format!("stdin: {error}")))?;
                text.into()
            }
            _ => Bytes::from(self.json),
        };
        let cluster = Cluster::find(&self.place)?;
        let done: Done = parse(&cluster.ask(Method::PUT, &["kv"], body).await?)?;
        say(format_args!("ok index={} term={}", done.index, done.term));
        Ok(())
    }
}

impl Get {
    pub(crate) async fn run(self) -> Result<(), Fail> {
        #[derive(Deserialize)]
        struct Found {
            value: Box<RawValue>,
        }
        let cluster = Cluster::find(&self.place)?;
        let path = ["kv", &self.key];
        let answer = cluster.ask(Method::GET, &path, Bytes::new()).await;
        let found: Found = parse(&answer.map_err(|fail| name_key(fail, &self.key))?)?;
        say(found.value.get());
        Ok(())
    }
}

impl Delete {
    pub(crate) async fn run(self) -> Result<(), Fail> {
        let cluster = Cluster::find(&self.place)?;
        let path = ["kv", &self.key];
        let answer = cluster.ask(Method::DELETE, &path, Bytes::new()).await;
        let done: Done = parse(&answer.map_err(|fail| name_key(fail, &self.key))?)?;
        say(format_args!("ok index={} term={}", done.index, done.term));
        Ok(())
    }
}

fn name_key(fail: Fail, key: &str) -> Fail {
    match fail.code {
        Code::NoKey => Fail::new(Code::NoKey, format!("there is no key {key:?}")),
        _ => fail,
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Fail> {
    serde_json::from_slice(body).map_err(|error| {
        Fail::new(Code::Other, format!("the node's answer is unreadable: {error}"))
    })
}

/// The endpoints of a cluster, tried in turn.
struct Cluster {
    client: Client,
    endpoints: Vec<Url>,
    timeout: Duration,
}

/// What one endpoint said.
enum Reply {
    Success(Bytes),
    /// Final, whoever is asked.
    Failed(Fail),
    /// Nothing was changed; another try may go well.
    NotNow(Fail),
}

impl Cluster {
    fn find(place: &Where) -> Result<Self, Fail> {
        let texts = match &place.dir {
            Some(dir) => {
                let file = ClusterFile::read(dir)?.ok_or_else(|| {
                    let message = format!(
                        "{} holds no cluster.toml; is it a folder of `raftcore run`?",
                        dir.display()
                    );
                    Fail::new(Code::Usage, message)
                })?;
                file.nodes.into_iter().map(|node| format!("http://{}", node.http)).collect()
            }
            None if place.endpoints.is_empty() => {
                (8101..=8103).map(|port| format!("http://127.0.0.1:{port}")).collect()
            }
            None => place.endpoints.clone(),
        };
        let endpoints = texts.iter().map(|text| endpoint(text)).collect::<Result<_, _>>()?;
        let client = Client::builder().no_proxy().connect_timeout(CONNECT_TIMEOUT).build();
        let client = client.map_err(|error| Fail::new(Code::Other, error.to_string()))?;
        Ok(Self { client, endpoints, timeout: Duration::from_millis(place.timeout_ms) })
    }

    /// Asks endpoint after endpoint until one gives a final answer, or the time is over.
    async fn ask(&self, method: Method, path: &[&str], body: Bytes) -> Result<Bytes, Fail> {
        let end = Instant::now() + self.timeout;
        loop {
            let mut not_now = None;
            for endpoint in &self.endpoints {
                let left = end.saturating_duration_since(Instant::now());
                let url = join(endpoint, path);
                match self.ask_one(method.clone(), url, body.clone(), left).await {
                    Reply::Success(body) => return Ok(body),
                    Reply::Failed(fail) => return Err(fail),
                    Reply::NotNow(fail) if fail.code == Code::NoLeader => not_now = Some(fail),
                    Reply::NotNow(_) => {}
                }
            }
            let Some(fail) = not_now else { return Err(self.nobody()) };
            if Instant::now() + PAUSE >= end {
                return Err(fail);
            }
            sleep(PAUSE).await;
        }
    }

    async fn ask_one(&self, method: Method, url: Url, body: Bytes, left: Duration) -> Reply {
        let changes = method != Method::GET;
        let request = self.client.request(method, url).timeout(left).body(body);
        let answer = match request.send().await {
            Ok(response) => {
                let status = response.status();
                response.bytes().await.map(|body| (status, body))
            }
            Err(error) => Err(error),
        };
        match answer {
            Ok((StatusCode::OK, body)) => Reply::Success(body),
            Ok((status, body)) => explain(status, &body),
            Err(error) if error.is_connect() || error.is_builder() => {
                Reply::NotNow(Fail::new(Code::NoAnswer, error.to_string()))
            }
            Err(_) if changes => {
                let message = "the answer was lost; the request may or may not have been applied";
                Reply::Failed(Fail::new(Code::Unknown, message))
            }
            Err(error) => Reply::NotNow(Fail::new(Code::NoAnswer, error.to_string())),
        }
    }

    fn nobody(&self) -> Fail {
        let list: Vec<_> =
            self.endpoints.iter().map(|url| url.as_str().trim_end_matches('/')).collect();
        let message = format!(
            "no node answers at {}; start a cluster with `raftcore run`, or name one with --endpoint",
            list.join(", ")
        );
        Fail::new(Code::NoAnswer, message)
    }
}

fn explain(status: StatusCode, body: &[u8]) -> Reply {
    let Ok(ErrorBody { error, message }) = serde_json::from_slice(body) else {
        let message = format!("the endpoint answered {status}; is it a raftcore node?");
        return Reply::Failed(Fail::new(Code::Other, message));
    };
    let fail = Fail::new(error.into(), message);
    match error {
        ErrorKind::NoLeader | ErrorKind::Busy | ErrorKind::Overwritten | ErrorKind::Stopping => {
            Reply::NotNow(fail)
        }
        _ => Reply::Failed(fail),
    }
}

fn endpoint(text: &str) -> Result<Url, Fail> {
    let wrong = |why: String| Fail::new(Code::Usage, format!("--endpoint {text}: {why}"));
    let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
    if url.scheme() != "http" || url.cannot_be_a_base() {
        return Err(wrong("write http://HOST:PORT".to_owned()));
    }
    Ok(url)
}

/// The endpoint's address with a path; every part is escaped.
fn join(endpoint: &Url, path: &[&str]) -> Url {
    let mut url = endpoint.clone();
    if let Ok(mut parts) = url.path_segments_mut() {
        parts.pop_if_empty().extend(path);
    }
    url
}
