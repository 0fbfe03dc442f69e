//! The HTTP interface of a node: JSON in, JSON out.
//!
//! | request | answer |
//! |---|---|
//! | `PUT /kv` or `POST /kv`, body `{"y":7,"z":[1]}` | all keys put at once: `{"ok":true,"index":12,"term":3}` |
//! | `GET /kv/{key}` | `{"key":"y","value":7}`, not older than any acknowledged write |
//! | `DELETE /kv/{key}` | `{"ok":true,"index":13,"term":3}`, or 404 if it was not there |
//! | `GET /status`, `GET /status?index=N` | this node itself, never forwarded |
//! | `GET /members` | the membership in force at this node, never forwarded; see [`MembersBody`] |
//! | `PUT /members/{id}`, body `{"raft":"host:port","http":"host:port","learner":false}` | a node is added: `{"ok":true,"index":14,"term":3}` |
//! | `DELETE /members/{id}` | a node is removed |
//! | `POST /members/{id}/promote` | a learner becomes a voter once it has caught up |
//!
//! Every other answer is `{"error":KIND,"message":SENTENCE}`; see [`ErrorKind`]. A node that does
//! not lead passes a request on to the leader, once: a passed-on request is never passed on again.

mod members;
mod status;

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use bytes::Bytes;
use raftcore::NodeId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::timeout;

pub use members::{MemberBody, MembersBody, NewMember};
pub use status::{StatusBody, StatusChecksum};

use crate::error::Failure;
use crate::kv::{Answer, Command, KeyValues};
use crate::members::AddressBook;
use crate::server::Handle;

/// Marks a request that another node has passed on.
const FORWARDED: &str = "x-raftcore-forwarded";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The leader gives up before the node that passed a request on does.
const FORWARD_MARGIN: Duration = Duration::from_secs(1);

/// What the interface of one node needs.
#[derive(Clone, Debug)]
pub struct Context {
    /// The node.
    pub id: NodeId,
    /// Its server.
    pub handle: Handle<KeyValues>,
    /// Where the members are.
    pub addresses: AddressBook,
    /// Passes requests on; see [`client`].
    pub client: reqwest::Client,
    /// After so long the outcome of a request is unknown.
    pub timeout: Duration,
    /// Largest body of a request.
    pub max_body_bytes: usize,
}

/// A client that passes requests on to the leader.
///
/// # Errors
/// If the system refuses it.
pub fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder().no_proxy().connect_timeout(CONNECT_TIMEOUT).build()
}

/// The routes of a node.
pub fn router(context: Context) -> Router {
    let limit = context.max_body_bytes;
    Router::new()
        .route("/kv", put(write).post(write))
        .route("/kv/{*key}", get(read).delete(delete))
        .route("/status", get(status::status))
        .route("/members", get(members::list))
        .route("/members/{id}", put(members::add).delete(members::remove))
        .route("/members/{id}/promote", post(members::promote))
        .fallback(no_such_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(limit))
        .with_state(Arc::new(context))
}

/// What went wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ErrorKind {
    /// 400: the body is no JSON object.
    #[serde(rename = "wrong json")]
    WrongJson,
    /// 400: the request makes no sense.
    #[serde(rename = "wrong request")]
    WrongRequest,
    /// 404: there is no such key.
    #[serde(rename = "unknown key")]
    UnknownKey,
    /// 404: there is no such member.
    #[serde(rename = "unknown member")]
    UnknownMember,
    /// 409: the members that are wished for cannot be a group, or the node is a member already.
    #[serde(rename = "wrong members")]
    WrongMembers,
    /// 404: there is no such path.
    #[serde(rename = "no such route")]
    NoSuchRoute,
    /// 405: the path does not take the method.
    #[serde(rename = "wrong method")]
    WrongMethod,
    /// 413: the body is larger than the group allows.
    #[serde(rename = "too large")]
    TooLarge,
    /// 500: a bug.
    Internal,
    /// 503: no leader is known or reachable. Nothing was changed: try again.
    #[serde(rename = "no leader")]
    NoLeader,
    /// 503: too much is under way. Nothing was changed: try again.
    Busy,
    /// 503: a new leader replaced the entry. It was not applied: try again.
    Overwritten,
    /// 503: the node is stopping. Nothing was changed: try another node.
    Stopping,
    /// 504: applied or not, nobody can tell.
    #[serde(rename = "unknown outcome")]
    UnknownOutcome,
}

