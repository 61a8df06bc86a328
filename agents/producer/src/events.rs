//! The messages that the shop sends: facts and user actions, some of them twice or broken when asked for.

use std::collections::HashMap;

use lakewright_config::Table;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::facts::{Fact, FactWriter};
use crate::json::{SECOND, TimeWriter, integer, string, uuid};
use crate::places::PLACES;
use crate::sample;
use crate::shop::{Action, Happening, Shop, log_line};

/// How many of the last messages may come a second time.
const REMEMBERED: usize = 64;
/// A message for a table of which the shop has no idea stands once among so many.
const OTHER_EVERY: u64 = 20;

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// The topic of business facts.
    Facts,
    /// The topic of user actions.
    Actions,
}

/// A message; its buffers are reused.
#[derive(Debug, Clone)]
pub struct Message {
    /// Where it goes.
    pub destination: Destination,
    /// Decides its partition.
    pub key: Vec<u8>,
    /// What it says.
    pub payload: Vec<u8>,
    /// Whether it was broken on purpose.
    pub broken: bool,
    /// Whether it was sent before.
    pub duplicate: bool,
}

impl Default for Message {
    fn default() -> Self {
        Self {
            destination: Destination::Facts,
            key: Vec::with_capacity(128),
            payload: Vec::with_capacity(1024),
            broken: false,
            duplicate: false,
        }
    }
}

/// The endless sequence of messages; the same seed and times give the same messages.
#[derive(Debug)]
pub struct Events {
    shop: Shop,
    tables: HashMap<&'static str, usize>,
    writers: Vec<FactWriter>,
    others: Vec<usize>,
    times: TimeWriter,
    duplicates: f64,
    broken: f64,
    last: Vec<Message>,
    count: u64,
    /// Whether the application logs what happens next.
    pub logs: bool,
    /// The line that it logged of the last message; empty for none.
    pub log: Vec<u8>,
    // Not the shop's: whether something is logged must not change what happens.
    log_chance: SmallRng,
}

impl Events {
    /// The sequence for the declared tables, from a time in microseconds since 1970.
    pub fn new(tables: &[Table], seed: u64, now: i64, duplicates: f64, broken: f64) -> Self {
        let writers: Vec<FactWriter> = tables.iter().map(FactWriter::new).collect();
        let known = ["users", "sales", "inventory"];
        let place = |name: &str| writers.iter().position(|writer| writer.table == name);
        Self {
            shop: Shop::open(seed, now),
            tables: known.into_iter().filter_map(|name| Some((name, place(name)?))).collect(),
            others: (0..writers.len()).filter(|at| !known.contains(&writers[*at].table.as_str())).collect(),
            writers,
            times: TimeWriter::default(),
            duplicates,
            broken,
            last: Vec::new(),
            count: 0,
            logs: true,
            log: Vec::new(),
            log_chance: SmallRng::seed_from_u64(seed),
        }
    }

    /// Writes the next message, which happens at the given time in microseconds since 1970.
    pub fn next(&mut self, now: i64, message: &mut Message) {
        self.log.clear();
        self.count += 1;
        if self.duplicates > 0.0 && !self.last.is_empty() && self.shop.rng.random_bool(self.duplicates) {
            let at = self.shop.rng.random_range(0..self.last.len());
            message.clone_from(&self.last[at]);
            message.duplicate = true;
            return;
        }
        message.key.clear();
        message.payload.clear();
        message.broken = false;
        message.duplicate = false;
        self.write(now, message);
        if self.broken > 0.0 && self.shop.rng.random_bool(self.broken) {
            self.break_message(message);
        } else if self.duplicates > 0.0 {
            if self.last.len() < REMEMBERED {
                self.last.push(message.clone());
            } else {
                self.last[self.count as usize % REMEMBERED].clone_from(message);
            }
        }
    }

