//! `poruka group`: list, describe, reset.

use clap::{Args, Subcommand};
use poruka_client::admin::{Admin, GroupInfo};
use poruka_client::produce::TopicPartition;
use poruka_client::{Commit, CommitError, Spot};
use poruka_wire::Str;
use serde_json::{Value, json};

use crate::connect::{self, Where};
use crate::exit::Exit;
use crate::output::{self, Form};
use crate::position::{POSITION_HELP, Position};
use crate::problem::{Problem, Result};

/// List, describe and reset consumer groups.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  poruka group list
  poruka group describe billing                    members, positions and lag
  poruka group reset billing --topic orders --to beginning --dry-run
  poruka group reset billing --topic orders --to @1767225600000
A group can be reset only while it has no members.")]
pub(crate) struct Group {
    #[command(flatten)]
    place: Where,
    #[command(subcommand)]
    action: GroupAction,
}

#[derive(Subcommand, Debug)]
enum GroupAction {
    /// List the groups.
    List,
    /// Show a group's members, its positions, and how far they lag behind.
    Describe {
        /// The group.
        group: String,
    },
    /// Set the committed positions of a group that has no members.
    Reset(Reset),
}

#[derive(Args, Debug)]
struct Reset {
    /// The group.
    group: String,
    /// The topic whose positions are set.
    #[arg(long)]
    topic: String,
    /// Where to.
    #[arg(long, value_name = "POSITION", help = POSITION_HELP)]
    to: Position,
    /// Show what would be set, and set nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(command: Group, form: Form) -> Result<()> {
    let bus = command.place.bus().await?;
    let admin = Admin::new(bus.client());
    let done = match command.action {
        GroupAction::List => list(&admin, form).await,
        GroupAction::Describe { group } => describe(&admin, &group, form).await,
        GroupAction::Reset(reset) => self::reset(&admin, &reset, form).await,
    };
    bus.close().await;
    done
}

async fn list(admin: &Admin, form: Form) -> Result<()> {
    let groups = admin.list_groups().await.map_err(connect::client)?;
    let json: Value = groups
        .iter()
        .map(|g| json!({"group": g.group.to_string(), "kind": g.kind.to_string(), "state": g.state.to_string()}))
        .collect();
    output::either(form, &json, || {
        let rows = groups.iter().map(|g| vec![g.group.to_string(), g.kind.to_string(), g.state.to_string()]);
        output::table(&["group", "kind", "state"], &rows.collect::<Vec<_>>())
    })
}

/// A committed position, the end of its partition, and who reads it.
struct Place {
    at: TopicPartition,
    committed: Option<i64>,
    end: Option<i64>,
    member: Option<String>,
}

impl Place {
    fn lag(&self) -> Option<i64> {
        Some((self.end? - self.committed.unwrap_or(0)).max(0))
    }
}

async fn describe(admin: &Admin, group: &str, form: Form) -> Result<()> {
    let id = Str::from(group);
    let info = admin.describe_group(&id).await.map_err(|error| match error.code() {
        Some(poruka_wire::ErrorCode::GroupIdNotFound) => {
            Problem::new(Exit::Refused, format!("there is no group {group:?}")).next("poruka group list")
        }
        _ => connect::client(error),
    })?;
    let places = places(admin, &id, &info).await?;
    let json = json!({
        "group": group, "kind": info.kind.to_string(), "state": info.state.to_string(), "epoch": info.epoch,
        "members": info.members.iter().map(|member| json!({
            "id": member.id.to_string(), "client": member.client_id.to_string(), "host": member.host.to_string(),
            "partitions": member.partitions.iter()
                .map(|at| json!({"topic": at.topic.to_string(), "partition": at.partition})).collect::<Value>(),
        })).collect::<Value>(),
        "positions": places.iter().map(|place| json!({
            "topic": place.at.topic.to_string(), "partition": place.at.partition, "committed": place.committed,
            "end": place.end, "lag": place.lag(), "member": place.member,
        })).collect::<Value>(),
    });
    output::either(form, &json, || {
        let members = info.members.len();
        let head = ["topic", "partition", "committed", "end", "lag", "member"];
        let number = |value: Option<i64>| value.map_or("-".to_string(), |value| value.to_string());
        let row = |place: &Place| {
            vec![
                place.at.topic.to_string(),
                place.at.partition.to_string(),
                number(place.committed),
                number(place.end),
                number(place.lag()),
                place.member.clone().unwrap_or_else(|| "-".to_string()),
            ]
        };
        let table = output::table(&head, &places.iter().map(row).collect::<Vec<_>>());
        format!("{group}: {} group, {}, {members} members\n\n{table}", info.kind, info.state)
    })
}

