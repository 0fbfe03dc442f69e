//! The commands of the transcripts.

use super::args::{Args, ids, link};
use super::show::{self, Detail};
use super::{config, config::SETTINGS, members, snapshots, storage};
use crate::support::lab::network::between;
use crate::support::lab::{Lab, Link};
use raftcore::{Config, Node, NodeId, ReadConsistency, ReadId, Refused};

pub type Said = Result<Vec<String>, String>;

/// What a transcript has built so far.
#[derive(Default)]
pub struct World {
    lab: Option<Lab>,
}

impl World {
    /// Does what one line says; gives what is to be written below it.
    pub fn carry_out(&mut self, line: &str) -> Said {
        let (name, args) = Args::parse(line)?;
        if name == "cluster" {
            return self.cluster(&args);
        }
        let lab = self.lab.as_mut().ok_or("begin with: cluster nodes=3")?;
        lab.account.clear();
        let known = COMMANDS.iter().find(|command| command.name == name);
        let command = known.ok_or_else(|| format!("unknown command {name}"))?;
        args.only(command.options)?;
        (command.run)(lab, &args)
    }

    fn cluster(&mut self, args: &Args) -> Said {
        args.only(&[&["nodes", "outsiders"][..], &SETTINGS].concat())?;
        let mut settings = Config::default();
        config::change(&mut settings, args)?;
        let size = args.number("nodes")?.unwrap_or(3);
        let outsiders = args.number("outsiders")?.unwrap_or(0);
        self.lab = Some(Lab::with_outsiders(size, outsiders, &settings));
        Ok(Vec::new())
    }
}

struct Command {
    name: &'static str,
    options: &'static [&'static str],
    run: fn(&mut Lab, &Args) -> Said,
}

const fn command(
    name: &'static str,
    options: &'static [&'static str],
    run: fn(&mut Lab, &Args) -> Said,
) -> Command {
    Command { name, options, run }
}

/// All of them but `cluster`. A new command is one more line.
const COMMANDS: &[Command] = &[
    command("configure", &SETTINGS, configure),
    command("preload", &["terms", "term", "text"], preload),
    command("tick", &["times"], tick),
    command("timeout", &[], timeout),
    command("run", &["ticks"], run),
    command("campaign", &[], campaign),
    command("propose", &["bytes", "times"], propose),
    command("read", &["name"], read),
    command("transfer", &["to"], transfer),
    command("step-down", &[], step_down),
    command("change", &["voters", "learners", "promote", "based-on"], members::change),
    command("members", &[], |lab, args| up(lab, args).map(|id| members::show(lab, id))),
    command("snapshot", &["at"], snapshots::take),
    command("snapshots", &[], snapshots::mode),
    command("chunk", &["bytes"], snapshots::answer),
    command("poll", &[], poll),
    command("persist", &["count"], persist),
    command("disk", &[], disk),
    command("deliver", &["count"], deliver),
    command("drop", &["count"], drop_messages),
    command("duplicate", &[], duplicate),
    command("hold", &[], hold),
    command("release", &[], release),
    command("cut", &[], cut),
    command("heal", &[], heal),
    command("work", &[], work),
    command("settle", &[], settle),
    command("crash", &["keep"], crash),
    command("wipe", &[], wipe),
    command("start", &["applied"], start),
    command("restart", &["applied"], restart),
    command("storage", &[], storage::storage),
    command("answer", &["entries"], storage::answer),
    command("trim", &["bytes"], storage::trim),
    command("status", &[], |lab, _| Ok(show::status(lab))),
    command("peers", &[], |lab, args| up(lab, args).map(|id| show::peers(lab, id))),
    command("log", &[], |lab, args| node(lab, args).map(|id| show::log(lab, id))),
    command("machine", &[], |lab, args| node(lab, args).map(|id| show::machine(lab, id))),
    command("counters", &[], |lab, args| up(lab, args).map(|id| show::counters(lab, id))),
    command("network", &[], |lab, _| Ok(lab.network.all().iter().map(show::message).collect())),
    command("backlog", &[], backlog),
];

/// The node that a command names first.
pub fn node(lab: &Lab, args: &Args) -> Result<u64, String> {
    let [id] = ids(args.word(0)?)?[..] else { return Err("one node, please".into()) };
    if lab.ids().contains(&id) { Ok(id) } else { Err(format!("there is no node {id}")) }
}

pub fn up(lab: &Lab, args: &Args) -> Result<u64, String> {
    let id = node(lab, args)?;
    if lab.is_up(id) { Ok(id) } else { Err(format!("node {id} is down")) }
}

