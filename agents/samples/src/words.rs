//! Texts that look like what a column's name promises.

use rand::Rng as _;
use rand::rngs::SmallRng;

const GIVEN: [&str; 10] = ["Ada", "Bo", "Chiara", "Dmitri", "Elif", "Freja", "Gonçalo", "Hanna", "Ines", "Jürgen"];
const FAMILY: [&str; 10] =
    ["Ågren", "Bianchi", "Costa", "Demir", "Ek", "Fischer", "García", "Holm", "Ivanova", "O'Brien"];
const CITIES: [&str; 8] = ["Stockholm", "Göteborg", "Oslo", "København", "Berlin", "Lisboa", "Kraków", "Paris"];
const COUNTRIES: [&str; 8] = ["SE", "NO", "DK", "FI", "DE", "PT", "PL", "FR"];
const CURRENCIES: [&str; 4] = ["SEK", "NOK", "DKK", "EUR"];
const STATUSES: [&str; 5] = ["new", "confirmed", "paid", "shipped", "returned"];
const METHODS: [&str; 4] = ["card", "invoice", "swish", "paypal"];
const STREETS: [&str; 6] = ["Storgatan", "Karl Johans gate", "Hauptstraße", "Rua Augusta", "Nørregade", "Rue \"A\""];
const WORDS: [&str; 12] =
    ["amber", "birch", "copper", "dune", "ember", "fjord", "granite", "harbour", "indigo", "juniper", "kelp", "linen"];

fn pick(rng: &mut SmallRng, from: &[&'static str]) -> &'static str {
    from[rng.random_range(0..from.len())]
}

/// One word, of those that names of nothing in particular are made of.
pub(crate) fn word(rng: &mut SmallRng) -> &'static str {
    pick(rng, &WORDS)
}

/// A text for the member of that name.
pub(crate) fn text(rng: &mut SmallRng, member: &str) -> String {
    let name = member.to_lowercase();
    let has = |part: &str| name.contains(part);
    let is_code = name.ends_with("id") || name.ends_with("key") || ["sku", "code", "number"].into_iter().any(has);
    if has("mail") {
        let (given, number) = (pick(rng, &GIVEN), rng.random_range(1..1000));
        let given: String = given.to_lowercase().chars().filter(char::is_ascii).collect();
        format!("{given}{number}@example.com")
    } else if has("city") || has("place") {
        pick(rng, &CITIES).to_owned()
    } else if has("country") {
        pick(rng, &COUNTRIES).to_owned()
    } else if has("currency") {
        pick(rng, &CURRENCIES).to_owned()
    } else if has("status") || has("state") {
        pick(rng, &STATUSES).to_owned()
    } else if has("method") || has("provider") {
        pick(rng, &METHODS).to_owned()
    } else if has("street") || has("address") {
        format!("{} {}", pick(rng, &STREETS), rng.random_range(1..200))
    } else if has("zip") || has("post") {
        format!("{:05}", rng.random_range(10_000..99_999))
    } else if has("phone") {
        format!("+46 70 {:07}", rng.random_range(0..10_000_000))
    } else if is_code {
        format!("{}-{:05}", word(rng).get(..1).unwrap_or("x").to_uppercase(), rng.random_range(0..100_000))
    } else if has("name") {
        format!("{} {}", pick(rng, &GIVEN), pick(rng, &FAMILY))
    } else {
        format!("{} {}", word(rng), word(rng))
    }
}
