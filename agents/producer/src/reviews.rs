//! Reviews of products: who writes one, in which language, with how many stars and in which words.

use std::collections::VecDeque;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use crate::places::PLACES;
use crate::review_texts::{LANGUAGES, Language, Mood};
use crate::sample::{Cumulative, pick, uuid};
use crate::shop::{Sale, Shop};

/// How many of the last sales may be reviewed.
const REMEMBERED: usize = 256;
/// The most sentences of a review.
const SENTENCES_MOST: usize = 4;

/// A review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Its identity.
    pub id: Uuid,
    /// The index of who wrote it.
    pub user: usize,
    /// The index of the product.
    pub product: usize,
    /// The sale that it is about, when the product was bought here.
    pub sale: Option<Uuid>,
    /// 1 to 5.
    pub stars: i64,
    /// ISO 639-1.
    pub language: &'static str,
    /// A few words.
    pub title: &'static str,
    /// One to four sentences.
    pub body: String,
    /// How many found it helpful.
    pub helpful_votes: i64,
}

/// Writes reviews. What the shop does is the same with and without them: they have a chance of their own.
#[derive(Debug)]
pub struct Reviews {
    chance: SmallRng,
    sales: VecDeque<(Uuid, usize, usize)>,
    stars: Cumulative,
}

impl Reviews {
    /// Reviews that the seed repeats.
    pub fn new(seed: u64) -> Self {
        Self {
            chance: SmallRng::seed_from_u64(seed ^ 0x5265_7669_6577_7321),
            sales: VecDeque::with_capacity(REMEMBERED),
            // Most are content, and who isn't is so in earnest.
            stars: Cumulative::new([9.0, 6.0, 10.0, 21.0, 54.0]),
        }
    }

    /// Takes note of a sale, which may be reviewed.
    pub fn sold(&mut self, sale: &Sale) {
        if self.sales.len() == REMEMBERED {
            self.sales.pop_front();
        }
        self.sales.push_back((sale.id, sale.user, sale.product));
    }

    /// The next review: of a sale where there is one, and now and then by somebody who bought elsewhere.
    pub fn write(&mut self, shop: &Shop) -> Review {
        let chance = &mut self.chance;
        let bought = !self.sales.is_empty() && chance.random_bool(0.8);
        let (sale, user, product) = if bought {
            let at = chance.random_range(0..self.sales.len());
            let (sale, user, product) = self.sales.swap_remove_back(at).expect("an index within the sales");
            (Some(sale), user, product)
        } else {
            (None, chance.random_range(0..shop.users.len()), chance.random_range(0..shop.products.len()))
        };
        let stars = self.stars.sample(chance) as i64 + 1;
        let mood = match stars {
            1 | 2 => Mood::Bad,
            3 => Mood::Middling,
            _ => Mood::Good,
        };
        let language = language(chance, PLACES[shop.users[user].place].country);
        let named = &shop.products[product];
        let name = format!("{} {}", named.brand, named.name);
        let words = language.words(mood);
        let mut body = pick(chance, words.first).replace("{p}", &name);
        let more = chance.random_range(0..SENTENCES_MOST.min(words.more.len() + 1));
        let start = chance.random_range(0..words.more.len());
        for at in 0..more {
            body.push_str(language.between);
            body.push_str(&words.more[(start + at) % words.more.len()].replace("{p}", &name));
        }
        if chance.random_bool(0.08) {
            body = mistyped(chance, &body);
        }
        if chance.random_bool(0.15) {
            body.push_str(language.between);
            body.push_str(pick(chance, words.flourishes));
        }
        let popular: f32 = chance.random();
        Review {
            id: uuid(chance),
            user,
            product,
            sale,
            stars,
            language: language.code,
            title: pick(chance, words.titles),
            body,
            helpful_votes: (popular.powi(6) * 80.0) as i64,
        }
    }
}

/// Most write in the language of where they live, the others in their own.
fn language(chance: &mut SmallRng, country: &str) -> &'static Language {
    if chance.random_bool(0.25) {
        return &LANGUAGES[chance.random_range(0..LANGUAGES.len())];
    }
    let spoken = LANGUAGES.iter().find(|language| language.countries.contains(&country));
    spoken.unwrap_or(&LANGUAGES[0])
}

/// The text with two neighbouring letters of a word exchanged, or one left out; as it is without such letters.
fn mistyped(chance: &mut SmallRng, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let is_inner = |at: usize| letters[at..at + 3].iter().all(|letter| letter.is_alphabetic());
    let places: Vec<usize> = (0..letters.len().saturating_sub(2)).filter(|at| is_inner(*at)).collect();
    if places.is_empty() {
        return text.to_owned();
    }
    let at = pick(chance, &places) + 1;
    if chance.random_bool(0.5) {
        letters.swap(at, at + 1);
    } else {
        letters.remove(at);
    }
    letters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn written(seed: u64, count: usize) -> Vec<Review> {
        let mut shop = Shop::open(3, 0, None);
        let mut reviews = Reviews::new(seed);
        (0..count)
            .map(|at| {
                let id = uuid(&mut shop.rng);
                let (user, product) = (at % 5_000, at % 2_000);
                reviews.sold(&Sale {
                    id,
                    session: id,
                    user,
                    product,
                    quantity: 1,
                    channel: "web",
                    payment_method: "card",
                });
                reviews.write(&shop)
            })
            .collect()
    }

    #[test]
    fn every_language_is_written_in_its_own_letters() {
        let mut by_language = BTreeMap::<&str, Vec<Review>>::new();
        for review in written(1, 4_000) {
            by_language.entry(review.language).or_default().push(review);
        }
        assert_eq!(by_language.keys().copied().collect::<Vec<_>>(), ["de", "en", "es", "fr", "ja", "ko"]);
        let any = |language: &str, letters: std::ops::RangeInclusive<char>| {
            by_language[language].iter().all(|review| review.body.chars().any(|letter| letters.contains(&letter)))
        };
        assert!(any("ja", 'ぁ'..='ん') && any("ko", '가'..='힣'));
        for (language, reviews) in &by_language {
            assert!(reviews.len() > 100, "{language}: {}", reviews.len());
            let bodies: std::collections::BTreeSet<&str> = reviews.iter().map(|review| review.body.as_str()).collect();
            assert!(bodies.len() * 2 > reviews.len(), "{language} says the same all the time");
        }
    }

    #[test]
    fn stars_and_purchases_are_as_in_shops() {
        let reviews = written(2, 4_000);
        assert!(reviews.iter().all(|review| (1..=5).contains(&review.stars) && !review.body.contains("{p}")));
        let of = |stars: i64| reviews.iter().filter(|review| review.stars == stars).count();
        assert!(of(5) > of(4) && of(4) > of(3) && of(1) > of(2), "{:?}", [1, 2, 3, 4, 5].map(of));
        let verified: Vec<Uuid> = reviews.iter().filter_map(|review| review.sale).collect();
        assert!((3_000..3_400).contains(&verified.len()), "{}", verified.len());
        let once: std::collections::BTreeSet<&Uuid> = verified.iter().collect();
        assert_eq!(once.len(), verified.len(), "a sale is reviewed once");
    }

    #[test]
    fn a_seed_repeats_its_reviews() {
        assert_eq!(written(5, 300), written(5, 300));
        assert_ne!(written(5, 300), written(6, 300));
    }
}