pub fn report(lab: &Lab, args: &Args, detail: Detail) -> Vec<String> {
    show::account(&lab.account, if args.has("quiet") { Detail::Changes } else { detail })
}

pub fn refused(error: &Refused) -> String {
    format!("refused: {error}")
}

/// Other settings for a node, from its next start on; before it did anything, from now on.
fn configure(lab: &mut Lab, args: &Args) -> Said {
    let id = node(lab, args)?;
    config::change(&mut lab.host(id).config, args)?;
    if lab.host(id).disk.is_empty() && lab.host(id).pending.is_empty() {
        lab.restart(id);
    }
    Ok(Vec::new())
}

fn preload(lab: &mut Lab, args: &Args) -> Said {
    let id = node(lab, args)?;
    let terms = ids(args.option("terms").ok_or("terms=1,1,2")?)?;
    let term = args.number("term")?.or(terms.last().copied()).unwrap_or(0);
    let text = args.option("text");
    let payload = |index, term| text.map_or_else(|| format!("{index}@{term}"), str::to_owned);
    lab.preload_with(id, &terms, term, payload);
    Ok(Vec::new())
}

fn tick(lab: &mut Lab, args: &Args) -> Said {
    let times = args.number("times")?.unwrap_or(1);
    let one = if args.has("all") { None } else { Some(up(lab, args)?) };
    for id in lab.ids() {
        if one.is_none_or(|only| only == id) && lab.is_up(id) {
            lab.tick(id, times);
        }
    }
    Ok(report(lab, args, Detail::Duties))
}

fn timeout(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    if !lab.timeout(id) {
        return Ok(vec!["no timer runs".into()]);
    }
    Ok(report(lab, args, Detail::Duties))
}

fn run(lab: &mut Lab, args: &Args) -> Said {
    lab.run(args.number("ticks")?.unwrap_or(1));
    Ok(report(lab, args, Detail::Traffic))
}

fn campaign(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    match lab.act(id, Node::campaign) {
        Ok(()) => Ok(report(lab, args, Detail::Duties)),
        Err(error) => Ok(vec![refused(&error)]),
    }
}

fn propose(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    let mut payloads: Vec<Vec<u8>> =
        args.words[1..].iter().map(|word| word.clone().into_bytes()).collect();
    if let Some(bytes) = args.number("bytes")? {
        payloads.push(vec![b'x'; bytes]);
    }
    let times: usize = args.number("times")?.unwrap_or(1);
    let mut said = Vec::new();
    for payload in payloads.iter().cycle().take(payloads.len() * times) {
        match lab.act(id, |node| node.propose(payload)) {
            Ok(entry) => said.push(entry.to_string()),
            Err(error) => said.push(refused(&error)),
        }
    }
    Ok(said)
}

/// Asks to read: `fresh`, `lease` or `stale`. Ends when a node says that it may answer, or gives up.
fn read(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    let how = match args.word(1)? {
        "fresh" => ReadConsistency::Linearizable,
        "lease" => ReadConsistency::Lease,
        "stale" => ReadConsistency::Stale,
        other => return Err(format!("a read is fresh, lease or stale, not {other}")),
    };
    let name = ReadId(args.number("name")?.ok_or("name=7")?);
    done(lab.act(id, |node| node.read(name, how)))
}

fn transfer(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    let to = NodeId(args.number("to")?.ok_or("to=3")?);
    done(lab.act(id, |node| node.transfer_leadership(to)))
}

fn step_down(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    match lab.act(id, Node::step_down) {
        Ok(()) => Ok(report(lab, args, Detail::Duties)),
        Err(error) => Ok(vec![refused(&error)]),
    }
}

fn done(result: Result<(), Refused>) -> Said {
    Ok(result.err().iter().map(refused).collect())
}

fn poll(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    lab.poll(id);
    Ok(report(lab, args, Detail::Duties))
}

fn persist(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    lab.sync(id, args.number("count")?.unwrap_or(usize::MAX));
    Ok(report(lab, args, Detail::Duties))
}

fn disk(lab: &mut Lab, args: &Args) -> Said {
    let id = node(lab, args)?;
    lab.host(id).slow_disk = match args.word(1)? {
        "slow" => true,
        "fast" => false,
        other => return Err(format!("a disk is slow or fast, not {other}")),
    };
    Ok(Vec::new())
}