impl ErrorKind {
    const fn status(self) -> StatusCode {
        match self {
            Self::WrongJson | Self::WrongRequest => StatusCode::BAD_REQUEST,
            Self::UnknownKey | Self::UnknownMember | Self::NoSuchRoute => StatusCode::NOT_FOUND,
            Self::WrongMembers => StatusCode::CONFLICT,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoLeader | Self::Busy | Self::Overwritten | Self::Stopping => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::UnknownOutcome => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

/// An answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorKind,
    /// The same for people.
    pub message: String,
}

impl ErrorBody {
    fn new(error: ErrorKind, message: impl Into<String>) -> Self {
        Self { error, message: message.into() }
    }
}

impl From<Failure> for ErrorBody {
    fn from(failure: Failure) -> Self {
        let kind = match failure {
            Failure::NotLeader { .. } => ErrorKind::NoLeader,
            Failure::Busy => ErrorKind::Busy,
            Failure::TooLarge { .. } => ErrorKind::TooLarge,
            Failure::Empty => ErrorKind::WrongRequest,
            Failure::Overwritten => ErrorKind::Overwritten,
            Failure::Membership(_) => ErrorKind::WrongMembers,
            Failure::Unknown => ErrorKind::UnknownOutcome,
            Failure::Stopping => ErrorKind::Stopping,
        };
        Self::new(kind, failure.to_string())
    }
}

impl IntoResponse for ErrorBody {
    fn into_response(self) -> Response {
        json_response(self.error.status(), &self)
    }
}

type Reply = Result<Response, ErrorBody>;
type Shared = State<Arc<Context>>;

fn json_response(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => raw_response(status, bytes.into()),
        Err(error) => {
            let text = format!("{{\"error\":\"internal\",\"message\":{:?}}}\n", error.to_string());
            raw_response(StatusCode::INTERNAL_SERVER_ERROR, text.into())
        }
    }
}

fn raw_response(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// A request in one piece: enough to pass it on.
struct Whole {
    method: Method,
    path: String,
    forwarded: bool,
    body: Bytes,
}

impl Whole {
    fn new(method: Method, path: &str, headers: &HeaderMap, body: Bytes) -> Self {
        let forwarded = headers.contains_key(FORWARDED);
        Self { method, path: path.to_owned(), forwarded, body }
    }

    /// Whether a lost answer leaves open what happened.
    fn changes(&self) -> bool {
        self.method != Method::GET
    }
}

async fn write(
    State(context): Shared,
    method: Method,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Reply {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(&context),
        _ => ErrorBody::new(ErrorKind::WrongRequest, rejection.body_text()),
    })?;
    let command = parse_put(&body)?.encode();
    if command.len() > context.max_body_bytes {
        return Err(too_large(&context));
    }
    let whole = Whole::new(method, "/kv", &headers, body);
    change(&context, command.into(), whole).await
}

fn too_large(context: &Context) -> ErrorBody {
    let max = context.max_body_bytes;
    ErrorBody::new(ErrorKind::TooLarge, format!("the request is larger than {max} bytes"))
}

fn parse_put(body: &[u8]) -> Result<Command, ErrorBody> {
    let pairs: BTreeMap<String, &RawValue> = serde_json::from_slice(body).map_err(|error| {
        let message = format!("expected a JSON object of keys and values: {error}");
        ErrorBody::new(ErrorKind::WrongJson, message)
    })?;
    if pairs.is_empty() {
        return Err(ErrorBody::new(ErrorKind::WrongRequest, "the object holds no key"));
    }
    if pairs.contains_key("") {
        return Err(ErrorBody::new(ErrorKind::WrongRequest, "a key must not be empty"));
    }
    let pairs = pairs.into_iter().map(|(key, value)| (key, value.get().to_owned()));
    Ok(Command::Put(pairs.collect()))
}

async fn delete(State(context): Shared, Path(key): Path<String>, request: Request) -> Reply {
    let whole = Whole::new(Method::DELETE, request.uri().path(), request.headers(), Bytes::new());
    let command = Command::Delete(key).encode();
    if command.len() > context.max_body_bytes {
        return Err(too_large(&context));
    }
    change(&context, command.into(), whole).await
}

async fn change(context: &Context, command: Bytes, whole: Whole) -> Reply {
    let proposed = timeout(context.timeout, context.handle.propose(command)).await;
    match proposed.unwrap_or(Err(Failure::Unknown)) {
        Ok(applied) => match applied.answer {
            Answer::Put | Answer::Deleted { existed: true } => {
                let (index, term) = (applied.id.index, applied.id.term);
                let body = json!({ "ok": true, "index": index, "term": term });
                Ok(json_response(StatusCode::OK, &body))
            }
            Answer::Deleted { existed: false } => Err(unknown_key()),
            Answer::Unreadable(error) => {
                Err(ErrorBody::new(ErrorKind::Internal, error.to_string()))
            }
        },
        Err(Failure::NotLeader { leader: Some(leader) }) if !whole.forwarded => {
            forward(context, leader, whole).await
        }
        Err(failure) => Err(failure.into()),
    }
}

fn unknown_key() -> ErrorBody {
    ErrorBody::new(ErrorKind::UnknownKey, "there is no such key")
}

async fn read(State(context): Shared, Path(key): Path<String>, request: Request) -> Reply {
    let whole = Whole::new(Method::GET, request.uri().path(), request.headers(), Bytes::new());
    match timeout(context.timeout, context.handle.query(key.clone())).await {
        Ok(Ok(Some(value))) => {
            #[derive(Serialize)]
            struct Found {
                key: String,
                value: Box<RawValue>,
            }
            Ok(json_response(StatusCode::OK, &Found { key, value }))
        }
        Ok(Ok(None)) => Err(unknown_key()),
        Ok(Err(Failure::NotLeader { leader: Some(leader) })) if !whole.forwarded => {
            forward(&context, leader, whole).await
        }
        Ok(Err(Failure::Unknown)) | Err(_) => Err(unconfirmed()),
        Ok(Err(failure)) => Err(failure.into()),
    }
}

fn unconfirmed() -> ErrorBody {
    ErrorBody::new(ErrorKind::NoLeader, "no leader confirmed the read in time; try again")
}

/// Passes a request on to the leader and its answer back.
async fn forward(context: &Context, leader: NodeId, whole: Whole) -> Reply {
    let membership = context.handle.memberships().borrow().clone();
    let Some(member) = context.addresses.find(leader, &membership) else {
        let message = format!("node {leader} leads, and its address is not configured");
        return Err(ErrorBody::new(ErrorKind::NoLeader, message));
    };
    let changes = whole.changes();
    let sent = context
        .client
        .request(whole.method, format!("http://{}{}", member.http, whole.path))
        .header(FORWARDED, context.id.get())
        .timeout(context.timeout + FORWARD_MARGIN)
        .body(whole.body)
        .send()
        .await;
    let answer = match sent {
        Ok(response) => {
            let status = response.status();
            response.bytes().await.map(|body| raw_response(status, body))
        }
        Err(error) => Err(error),
    };
    answer.map_err(|error| {
        if error.is_connect() || error.is_builder() {
            let message = format!("the leader, node {leader}, cannot be reached; try again");
            ErrorBody::new(ErrorKind::NoLeader, message)
        } else if changes {
            Failure::Unknown.into()
        } else {
            unconfirmed()
        }
    })
}

async fn no_such_route() -> ErrorBody {
    let message = "use /kv, /kv/{key}, /status or /members";
    ErrorBody::new(ErrorKind::NoSuchRoute, message)
}

async fn wrong_method() -> ErrorBody {
    let message = "use PUT or POST on /kv, GET or DELETE on /kv/{key}, GET on /status and /members, \
                   PUT or DELETE on /members/{id}, POST on /members/{id}/promote";
    ErrorBody::new(ErrorKind::WrongMethod, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> (ErrorKind, String) {
        let ErrorBody { error, message } = parse_put(body.as_bytes()).expect_err("refused");
        (error, message)
    }

    #[test]
    fn a_body_that_is_no_json_object_is_refused_with_the_place() {
        for body in ["", "{", "[1]", "7", "{\"y\":}", "{\"y\":7}x", "{\"y\":1e}"] {
            let (kind, message) = refusal(body);
            assert_eq!(kind, ErrorKind::WrongJson, "{body}");
            assert!(message.contains("line 1 column"), "{message}");
        }
    }

    #[test]
    fn an_object_without_a_usable_key_is_refused() {
        assert_eq!(refusal("{}").0, ErrorKind::WrongRequest);
        assert_eq!(refusal("{\"\":1}").0, ErrorKind::WrongRequest);
    }

    #[test]
    fn values_are_proposed_as_they_were_written() {
        let command = parse_put(br#"{"a": [1,  2.50], "b\n": "x"}"#).expect("an object");
        let pairs = [("a", "[1,  2.50]"), ("b\n", "\"x\"")];
        let pairs = pairs.map(|(key, text)| (key.to_owned(), text.to_owned()));
        assert_eq!(command, Command::Put(pairs.into()));
    }

    #[test]
    fn the_kinds_of_errors_have_the_names_and_codes_that_are_documented() {
        let cases = [
            (ErrorKind::WrongJson, "wrong json", 400),
            (ErrorKind::WrongRequest, "wrong request", 400),
            (ErrorKind::UnknownKey, "unknown key", 404),
            (ErrorKind::UnknownMember, "unknown member", 404),
            (ErrorKind::WrongMembers, "wrong members", 409),
            (ErrorKind::NoSuchRoute, "no such route", 404),
            (ErrorKind::WrongMethod, "wrong method", 405),
            (ErrorKind::TooLarge, "too large", 413),
            (ErrorKind::Internal, "internal", 500),
            (ErrorKind::NoLeader, "no leader", 503),
            (ErrorKind::Busy, "busy", 503),
            (ErrorKind::Overwritten, "overwritten", 503),
            (ErrorKind::Stopping, "stopping", 503),
            (ErrorKind::UnknownOutcome, "unknown outcome", 504),
        ];
        for (kind, name, code) in cases {
            assert_eq!(json!(kind), json!(name));
            assert_eq!(kind.status().as_u16(), code);
        }
    }
}