async fn places(admin: &Admin, group: &Str, info: &GroupInfo) -> Result<Vec<Place>> {
    let committed = admin.group_offsets(group).await.map_err(connect::client)?;
    let mut places: Vec<Place> = committed
        .into_iter()
        .map(|known| Place { at: known.at, committed: known.offset, end: None, member: None })
        .collect();
    for member in &info.members {
        for at in &member.partitions {
            let name = Some(member.client_id.to_string());
            match places.iter_mut().find(|place| place.at == *at) {
                Some(place) => place.member = name,
                None => places.push(Place { at: at.clone(), committed: None, end: None, member: name }),
            }
        }
    }
    places.sort_by(|one, other| one.at.cmp(&other.at));
    for place in &mut places {
        // A topic that is deleted leaves its positions behind; it has no end.
        let asked = [(place.at.clone(), Spot::Latest)];
        place.end = admin.list_offsets(&asked).await.ok().and_then(|found| found.first()?.1.offset);
    }
    Ok(places)
}

async fn reset(admin: &Admin, reset: &Reset, form: Form) -> Result<()> {
    let commits = targets(admin, reset).await?;
    let group = Str::from(reset.group.as_str());
    if !reset.dry_run {
        admin.alter_group_offsets(&group, &commits).await.map_err(|error| cannot_reset(reset, error))?;
    }
    let word = if reset.dry_run { "would set" } else { "set" };
    let json = json!({
        "group": reset.group, "topic": reset.topic, "done": !reset.dry_run,
        "positions": commits.iter()
            .map(|commit| json!({"partition": commit.at.partition, "offset": commit.offset})).collect::<Value>(),
    });
    output::either(form, &json, || {
        let rows =
            commits.iter().map(|commit| vec![commit.at.partition.to_string(), commit.offset.to_string()]);
        let table = output::table(&["partition", "offset"], &rows.collect::<Vec<_>>());
        format!("{word} the positions of {} in {}\n\n{table}", reset.group, reset.topic)
    })
}

/// The offset for each partition: an offset that is asked for is kept inside the log.
async fn targets(admin: &Admin, reset: &Reset) -> Result<Vec<Commit>> {
    let info = admin.describe_topic(&reset.topic).await.map_err(connect::client)?;
    let topic = Str::from(reset.topic.as_str());
    let at = |partition: i32| TopicPartition { topic: topic.clone(), partition };
    let all = |spot: Spot| info.partitions.iter().map(|p| (at(p.partition), spot)).collect::<Vec<_>>();
    let firsts = admin.list_offsets(&all(Spot::Earliest)).await.map_err(connect::client)?;
    let ends = admin.list_offsets(&all(Spot::Latest)).await.map_err(connect::client)?;
    let timed = match reset.to {
        Position::Time(ms) => admin.list_offsets(&all(Spot::Timestamp(ms))).await.map_err(connect::client)?,
        _ => Vec::new(),
    };
    let offset = |found: &[(TopicPartition, poruka_client::Found)], wanted: &TopicPartition| {
        found.iter().find(|(at, _)| at == wanted).and_then(|(_, found)| found.offset)
    };
    let mut commits = Vec::new();
    for (at, _) in all(Spot::Latest) {
        let first = offset(&firsts, &at).unwrap_or(0);
        let end = offset(&ends, &at).unwrap_or(first);
        let target = match reset.to {
            Position::Beginning => first,
            Position::End => end,
            Position::Offset(wanted) => wanted.clamp(first, end),
            Position::Time(_) => offset(&timed, &at).unwrap_or(end),
        };
        commits.push(Commit {
            at,
            topic_id: info.id,
            offset: target,
            leader_epoch: -1,
            note: Str::default(),
        });
    }
    Ok(commits)
}

fn cannot_reset(reset: &Reset, error: CommitError) -> Problem {
    let exit = match error {
        CommitError::Unknown { .. } => Exit::Unknown,
        CommitError::NotCommitted { .. } => Exit::Refused,
    };
    let problem =
        Problem::new(exit, format!("cannot set the positions of group {:?}", reset.group)).because(&error);
    problem.next(format!("stop its members first; poruka group describe {} shows them", reset.group))
}
