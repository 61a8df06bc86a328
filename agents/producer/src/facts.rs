//! Messages of business facts, written by the tables' declarations.

use lakewright_config::{Column, ColumnType, Table};
use rand::Rng;

use crate::catalogue::WAREHOUSES;
use crate::json::{TimeWriter, cents, integer, string, uuid};
use crate::places::PLACES;
use crate::reviews::Review;
use crate::shop::{Sale, Shop};

/// A fact and the values that its columns are filled with.
#[derive(Debug, Clone, Copy)]
pub enum Fact<'a> {
    /// A customer; the index.
    User(usize),
    /// A sale.
    Sale(Sale),
    /// The stock of a product in a warehouse; the indices.
    Inventory(usize, usize),
    /// A review.
    Review(&'a Review),
    /// A row of a table that the shop has no idea of: values by type.
    Other,
}

impl Fact<'_> {
    /// The table that such facts are rows of, when the stack declares it.
    pub fn table(self) -> &'static str {
        match self {
            Self::User(_) => "users",
            Self::Sale(_) => "sales",
            Self::Inventory(..) => "inventory",
            Self::Review(_) => "reviews",
            Self::Other => "",
        }
    }
}

/// How the messages of one table are written: what stands before each value, and the column.
#[derive(Debug)]
pub struct FactWriter {
    /// The table's name.
    pub table: String,
    columns: Vec<(Vec<u8>, Column)>,
    key: Vec<String>,
}

impl FactWriter {
    /// The writer for a declared table.
    pub fn new(table: &Table) -> Self {
        let mut columns = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let mut before = Vec::new();
            if columns.is_empty() {
                before.extend_from_slice(b"{\"table\":");
                string(&mut before, &table.name);
                before.extend_from_slice(b",\"data\":{");
            } else {
                before.push(b',');
            }
            string(&mut before, &column.name);
            before.push(b':');
            columns.push((before, column.clone()));
        }
        Self { table: table.name.clone(), columns, key: table.key.clone() }
    }

    /// Appends the message and its key.
    pub fn write(
        &self,
        shop: &mut Shop,
        fact: Fact<'_>,
        time: (&mut TimeWriter, i64),
        payload: &mut Vec<u8>,
        key: &mut Vec<u8>,
    ) {
        let (writer, now) = time;
        for (before, column) in &self.columns {
            payload.extend_from_slice(before);
            let start = payload.len();
            // A renamed column means what it meant.
            let mut names = [Some(&column.name), column.was.as_ref()].into_iter().flatten();
            if !names.any(|name| known(shop, fact, name, (&mut *writer, now), payload)) {
                by_type(shop, &column.column_type, (&mut *writer, now), payload);
            }
            if self.key.contains(&column.name) {
                if !key.is_empty() {
                    key.push(b'|');
                }
                let value = &payload[start..];
                key.extend_from_slice(value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value));
            }
        }
        payload.extend_from_slice(b"}}");
    }
}

fn quoted_uuid(payload: &mut Vec<u8>, id: &uuid::Uuid) {
    payload.push(b'"');
    uuid(payload, id);
    payload.push(b'"');
}

/// Appends the value of a column that the shop knows; false, and nothing appended, for any other.
fn known(shop: &Shop, fact: Fact<'_>, column: &str, time: (&mut TimeWriter, i64), payload: &mut Vec<u8>) -> bool {
    let (writer, now) = time;
    match fact {
        Fact::User(index) => {
            let user = &shop.users[index];
            let place = &PLACES[user.place];
            match column {
                "user_id" => quoted_uuid(payload, &user.id),
                "email" => string(payload, &user.email),
                "full_name" => string(payload, &user.full_name),
                "country" => string(payload, place.country),
                "city" => string(payload, place.name),
                "marketing_opt_in" => payload.extend_from_slice(if user.opt_in { b"true" } else { b"false" }),
                "loyalty_points" => integer(payload, i64::from(user.loyalty_points)),
                "created_at" => writer.write(payload, user.created_at),
                "updated_at" => writer.write(payload, now),
                _ => return false,
            }
        }
        Fact::Sale(sale) => {
            let product = &shop.products[sale.product];
            let user = &shop.users[sale.user];
            match column {
                "sale_id" => quoted_uuid(payload, &sale.id),
                "user_id" => quoted_uuid(payload, &user.id),
                "session_id" => quoted_uuid(payload, &sale.session),
                "product_id" => string(payload, &product.id),
                "quantity" => integer(payload, sale.quantity),
                "unit_price" => cents(payload, i64::from(product.cents)),
                "amount" => cents(payload, i64::from(product.cents) * sale.quantity),
                "currency" => string(payload, PLACES[user.place].currency),
                "payment_method" => string(payload, sale.payment_method),
                "channel" => string(payload, sale.channel),
                "country" => string(payload, PLACES[user.place].country),
                "sold_at" => writer.write(payload, now),
                _ => return false,
            }
        }
        Fact::Inventory(index, warehouse) => {
            let product = &shop.products[index];
            match column {
                "product_id" => string(payload, &product.id),
                "name" => string(payload, &product.name),
                "category" => string(payload, product.category),
                "brand" => string(payload, product.brand),
                "warehouse" => string(payload, WAREHOUSES[warehouse]),
                "stock" => integer(payload, i64::from(product.stock[warehouse])),
                "price" => cents(payload, i64::from(product.cents)),
                "updated_at" => writer.write(payload, now),
                _ => return false,
            }
        }
        Fact::Review(review) => return known_of_review(shop, review, column, (writer, now), payload),
        Fact::Other => return false,
    }
    true
}

