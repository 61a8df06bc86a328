//! What the shop sells and who buys: names to make products and customers of.

use rand::Rng;
use rand::rngs::SmallRng;
use uuid::Uuid;

use crate::places::PLACES;
use crate::sample::{Cumulative, pick};

/// A category with its nouns, and the range of its prices in cents.
struct Category {
    name: &'static str,
    nouns: &'static [&'static str],
    brands: &'static [&'static str],
    cents: (u32, u32),
}

static CATEGORIES: &[Category] = &[
    Category {
        name: "beauty",
        nouns: &["lipstick", "mascara", "face cream", "shampoo", "perfume", "nail polish", "hand lotion", "eye liner"],
        brands: &["Lumi", "Fjällblom", "Rosette", "Nordskin"],
        cents: (490, 8_990),
    },
    Category {
        name: "electronics",
        nouns: &[
            "headphones",
            "phone case",
            "charger",
            "keyboard",
            "mouse",
            "speaker",
            "camera",
            "power bank",
            "monitor",
        ],
        brands: &["Voltaro", "Nexum", "Kite", "Auralis"],
        cents: (990, 89_900),
    },
    Category {
        name: "home",
        nouns: &["table lamp", "blanket", "coffee mug", "candle", "cushion", "frying pan", "vase", "wall clock"],
        brands: &["Hemma", "Oakline", "Terrazo"],
        cents: (590, 24_900),
    },
    Category {
        name: "clothing",
        nouns: &["t-shirt", "rain jacket", "jeans", "wool sweater", "sneakers", "socks", "scarf", "summer dress"],
        brands: &["Strand", "Birch & Co", "Marlow", "Kvist"],
        cents: (790, 29_900),
    },
    Category {
        name: "sports",
        nouns: &["yoga mat", "running shoes", "water bottle", "dumbbell", "bike helmet", "tent", "backpack"],
        brands: &["Trekka", "Pulse", "Summit"],
        cents: (690, 39_900),
    },
    Category {
        name: "books",
        nouns: &["novel", "cookbook", "travel guide", "crime story", "picture book", "biography"],
        brands: &["Paper Lane", "Northern Press", "Quill"],
        cents: (490, 4_990),
    },
    Category {
        name: "toys",
        nouns: &["building blocks", "puzzle", "board game", "teddy bear", "toy train", "dollhouse"],
        brands: &["Klossi", "Playwell", "Bruno"],
        cents: (490, 14_900),
    },
    Category {
        name: "grocery",
        nouns: &["coffee beans", "dark chocolate", "olive oil", "green tea", "oat milk", "granola"],
        brands: &["Skörd", "Bella Terra", "Morning"],
        cents: (190, 2_990),
    },
];

static TRAITS: &[&str] = &[
    "classic", "matte", "wireless", "organic", "compact", "soft", "vintage", "premium", "light", "red", "blue",
    "black", "white", "green", "foldable", "warm",
];

static FIRST_NAMES: &[&str] = &[
    "Anna", "Erik", "Maria", "Lars", "Sofia", "Johan", "Emma", "Oscar", "Ingrid", "Nils", "Laura", "Jonas", "Clara",
    "Lukas", "Marie", "Felix", "Olivia", "Jack", "Amelia", "Harry", "Chloé", "Louis", "Julie", "Hugo", "Lucía",
    "Mateo", "Giulia", "Marco", "Zofia", "Jakub", "Aino", "Mikko", "Freja", "Magnus", "Yuki", "Priya", "Omar",
    "Fatima",
];

static LAST_NAMES: &[&str] = &[
    "Andersson",
    "Johansson",
    "Lindqvist",
    "Berg",
    "Hansen",
    "Nielsen",
    "Korhonen",
    "Virtanen",
    "Müller",
    "Schmidt",
    "Weber",
    "Smith",
    "Jones",
    "Taylor",
    "Murphy",
    "Martin",
    "Bernard",
    "Dubois",
    "García",
    "López",
    "Rossi",
    "Bianchi",
    "Kowalski",
    "Nowak",
    "Novák",
    "Nagy",
    "de Vries",
    "Jansen",
    "Peeters",
    "Silva",
    "Tanaka",
    "Patel",
    "Khan",
    "Nguyen",
];

/// A product as the shop keeps it.
#[derive(Debug)]
pub struct Product {
    /// `P-` and five digits.
    pub id: String,
    /// As `matte lipstick`.
    pub name: String,
    /// Its category's name.
    pub category: &'static str,
    /// Its brand.
    pub brand: &'static str,
    /// Its price in cents, as last changed.
    pub cents: u32,
    /// Pieces in each of [`WAREHOUSES`].
    pub stock: [i32; WAREHOUSES.len()],
}

/// Where stock lies.
pub static WAREHOUSES: [&str; 3] = ["ARN-1", "BER-1", "LHR-1"];

/// A customer.
#[derive(Debug)]
pub struct User {
    /// A UUID.
    pub id: Uuid,
    /// First and last name.
    pub full_name: String,
    /// An address at a domain that is nobody's.
    pub email: String,
    /// The index of the city in [`PLACES`].
    pub place: usize,
    /// Microseconds since 1970.
    pub created_at: i64,
    /// Points earned.
    pub loyalty_points: u32,
    /// Whether the customer wants mail.
    pub opt_in: bool,
}

/// The given number of products.
pub fn products(rng: &mut SmallRng, count: usize) -> Vec<Product> {
    (0..count)
        .map(|index| {
            let category = &CATEGORIES[rng.random_range(0..CATEGORIES.len())];
            let (low, high) = category.cents;
            // Cheap things are more common: the square of a uniform number leans to the low end.
            let share = rng.random::<f32>().powi(2);
            let cents = low + ((high - low) as f32 * share) as u32 / 10 * 10;
            Product {
                id: format!("P-{index:05}"),
                name: format!("{} {}", pick(rng, TRAITS), pick(rng, category.nouns)),
                category: category.name,
                brand: pick(rng, category.brands),
                cents,
                stock: std::array::from_fn(|_| rng.random_range(20..500)),
            }
        })
        .collect()
}

/// A new customer who registers at the given time.
pub fn user(rng: &mut SmallRng, places: &Cumulative, now: i64) -> User {
    let first = pick(rng, FIRST_NAMES);
    let last = pick(rng, LAST_NAMES);
    let mut email: String =
        format!("{first}.{last}").chars().filter_map(plain).collect::<String>().to_ascii_lowercase();
    email.push_str(&format!("{}@mail.example", rng.random_range(1..10_000)));
    User {
        id: crate::sample::uuid(rng),
        full_name: format!("{first} {last}"),
        email,
        place: places.sample(rng).min(PLACES.len() - 1),
        created_at: now,
        loyalty_points: 0,
        opt_in: rng.random_bool(0.35),
    }
}

/// The letter without its diacritic, or nothing for what can't stand in a mail address.
fn plain(letter: char) -> Option<char> {
    match letter {
        'á' | 'ä' | 'å' => Some('a'),
        'é' => Some('e'),
        'í' => Some('i'),
        'ó' | 'ö' => Some('o'),
        'ü' => Some('u'),
        ' ' => None,
        other => Some(other),
    }
}