    fn write(&mut self, now: i64, message: &mut Message) {
        if !self.others.is_empty() && self.count.is_multiple_of(OTHER_EVERY) {
            let at = self.others[(self.count / OTHER_EVERY) as usize % self.others.len()];
            self.fact(at, Fact::Other, now, message);
            return;
        }
        loop {
            let fact = match self.shop.step(now) {
                Happening::Acted(session, action) => {
                    self.action(session, action, now, message);
                    return;
                }
                Happening::UserChanged(user) => Fact::User(user),
                Happening::Sold(sale) => Fact::Sale(sale),
                Happening::Restocked(product, warehouse) => Fact::Inventory(product, warehouse),
            };
            // A table that the stack doesn't declare gets no messages.
            if let Some(at) = self.tables.get(fact.table()) {
                self.fact(*at, fact, now, message);
                return;
            }
        }
    }

    fn fact(&mut self, writer: usize, fact: Fact, now: i64, message: &mut Message) {
        message.destination = Destination::Facts;
        let Message { payload, key, .. } = message;
        self.writers[writer].write(&mut self.shop, fact, (&mut self.times, now), payload, key);
    }

    fn action(&mut self, index: usize, action: Action, now: i64, message: &mut Message) {
        message.destination = Destination::Actions;
        let event = sample::uuid(&mut self.shop.rng);
        let session = &self.shop.sessions[index];
        let user = &self.shop.users[session.user];
        let place = &PLACES[user.place];
        uuid(&mut message.key, &session.id);
        let buffer = &mut message.payload;
        buffer.extend_from_slice(b"{\"event_id\":\"");
        uuid(buffer, &event);
        buffer.extend_from_slice(b"\",\"event_type\":\"");
        buffer.extend_from_slice(action.name().as_bytes());
        buffer.extend_from_slice(b"\",\"event_time\":");
        self.times.write(buffer, now);
        buffer.extend_from_slice(b",\"user_id\":\"");
        uuid(buffer, &user.id);
        buffer.extend_from_slice(b"\",\"session_id\":\"");
        uuid(buffer, &session.id);
        buffer.extend_from_slice(b"\",\"ip_address\":\"");
        buffer.extend_from_slice(session.ip_address.as_bytes());
        buffer.extend_from_slice(b"\",\"user_agent\":\"");
        buffer.extend_from_slice(session.user_agent.as_bytes());
        buffer.extend_from_slice(b"\",\"location\":[");
        for (at, part) in
            [place.latitude, place.longitude, place.name, place.country, place.zone].into_iter().enumerate()
        {
            if at > 0 {
                buffer.push(b',');
            }
            string(buffer, part);
        }
        buffer.extend_from_slice(b"],\"session_duration\":");
        integer(buffer, ((now - session.started_at) / SECOND).max(0));
        buffer.extend_from_slice(b",\"page_views\":");
        integer(buffer, session.page_views);
        match action {
            Action::Search => {
                buffer.extend_from_slice(b",\"search_keywords\":");
                string(buffer, &session.keywords);
            }
            Action::ViewProduct | Action::AddToCart | Action::Checkout | Action::Purchase => {
                let product = &self.shop.products[session.product];
                buffer.extend_from_slice(b",\"product_id\":");
                string(buffer, &product.id);
                buffer.extend_from_slice(b",\"product_name\":");
                string(buffer, &product.name);
                buffer.extend_from_slice(b",\"category\":");
                string(buffer, product.category);
            }
            Action::Login | Action::Logout => {}
        }
        buffer.push(b'}');
        if self.logs {
            self.times.write_bare(&mut self.log, now);
            log_line(&self.shop, index, action, &mut self.log_chance, &mut self.log);
        }
    }

