//! The three dials as arguments: their words stand in `--help`, and a wrong one is told the right ones.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use poruka_guarantee::{Delivery, Durability, Order};

pub(crate) fn delivery_parser() -> impl TypedValueParser<Value = Delivery> {
    words(Delivery::ALL.iter().map(|position| position.as_str())).try_map(|word| word.parse::<Delivery>())
}

pub(crate) fn order_parser() -> impl TypedValueParser<Value = Order> {
    words(Order::ALL.iter().map(|position| position.as_str())).try_map(|word| word.parse::<Order>())
}

pub(crate) fn durability_parser() -> impl TypedValueParser<Value = Durability> {
    words(Durability::ALL.iter().map(|position| position.as_str())).try_map(|word| word.parse::<Durability>())
}

fn words(positions: impl Iterator<Item = &'static str>) -> PossibleValuesParser {
    PossibleValuesParser::new(positions.collect::<Vec<_>>())
}