/// The same of a review.
fn known_of_review(
    shop: &Shop,
    review: &Review,
    column: &str,
    time: (&mut TimeWriter, i64),
    payload: &mut Vec<u8>,
) -> bool {
    let (writer, now) = time;
    let (user, product) = (&shop.users[review.user], &shop.products[review.product]);
    match column {
        "review_id" => quoted_uuid(payload, &review.id),
        "product_id" => string(payload, &product.id),
        "product_name" => string(payload, &product.name),
        "user_id" => quoted_uuid(payload, &user.id),
        "user_name" => string(payload, &user.full_name),
        "sale_id" => match &review.sale {
            Some(sale) => quoted_uuid(payload, sale),
            None => payload.extend_from_slice(b"null"),
        },
        "stars" | "rating" => integer(payload, review.stars),
        "language" => string(payload, review.language),
        "title" => string(payload, review.title),
        "body" | "text" => string(payload, &review.body),
        "verified_purchase" => payload.extend_from_slice(if review.sale.is_some() { b"true" } else { b"false" }),
        "helpful_votes" => integer(payload, review.helpful_votes),
        "country" => string(payload, PLACES[user.place].country),
        "reviewed_at" | "created_at" | "updated_at" => writer.write(payload, now),
        _ => return false,
    }
    true
}

/// Appends a value of the type, for columns that the shop doesn't know.
fn by_type(shop: &mut Shop, column_type: &ColumnType, time: (&mut TimeWriter, i64), payload: &mut Vec<u8>) {
    let (writer, now) = time;
    match column_type {
        ColumnType::Boolean => payload.extend_from_slice(if shop.rng.random() { b"true" } else { b"false" }),
        ColumnType::Int | ColumnType::Long => integer(payload, shop.rng.random_range(0..10_000)),
        ColumnType::Float | ColumnType::Double => cents(payload, shop.rng.random_range(0..100_000)),
        ColumnType::Decimal(precision, scale) => {
            let digits = u32::from((*precision).min(9));
            let unscaled = shop.rng.random_range(0..10_i64.pow(digits));
            let power = 10_i64.pow(u32::from(*scale).min(9));
            integer(payload, unscaled / power);
            if *scale > 0 {
                let rest = unscaled % power;
                payload.push(b'.');
                let width = usize::from((*scale).min(9));
                payload.extend_from_slice(format!("{rest:0width$}").as_bytes());
            }
        }
        ColumnType::Date => {
            let start = payload.len();
            writer.write(payload, now);
            payload.truncate(start + 11);
            payload.push(b'"');
        }
        ColumnType::Timestamp => {
            writer.write(payload, now);
            payload.truncate(payload.len() - 2);
            payload.push(b'"');
        }
        ColumnType::Timestamptz => writer.write(payload, now),
        ColumnType::String => string(payload, shop.products[shop.sessions[0].product].category),
        ColumnType::Uuid => {
            let user = shop.rng.random_range(0..shop.users.len());
            quoted_uuid(payload, &shop.users[user].id);
        }
        ColumnType::Time => string(payload, "12:30:00"),
        ColumnType::Binary => payload.extend_from_slice(b"\"bGFrZQ==\""),
        ColumnType::Fixed(bytes) => {
            // Zeros, in Base64.
            let (whole, rest) = (*bytes as usize / 3, *bytes as usize % 3);
            payload.push(b'"');
            payload.extend(std::iter::repeat_n(b'A', whole * 4));
            payload.extend_from_slice([&b""[..], b"AA==", b"AAA="][rest]);
            payload.push(b'"');
        }
        ColumnType::List(element) => {
            payload.push(b'[');
            for index in 0..shop.rng.random_range(0..4) {
                if index > 0 {
                    payload.push(b',');
                }
                by_type(shop, element, (&mut *writer, now), payload);
            }
            payload.push(b']');
        }
        ColumnType::Map(value) => {
            payload.extend_from_slice(b"{\"one\":");
            by_type(shop, value, (&mut *writer, now), payload);
            payload.push(b'}');
        }
        ColumnType::Struct(fields) => {
            for (index, field) in fields.iter().enumerate() {
                payload.push(if index == 0 { b'{' } else { b',' });
                string(payload, &field.name);
                payload.push(b':');
                by_type(shop, &field.field_type, (&mut *writer, now), payload);
            }
            payload.push(b'}');
        }
    }
}
