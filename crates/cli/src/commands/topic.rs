//! `poruka topic`: make, list, describe, delete.

use clap::{Args, Subcommand};
use poruka::{Bus, Delivery, Durability, Guarantee, Name, Order, TopicSpec};
use poruka_client::Spot;
use poruka_client::admin::{Admin, ConfigEntry, NewTopic, Resource};
use poruka_client::produce::TopicPartition;
use poruka_client::{ClientError, TopicInfo};
use poruka_wire::Str;
use serde_json::{Value, json};

use super::dials::{delivery_parser, durability_parser, order_parser};
use crate::connect::{self, Where};
use crate::exit::Exit;
use crate::output::{self, Form};
use crate::problem::{Problem, Result};

/// Make, list, describe and delete topics.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  poruka topic create orders --guarantee durable --partitions 3
  poruka topic create audit --guarantee ordered --durability synced
  poruka topic list
  poruka topic describe orders --output json
  poruka topic delete orders")]
pub(crate) struct Topic {
    #[command(flatten)]
    place: Where,
    #[command(subcommand)]
    action: TopicAction,
}

#[derive(Subcommand, Debug)]
enum TopicAction {
    /// Make a topic, with the settings that a guarantee takes.
    Create(Create),
    /// List the topics.
    List,
    /// Show partitions, offsets and settings of one topic.
    Describe {
        /// The topic.
        topic: String,
    },
    /// Delete a topic and all its records.
    Delete {
        /// The topic.
        topic: String,
    },
}

#[derive(Args, Debug)]
struct Create {
    /// The topic.
    topic: String,
    /// The guarantee that it is for: best-effort, at-most-once, at-least-once, ordered or durable. Without it the
    /// broker's defaults hold: synced on a Poruka broker.
    #[arg(long, value_name = "NAME")]
    guarantee: Option<Name>,
    /// Turn the guarantee's delivery dial.
    #[arg(long, value_name = "DIAL", requires = "guarantee", value_parser = delivery_parser())]
    delivery: Option<Delivery>,
    /// Turn the guarantee's order dial.
    #[arg(long, value_name = "DIAL", requires = "guarantee", value_parser = order_parser())]
    order: Option<Order>,
    /// Turn the guarantee's durability dial.
    #[arg(long, value_name = "DIAL", requires = "guarantee", value_parser = durability_parser())]
    durability: Option<Durability>,
    /// How many partitions; the broker's default is 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=10_000))]
    partitions: Option<i32>,
    /// Another setting by Kafka's name, such as retention.ms=3600000; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    config: Vec<(String, String)>,
}

fn setting(text: &str) -> std::result::Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = parts.ok_or("expected NAME=VALUE, such as retention.ms=3600000")?;
    Ok((name.to_string(), value.to_string()))
}

pub(crate) async fn run(command: Topic, form: Form) -> Result<()> {
    let bus = command.place.bus().await?;
    let admin = Admin::new(bus.client());
    let done = match command.action {
        TopicAction::Create(create) => self::create(&bus, &admin, create, form).await,
        TopicAction::List => list(&admin, form).await,
        TopicAction::Describe { topic } => describe(&admin, &topic, form).await,
        TopicAction::Delete { topic } => {
            admin.delete_topic(&topic).await.map_err(connect::client)?;
            output::either(form, &json!({"deleted": topic}), || format!("deleted {topic}"))
        }
    };
    bus.close().await;
    done
}

async fn create(bus: &Bus, admin: &Admin, create: Create, form: Form) -> Result<()> {
    let topic = create.topic.clone();
    let Some(guarantee) = guarantee(&create) else {
        let text = |(name, value): (String, String)| (Str::from(name), Str::from(value));
        let new = NewTopic {
            name: Str::from(topic.as_str()),
            partitions: create.partitions,
            replication: None,
            configs: create.config.into_iter().map(text).collect(),
        };
        admin.create_topic(&new).await.map_err(connect::client)?;
        let info = admin.wait_for_topic(&topic).await.map_err(connect::client)?;
        return told(form, &topic, &info, None);
    };
    match admin.describe_topic(&topic).await {
        Err(ClientError::UnknownTopic { .. }) => {}
        Err(error) => return Err(connect::client(error)),
        Ok(_) => {
            let problem = Problem::new(Exit::Refused, format!("topic {topic:?} exists already"));
            return Err(problem.next(format!("poruka topic describe {topic} shows what it keeps")));
        }
    }
    let mut spec = TopicSpec::new(guarantee);
    spec.partitions = create.partitions;
    for (name, value) in create.config {
        spec = spec.config(name, value);
    }
    bus.topic(&topic, spec).await.map_err(connect::topic)?;
    let info = admin.describe_topic(&topic).await.map_err(connect::client)?;
    told(form, &topic, &info, Some(guarantee))
}

/// The named point, with the dials that were turned.
fn guarantee(create: &Create) -> Option<Guarantee> {
    let mut guarantee = create.guarantee?.guarantee();
    guarantee.delivery = create.delivery.unwrap_or(guarantee.delivery);
    guarantee.order = create.order.unwrap_or(guarantee.order);
    guarantee.durability = create.durability.unwrap_or(guarantee.durability);
    Some(guarantee)
}

