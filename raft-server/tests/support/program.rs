//! The program as its users run it: processes, exit codes, what they print.
#![allow(dead_code, reason = "each test file uses its part")]

use core::sync::atomic::{AtomicU16, Ordering::Relaxed};
use core::time::Duration;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_raftcore");
/// Longer than anything takes on a machine that does anything at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Checks that it ended with this code and one clear line that names what it is about.
    pub(crate) fn fails(&self, code: i32, names: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.starts_with("raftcore: ") && self.err.contains(names), "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
    }

    pub(crate) fn succeeds(&self) -> &str {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{self:?}");
        self.out.trim_end()
    }
}

pub(crate) fn raftcore<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Ended {
    raftcore_with_stdin(arguments, "")
}

pub(crate) fn raftcore_with_stdin<S: AsRef<std::ffi::OsStr>>(
    arguments: &[S],
    stdin: &str,
) -> Ended {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_remove("RUST_LOG");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    child.stdin.take().expect("piped").write_all(stdin.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("ended");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Addresses that were free a moment ago, below the ports that connections get by themselves.
pub(crate) fn free_addresses(count: usize) -> Vec<String> {
    let ports = core::iter::from_fn(|| Some(free_ports(1)));
    ports.take(count).map(|port| format!("127.0.0.1:{port}")).collect()
}

/// The first of so many ports in a row that were free a moment ago; never gives one twice.
pub(crate) fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 200).expect("small") * 100;
    loop {
        let first = 10_000 + start.wrapping_add(NEXT.fetch_add(count, Relaxed)) % 20_000;
        if (first..first + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
}

/// A program that runs until it is dropped.
pub(crate) struct Running {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Running {
    pub(crate) fn start<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Self {
        Self::start_other(PROGRAM, arguments)
    }

    /// Starts a program that becomes ours.
    pub(crate) fn start_other<S: AsRef<std::ffi::OsStr>>(program: &str, arguments: &[S]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).env_remove("RUST_LOG");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("started");
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, lines }
    }

    /// Reads what it prints up to a line that contains the text; gives that line.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let length = self.lines.read_line(&mut line).expect("text");
            assert!(length > 0, "it ended before it said {text:?}");
            if line.contains(text) {
                return line.trim_end().to_owned();
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let done = Command::new("kill").args(["-s", name, &id]).status().expect("kill runs");
        assert!(done.success());
    }

    /// Waits for its end; gives the exit code and what else it printed.
    pub(crate) fn end(self) -> (Option<i32>, String) {
        let (code, rest, _) = self.end_with_error();
        (code, rest)
    }

    /// The same, with what it said on stderr, which is short.
    pub(crate) fn end_with_error(mut self) -> (Option<i32>, String, String) {
        let (mut rest, mut error) = (String::new(), String::new());
        self.lines.read_to_string(&mut rest).expect("text");
        let mut stderr = self.child.stderr.take().expect("piped");
        stderr.read_to_string(&mut error).expect("text");
        (self.child.wait().expect("ended").code(), rest, error)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The nodes of a group and how each is started.
pub(crate) struct Group {
    pub(crate) raft: Vec<String>,
    pub(crate) http: Vec<String>,
}

impl Group {
    pub(crate) fn new(nodes: usize) -> Self {
        let mut raft = free_addresses(2 * nodes);
        let http = raft.split_off(nodes);
        Self { raft, http }
    }

    /// The arguments that start node `id` in a folder below this one.
    pub(crate) fn arguments(&self, folder: &Path, id: usize) -> Vec<String> {
        let dir = folder.join(format!("node-{id}")).display().to_string();
        let mut arguments: Vec<String> =
            ["node", "--exit-with-parent", "--id"].map(Into::into).into();
        arguments.extend([id.to_string(), "--dir".into(), dir]);
        arguments.extend(["--raft".into(), self.raft[id - 1].clone()]);
        arguments.extend(["--http".into(), self.http[id - 1].clone()]);
        for peer in (1..=self.raft.len()).filter(|&peer| peer != id) {
            let (raft, http) = (&self.raft[peer - 1], &self.http[peer - 1]);
            arguments.extend(["--peer".into(), format!("{peer}={raft},{http}")]);
        }
        arguments
    }

    /// Starts a node and waits until it listens.
    pub(crate) fn start(&self, folder: &Path, id: usize) -> Running {
        let mut running = Running::start(&self.arguments(folder, id));
        running.wait_for(&format!("node {id} ready"));
        running
    }

    /// Runs a client against one node.
    pub(crate) fn client(&self, id: usize, arguments: &[&str]) -> Ended {
        self.client_with_stdin(id, arguments, "")
    }

    pub(crate) fn client_with_stdin(&self, id: usize, arguments: &[&str], stdin: &str) -> Ended {
        let endpoint = format!("http://{}", self.http[id - 1]);
        raftcore_with_stdin(&[arguments, &["--endpoint", &endpoint]].concat(), stdin)
    }
}

/// Asks until there is an answer.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