    /// Breaks a message in one of the ways that messages break in life.
    fn break_message(&mut self, message: &mut Message) {
        message.broken = true;
        let payload = &mut message.payload;
        match self.shop.rng.random_range(0..5_u32) {
            // Cut off in the middle.
            0 => payload.truncate(payload.len() / 2),
            // Not UTF-8.
            1 => {
                let middle = payload.len() / 2;
                payload[middle] = 0xff;
            }
            // Not JSON at all.
            2 => {
                payload.clear();
                payload.extend_from_slice(b"<html><body>502 Bad Gateway</body></html>");
            }
            // An object, but neither a fact nor an action.
            3 => {
                payload.clear();
                payload.extend_from_slice(b"{\"table\":\"no_such_table\",\"data\":{},\"event_time\":\"yesterday\"}");
            }
            // Nothing.
            _ => payload.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use lakewright_config::{Column, ColumnType, Reading};
    use serde_json::Value;

    use super::*;

    fn table(name: &str, columns: &[(&str, &str)], key: &[&str]) -> Table {
        Table {
            name: name.into(),
            database: "shop_raw".into(),
            topic: "iceberg_events".into(),
            location: "s3://raw/x".into(),
            columns: columns
                .iter()
                .map(|(name, kind)| Column {
                    required: true,
                    ..Column::new(name, kind.parse::<ColumnType>().expect("a type"))
                })
                .collect(),
            key: key.iter().map(|k| (*k).into()).collect(),
            partition: vec![],
            reading: Reading::default(),
        }
    }

    fn tables() -> Vec<Table> {
        vec![
            table("users", &[("user_id", "string"), ("email", "string"), ("shoe_size", "decimal(4,1)")], &["user_id"]),
            table(
                "sales",
                &[("sale_id", "string"), ("amount", "decimal(12,2)"), ("sold_at", "timestamptz")],
                &["sale_id"],
            ),
            table(
                "inventory",
                &[("product_id", "string"), ("warehouse", "string"), ("stock", "int")],
                &["product_id", "warehouse"],
            ),
            table("reviews", &[("stars", "int"), ("tags", "list<string>"), ("day", "date")], &[]),
        ]
    }

    fn run(seed: u64, duplicates: f64, broken: f64, count: usize) -> Vec<Message> {
        let start = 1_700_000_000_000_000;
        let mut events = Events::new(&tables(), seed, start, duplicates, broken);
        (0..count)
            .map(|at| {
                let mut message = Message::default();
                events.next(start + at as i64 * 1000, &mut message);
                message
            })
            .collect()
    }

    #[test]
    fn messages_are_json_and_follow_the_declarations() {
        let mut seen = HashMap::<String, usize>::new();
        for message in run(7, 0.0, 0.0, 20_000) {
            let value: Value = serde_json::from_slice(&message.payload).expect("JSON");
            let name = match message.destination {
                Destination::Facts => {
                    let table = value["table"].as_str().expect("a table").to_owned();
                    let declared = tables().into_iter().find(|t| t.name == table).expect("declared");
                    let names: Vec<&String> = value["data"].as_object().expect("data").keys().collect();
                    assert_eq!(names, declared.columns.iter().map(|c| &c.name).collect::<Vec<_>>());
                    let key: Vec<String> =
                        declared.key.iter().map(|k| value["data"][k].as_str().expect("text").to_owned()).collect();
                    assert_eq!(String::from_utf8_lossy(&message.key), key.join("|"));
                    table
                }
                Destination::Actions => {
                    assert_eq!(value["location"].as_array().expect("location").len(), 5);
                    value["event_type"].as_str().expect("a type").to_owned()
                }
            };
            *seen.entry(name).or_default() += 1;
        }
        for name in ["users", "sales", "inventory", "reviews", "login", "search", "view_product", "purchase", "logout"]
        {
            assert!(seen.get(name).is_some_and(|count| *count > 50), "{name}: {seen:?}");
        }
        // The funnel narrows.
        let at = |name: &str| seen[name];
        assert!(at("view_product") > at("add_to_cart") && at("add_to_cart") > at("checkout"), "{seen:?}");
        assert!(at("checkout") > at("purchase"), "{seen:?}");
    }

    #[test]
    fn a_seed_repeats_its_messages() {
        let payloads = |seed| run(seed, 0.05, 0.05, 3_000).into_iter().map(|m| m.payload).collect::<Vec<_>>();
        assert_eq!(payloads(11), payloads(11));
        assert_ne!(payloads(11), payloads(12));
    }

    #[test]
    fn shares_of_duplicates_and_broken_messages_are_as_asked() {
        let messages = run(3, 0.1, 0.05, 20_000);
        let duplicates = messages.iter().filter(|m| m.duplicate).count();
        let broken = messages.iter().filter(|m| m.broken).count();
        assert!((1_800..2_200).contains(&duplicates), "{duplicates}");
        assert!((800..1_000).contains(&broken), "{broken}");
        assert!(messages.iter().filter(|m| m.duplicate).all(|m| !m.broken));
    }
}