/// `all`, or the oldest message on a link; `newest` instead, or more of them.
fn deliver(lab: &mut Lab, args: &Args) -> Said {
    if args.has("all") {
        let messages = lab.network.take_free();
        messages.into_iter().for_each(|message| lab.arrive(message));
        return Ok(report(lab, args, Detail::Traffic));
    }
    let link = link(args.word(0)?)?;
    for _ in 0..args.number("count")?.unwrap_or(1usize) {
        let newest = args.has("newest");
        let taken = if newest { lab.network.take_newest(link) } else { lab.network.take(link) };
        lab.arrive(taken.ok_or("nothing is under way there")?);
    }
    Ok(report(lab, args, Detail::Traffic))
}

fn drop_messages(lab: &mut Lab, args: &Args) -> Said {
    if args.has("all") {
        lab.network.clear();
        return Ok(Vec::new());
    }
    let link = link(args.word(0)?)?;
    let all: usize = lab.network.on(link).count();
    let mut said = Vec::new();
    for _ in 0..args.number("count")?.unwrap_or(all) {
        let lost = lab.network.take(link).ok_or("nothing is under way there")?;
        said.push(format!("{} -- lost", show::message(&lost)));
    }
    Ok(said)
}

/// The oldest message on a link arrives, and stays under way to arrive once more.
fn duplicate(lab: &mut Lab, args: &Args) -> Said {
    let message = lab.network.take(link(args.word(0)?)?).ok_or("nothing is under way there")?;
    lab.network.put(message.clone());
    lab.arrive(message);
    Ok(report(lab, args, Detail::Traffic))
}

fn hold(lab: &mut Lab, args: &Args) -> Said {
    links(lab, args)?.into_iter().for_each(|link| lab.network.hold(link));
    Ok(Vec::new())
}

fn release(lab: &mut Lab, args: &Args) -> Said {
    links(lab, args)?.into_iter().for_each(|link| lab.network.release(link));
    Ok(Vec::new())
}

fn cut(lab: &mut Lab, args: &Args) -> Said {
    links(lab, args)?.into_iter().for_each(|link| lab.network.cut(link));
    Ok(Vec::new())
}

/// `1->2`: one link; `1,2`: all links between these and the others, both ways.
fn links(lab: &Lab, args: &Args) -> Result<Vec<Link>, String> {
    let word = args.word(0)?;
    if word.contains("->") {
        return Ok(vec![link(word)?]);
    }
    let some = ids(word)?;
    let mut others = lab.ids();
    others.retain(|id| !some.contains(id));
    Ok(between(&some, &others))
}

fn heal(lab: &mut Lab, _: &Args) -> Said {
    lab.network.heal();
    Ok(Vec::new())
}

/// The node does what it can without hearing anything: takes its outputs, its disk finishes.
fn work(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    lab.work(id);
    Ok(report(lab, args, Detail::Duties))
}

fn settle(lab: &mut Lab, args: &Args) -> Said {
    lab.settle();
    Ok(report(lab, args, Detail::Traffic))
}

/// The node dies; `keep=1`: the first of its writes that were not durable is found on disk; `torn`:
/// of the next one, all before what it says of the log.
fn crash(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    let lost = lab.host(id).pending.len();
    let keep = args.number("keep")?.unwrap_or(0).min(lost);
    if !args.has("torn") {
        lab.crash(id, keep);
        return Ok(vec![format!("{} writes lost", lost - keep)]);
    }
    if keep == lost {
        return Err("no write is under way".into());
    }
    lab.crash_within_write(id, keep);
    Ok(vec![format!("1 write torn, {} lost", lost - keep - 1)])
}

/// The node dies, and its disk with it.
fn wipe(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    lab.crash(id, 0);
    let host = lab.host(id);
    host.disk.clear();
    host.shelf.named.clear();
    Ok(Vec::new())
}

fn start(lab: &mut Lab, args: &Args) -> Said {
    let id = node(lab, args)?;
    if lab.is_up(id) {
        return Err(format!("node {id} is up"));
    }
    lab.start(id, args.number("applied")?.unwrap_or(0));
    Ok(Vec::new())
}

/// The node dies with everything on disk, and starts again.
fn restart(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    lab.crash(id, usize::MAX);
    start(lab, args)
}

fn backlog(lab: &mut Lab, args: &Args) -> Said {
    let status = lab.node(up(lab, args)?).status();
    Ok(vec![
        format!("not committed and applied: {} bytes", status.uncommitted_bytes),
        format!("not durable: {} bytes", status.undurable_bytes),
        format!("writes under way: {}", status.writes_in_flight),
    ])
}
