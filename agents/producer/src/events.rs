//! The messages that the shop sends: facts and user actions, some of them twice or broken when asked for.

use std::collections::{HashMap, VecDeque};

use lakewright_config::{Late, ProducerConfig, Repeats, Scenario};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::application::ApplicationLog;
use crate::facts::{Fact, FactWriter};
use crate::json::{SECOND, TimeWriter, integer, string, uuid};
use crate::places::PLACES;
use crate::reviews::Reviews;
use crate::sample;
use crate::shop::{Action, Happening, Shop};

/// How many of the last messages may come a second time.
const REMEMBERED: usize = 64;
/// A message for a table of which the shop has no idea stands once among so many.
const OTHER_EVERY: u64 = 20;
/// A review stands once among so many messages.
const REVIEW_EVERY: u64 = 25;
/// The most bytes of facts that are kept to be sent again.
const REPEATS_MOST: usize = 16 << 20;

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
    /// Whether it reports what happened long before.
    pub late: bool,
}

impl Default for Message {
    fn default() -> Self {
        Self {
            destination: Destination::Facts,
            key: Vec::with_capacity(128),
            payload: Vec::with_capacity(1024),
            broken: false,
            duplicate: false,
            late: false,
        }
    }
}

/// A fact that is sent again.
#[derive(Debug)]
struct Repeat {
    /// Microseconds since 1970.
    at: i64,
    key: Vec<u8>,
    payload: Vec<u8>,
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
    late: Option<Late>,
    repeats: Option<Repeats>,
    /// What is sent again, in the order of its times.
    repeated: VecDeque<Repeat>,
    repeated_bytes: usize,
    /// Decides what is late and what is sent again; what the shop does is the same without.
    chance: SmallRng,
    reviews: Reviews,
    last: Vec<Message>,
    count: u64,
    /// Whether the application logs what happens next.
    pub logs: bool,
    /// What it logged of the last message; empty for nothing.
    pub log: Vec<u8>,
    application: ApplicationLog,
}

impl Events {
    /// The sequence that is configured, from a time in microseconds since 1970.
    pub fn new(config: &ProducerConfig, seed: u64, now: i64) -> Self {
        let writers: Vec<FactWriter> = config.tables.iter().map(FactWriter::new).collect();
        let known = ["users", "sales", "inventory", "reviews"];
        let place = |name: &str| writers.iter().position(|writer| writer.table == name);
        let Scenario { bots, late, repeats, .. } = config.scenario.clone();
        Self {
            shop: Shop::open(seed, now, bots),
            tables: known.into_iter().filter_map(|name| Some((name, place(name)?))).collect(),
            others: (0..writers.len()).filter(|at| !known.contains(&writers[*at].table.as_str())).collect(),
            writers,
            times: TimeWriter::default(),
            duplicates: config.duplicates,
            broken: config.broken,
            late,
            repeats,
            repeated: VecDeque::new(),
            repeated_bytes: 0,
            chance: SmallRng::seed_from_u64(seed ^ 0x5363_656e_6172_696f),
            reviews: Reviews::new(seed),
            last: Vec::new(),
            count: 0,
            logs: true,
            log: Vec::new(),
            application: ApplicationLog::new(config.log.format, config.log.errors, seed),
        }
    }

    /// Writes the next message, which happens at the given time in microseconds since 1970.
    pub fn next(&mut self, now: i64, message: &mut Message) {
        self.log.clear();
        self.count += 1;
        message.late = false;
        if self.duplicates > 0.0 && !self.last.is_empty() && self.shop.rng.random_bool(self.duplicates) {
            let at = self.shop.rng.random_range(0..self.last.len());
            message.clone_from(&self.last[at]);
            message.duplicate = true;
            message.late = false;
            return;
        }
        if self.repeated.front().is_some_and(|repeat| repeat.at <= now) {
            self.repeat(message);
            return;
        }
        message.key.clear();
        message.payload.clear();
        message.broken = false;
        message.duplicate = false;
        let event_time = self.event_time(now);
        message.late = event_time != now;
        self.write(now, event_time, message);
        if self.broken > 0.0 && self.shop.rng.random_bool(self.broken) {
            self.break_message(message);
            return;
        }
        if self.duplicates > 0.0 {
            if self.last.len() < REMEMBERED {
                self.last.push(message.clone());
            } else {
                self.last[self.count as usize % REMEMBERED].clone_from(message);
            }
        }
        self.keep(now, message);
    }

    /// The time that the next message reports, when it is now.
    fn event_time(&mut self, now: i64) -> i64 {
        let Some(Late { share, least_seconds, most_seconds }) = self.late else { return now };
        if !self.chance.random_bool(share) {
            return now;
        }
        let (least, most) = (least_seconds as f64, most_seconds as f64);
        let seconds = least * (most / least).powf(self.chance.random::<f64>());
        now - (seconds * SECOND as f64) as i64
    }

    /// Keeps a fact that is to be sent again, while there is room.
    fn keep(&mut self, now: i64, message: &Message) {
        let Some(Repeats { share, after_seconds }) = self.repeats else { return };
        if message.destination != Destination::Facts || !self.chance.random_bool(share) {
            return;
        }
        let bytes = message.key.len() + message.payload.len();
        if self.repeated_bytes + bytes <= REPEATS_MOST {
            self.repeated_bytes += bytes;
            let (key, payload) = (message.key.clone(), message.payload.clone());
            self.repeated.push_back(Repeat { at: now + after_seconds as i64 * SECOND, key, payload });
        }
    }

    fn repeat(&mut self, message: &mut Message) {
        let Some(Repeat { key, payload, .. }) = self.repeated.pop_front() else { return };
        self.repeated_bytes -= key.len() + payload.len();
        *message =
            Message { destination: Destination::Facts, key, payload, broken: false, duplicate: true, late: false };
    }

    /// Writes what happens now, with the time that is reported of it.
    fn write(&mut self, now: i64, event_time: i64, message: &mut Message) {
        if !self.others.is_empty() && self.count.is_multiple_of(OTHER_EVERY) {
            let at = self.others[(self.count / OTHER_EVERY) as usize % self.others.len()];
            self.fact(at, Fact::Other, event_time, message);
            return;
        }
        if let (Some(at), 1) = (self.tables.get("reviews"), self.count % REVIEW_EVERY) {
            let review = self.reviews.write(&self.shop);
            self.fact(*at, Fact::Review(&review), event_time, message);
            return;
        }
        loop {
            let fact = match self.shop.step(now) {
                Happening::Acted(session, action) => {
                    self.action(session, action, event_time, message);
                    return;
                }
                Happening::UserChanged(user) => Fact::User(user),
                Happening::Sold(sale) => {
                    self.reviews.sold(&sale);
                    Fact::Sale(sale)
                }
                Happening::Restocked(product, warehouse) => Fact::Inventory(product, warehouse),
            };
            // A table that the stack doesn't declare gets no messages.
            if let Some(at) = self.tables.get(fact.table()) {
                self.fact(*at, fact, event_time, message);
                return;
            }
        }
    }

    fn fact(&mut self, writer: usize, fact: Fact<'_>, now: i64, message: &mut Message) {
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
            self.application.write(&self.shop, (index, action), (&mut self.times, now), &mut self.log);
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
mod tests;