fn told(form: Form, topic: &str, info: &TopicInfo, guarantee: Option<Guarantee>) -> Result<()> {
    let partitions = info.partitions.len();
    let json = json!({
        "created": topic, "id": info.id.to_string(), "partitions": partitions,
        "guarantee": guarantee.map(|guarantee| guarantee.to_string()),
    });
    let dials = guarantee.map_or("the broker's defaults".to_string(), |guarantee| guarantee.to_string());
    let noun = if partitions == 1 { "partition" } else { "partitions" };
    output::either(form, &json, || format!("created {topic}: {partitions} {noun}, {dials}"))
}

async fn list(admin: &Admin, form: Form) -> Result<()> {
    let mut topics = admin.list_topics().await.map_err(connect::client)?;
    topics.sort_by(|one, other| one.name.cmp(&other.name));
    let mut rows = Vec::new();
    for topic in &topics {
        let configs = configs(admin, &topic.name).await?;
        let dial = |name: &str| {
            configs.iter().find(|entry| *entry.name == *name).and_then(|entry| entry.value.clone())
        };
        rows.push((topic, ["poruka.delivery", "poruka.order", "poruka.durability"].map(dial)));
    }
    let json: Value = rows
        .iter()
        .map(|(topic, [delivery, order, durability])| {
            let text = |value: &Option<Str>| value.as_ref().map(|value| value.to_string());
            json!({
                "topic": topic.name.to_string(), "id": topic.id.to_string(), "partitions": topic.partitions.len(),
                "internal": topic.is_internal, "delivery": text(delivery), "order": text(order),
                "durability": text(durability),
            })
        })
        .collect();
    output::either(form, &json, || {
        let row = |(topic, dials): &(&TopicInfo, [Option<Str>; 3])| {
            let mut cells = vec![topic.name.to_string(), topic.partitions.len().to_string()];
            cells.extend(
                dials.iter().map(|dial| dial.as_ref().map_or("-".to_string(), |value| value.to_string())),
            );
            cells
        };
        let head = ["topic", "partitions", "delivery", "order", "durability"];
        output::table(&head, &rows.iter().map(row).collect::<Vec<_>>())
    })
}

async fn configs(admin: &Admin, topic: &Str) -> Result<Vec<ConfigEntry>> {
    admin.describe_configs(&Resource::Topic(topic.clone()), None).await.map_err(connect::client)
}

async fn describe(admin: &Admin, topic: &str, form: Form) -> Result<()> {
    let info = admin.describe_topic(topic).await.map_err(connect::client)?;
    let configs = configs(admin, &info.name).await?;
    let place = |partition: i32| TopicPartition { topic: info.name.clone(), partition };
    let at = |spot: Spot| info.partitions.iter().map(move |p| (place(p.partition), spot)).collect::<Vec<_>>();
    let firsts = admin.list_offsets(&at(Spot::Earliest)).await.map_err(connect::client)?;
    let ends = admin.list_offsets(&at(Spot::Latest)).await.map_err(connect::client)?;
    let offset = |found: &[(TopicPartition, poruka_client::Found)], partition: i32| {
        found
            .iter()
            .find(|(at, _)| at.partition == partition)
            .and_then(|(_, found)| found.offset)
            .unwrap_or(-1)
    };
    let rows: Vec<(i32, i64, i64, Option<i32>)> = info
        .partitions
        .iter()
        .map(|p| (p.partition, offset(&firsts, p.partition), offset(&ends, p.partition), p.leader))
        .collect();
    let settings: serde_json::Map<String, Value> = configs
        .iter()
        .map(|entry| (entry.name.to_string(), entry.value.as_ref().map(|value| value.to_string()).into()))
        .collect();
    let partitions: Vec<Value> = rows
        .iter()
        .map(|(partition, first, end, leader)| {
            json!({"partition": partition, "first": first, "end": end, "records": end - first, "leader": leader})
        })
        .collect();
    let json =
        json!({"topic": topic, "id": info.id.to_string(), "partitions": partitions, "settings": settings});
    output::either(form, &json, || describe_text(&info, &rows, &configs))
}

fn describe_text(info: &TopicInfo, rows: &[(i32, i64, i64, Option<i32>)], configs: &[ConfigEntry]) -> String {
    let own = |entry: &&ConfigEntry| entry.is_own || entry.name.starts_with("poruka.");
    let settings: Vec<Vec<String>> = configs
        .iter()
        .filter(own)
        .map(|entry| {
            vec![entry.name.to_string(), entry.value.as_ref().map_or("-".to_string(), |v| v.to_string())]
        })
        .collect();
    let row = |(partition, first, end, leader): &(i32, i64, i64, Option<i32>)| {
        let leader = leader.map_or("none".to_string(), |leader| leader.to_string());
        vec![partition.to_string(), first.to_string(), end.to_string(), (end - first).to_string(), leader]
    };
    let rows: Vec<Vec<String>> = rows.iter().map(row).collect();
    let partitions = output::table(&["partition", "first", "end", "records", "leader"], &rows);
    let settings = output::table(&["setting", "value"], &settings);
    format!("{} (id {})\n\n{partitions}\n{settings}", info.name, info.id)
}
