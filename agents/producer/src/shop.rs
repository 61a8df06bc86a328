//! The simulated shop: customers who come, search, look, put things into carts and buy; and stock that moves.

use std::collections::VecDeque;

use lakewright_config::Bots;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use crate::browsers::{BROWSERS, CRAWLERS};
use crate::catalogue::{Product, User, WAREHOUSES, products, user};
use crate::places::PLACES;
use crate::sample::{Cumulative, uuid};

/// Customers at the start; more register as time passes.
const USERS: usize = 5_000;
/// The most customers kept; beyond it a new one takes an old one's place.
const USERS_MOST: usize = 100_000;
/// Products on sale.
const PRODUCTS: usize = 2_000;
/// Sessions open at a time.
const SESSIONS: usize = 400;
/// How skewed popularity is, of products and of customers.
const SKEW: f32 = 1.05;

/// What a customer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Begins a session.
    Login,
    /// Ends it.
    Logout,
    /// Looks for something.
    Search,
    /// Looks at a product.
    ViewProduct,
    /// Puts it into the cart.
    AddToCart,
    /// Goes to the till.
    Checkout,
    /// Pays.
    Purchase,
}

impl Action {
    /// Its name in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Search => "search",
            Self::ViewProduct => "view_product",
            Self::AddToCart => "add_to_cart",
            Self::Checkout => "checkout",
            Self::Purchase => "purchase",
        }
    }
}

/// What happened next in the shop.
#[derive(Debug, Clone, Copy)]
pub enum Happening {
    /// A customer did something; the index of the session.
    Acted(usize, Action),
    /// A customer registered or changed; the index of the user.
    UserChanged(usize),
    /// Something was sold.
    Sold(Sale),
    /// The stock or the price of a product changed; the indices of the product and the warehouse.
    Restocked(usize, usize),
}

/// A sale.
#[derive(Debug, Clone, Copy)]
pub struct Sale {
    /// Its identity.
    pub id: Uuid,
    /// The session, when it was made in one.
    pub session: Uuid,
    /// The index of the buyer.
    pub user: usize,
    /// The index of the product.
    pub product: usize,
    /// Pieces.
    pub quantity: i64,
    /// `web`, `app` or `store`.
    pub channel: &'static str,
    /// `card`, `invoice`, `wallet` or `gift_card`.
    pub payment_method: &'static str,
}

/// A customer's visit.
#[derive(Debug)]
pub struct Session {
    /// Its identity.
    pub id: Uuid,
    /// The index of the customer.
    pub user: usize,
    /// The customer's address.
    pub ip_address: String,
    /// The browser's name for itself.
    pub user_agent: &'static str,
    /// Microseconds since 1970.
    pub started_at: i64,
    /// Pages seen so far.
    pub page_views: i64,
    /// The product looked at.
    pub product: usize,
    /// What was last searched for.
    pub keywords: String,
    /// Pieces in the cart.
    pub quantity: i64,
    last: Option<Action>,
}

/// The shop with all that is in it.
#[derive(Debug)]
pub struct Shop {
    /// The products.
    pub products: Vec<Product>,
    /// The customers.
    pub users: Vec<User>,
    /// The open sessions.
    pub sessions: Vec<Session>,
    /// The only source of chance: a seed repeats a run.
    pub rng: SmallRng,
    next: VecDeque<Happening>,
    product_popularity: Cumulative,
    user_popularity: Cumulative,
    places: Cumulative,
    browsers: Cumulative,
    oldest_user: usize,
    introduced: usize,
    bots: Option<Bots>,
}

impl Shop {
    /// A shop opened at the given time, in microseconds since 1970.
    pub fn open(seed: u64, now: i64, bots: Option<Bots>) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let places = Cumulative::new(PLACES.iter().map(|place| place.weight));
        let mut shop = Self {
            products: products(&mut rng, PRODUCTS),
            users: (0..USERS).map(|_| user(&mut rng, &places, now)).collect(),
            sessions: Vec::with_capacity(SESSIONS),
            next: VecDeque::new(),
            product_popularity: Cumulative::zipf(PRODUCTS, SKEW),
            user_popularity: Cumulative::zipf(USERS, 0.6),
            places,
            browsers: Cumulative::new(BROWSERS.iter().map(|(_, share)| *share)),
            oldest_user: 0,
            introduced: 0,
            bots,
            rng,
        };
        for _ in 0..SESSIONS {
            let session = shop.visit(now);
            shop.sessions.push(session);
        }
        for bot in 0..shop.bots.as_ref().map_or(0, |bots| bots.count as usize) {
            // Their sessions follow the others'.
            let user_agent = CRAWLERS[bot % CRAWLERS.len()];
            let session = Session { user: bot, user_agent, ..shop.visit(now) };
            shop.sessions.push(session);
        }
        shop
    }

    /// What happens next, at the given time in microseconds since 1970.
    pub fn step(&mut self, now: i64) -> Happening {
        if let Some(happening) = self.next.pop_front() {
            return happening;
        }
        match self.rng.random_range(0..100_u32) {
            0..66 => self.act(now),
            66..86 => self.restock(),
            86..94 => self.change_user(now),
            _ => self.sell_in_store(),
        }
    }

    fn visit(&mut self, now: i64) -> Session {
        let user = self.user_popularity.sample(&mut self.rng);
        let place = &PLACES[self.users[user].place];
        let (third, fourth) = (self.rng.random_range(0..256), self.rng.random_range(1..255));
        Session {
            id: uuid(&mut self.rng),
            user,
            ip_address: format!("{}.{third}.{fourth}", place.network),
            user_agent: BROWSERS[self.browsers.sample(&mut self.rng)].0,
            started_at: now,
            page_views: 0,
            product: self.product_popularity.sample(&mut self.rng),
            keywords: String::new(),
            quantity: 0,
            last: None,
        }
    }

    /// Takes one session a step further along the funnel; who has left is followed by somebody else.
    fn act(&mut self, now: i64) -> Happening {
        if let Some(Bots { count, share }) = self.bots
            && self.rng.random_bool(share)
        {
            let bot = self.rng.random_range(0..count as usize);
            return self.crawl(SESSIONS + bot);
        }
        let index = self.rng.random_range(0..SESSIONS);
        if self.sessions[index].last == Some(Action::Logout) {
            self.sessions[index] = self.visit(now);
        }
        let chance = self.rng.random_range(0..100_u32);
        let session = &self.sessions[index];
        let action = match session.last {
            None => Action::Login,
            Some(Action::Login) if chance < 80 => Action::Search,
            Some(Action::Search) if chance < 72 => Action::ViewProduct,
            Some(Action::Search) if chance < 88 => Action::Search,
            Some(Action::ViewProduct) if chance < 24 => Action::AddToCart,
            Some(Action::ViewProduct) if chance < 62 => Action::ViewProduct,
            Some(Action::ViewProduct) if chance < 80 => Action::Search,
            Some(Action::AddToCart) if chance < 48 => Action::Checkout,
            Some(Action::AddToCart) if chance < 80 => Action::ViewProduct,
            Some(Action::Checkout) if chance < 72 => Action::Purchase,
            Some(Action::Purchase) if chance < 20 => Action::Search,
            _ => Action::Logout,
        };
        if matches!(action, Action::Search | Action::ViewProduct) {
            // A search leads to the product that is looked at next; another view is another product.
            if action == Action::Search || session.last == Some(Action::ViewProduct) {
                self.sessions[index].product = self.product_popularity.sample(&mut self.rng);
            }
        }
        let quantity = if self.rng.random_range(0..100) < 82 { 1 } else { self.rng.random_range(2..6) };
        let session = &mut self.sessions[index];
        session.last = Some(action);
        session.page_views += i64::from(action != Action::Logout);
        match action {
            Action::Search => {
                let product = &self.products[session.product];
                session.keywords.clear();
                let place = PLACES[self.users[session.user].place].name;
                // Writing to a string can't fail.
                let _ = match chance % 4 {
                    0 => std::fmt::Write::write_fmt(&mut session.keywords, format_args!("{}", product.category)),
                    1 => std::fmt::Write::write_fmt(
                        &mut session.keywords,
                        format_args!("{} {}", product.brand.to_lowercase(), product.name),
                    ),
                    2 => std::fmt::Write::write_fmt(
                        &mut session.keywords,
                        format_args!("{} {}", product.name, place.to_lowercase()),
                    ),
                    _ => std::fmt::Write::write_fmt(&mut session.keywords, format_args!("{}", product.name)),
                };
            }
            Action::AddToCart => session.quantity = quantity,
            Action::Purchase => {
                let (session_id, user, product, quantity) =
                    (session.id, session.user, session.product, session.quantity.max(1));
                let channel = if session.user_agent.contains("Mobile") && chance % 2 == 0 { "app" } else { "web" };
                self.sell(session_id, user, product, quantity, channel);
            }
            _ => {}
        }
        Happening::Acted(index, action)
    }

    /// A bot logs in once and then looks at one product after the other, for ever.
    fn crawl(&mut self, index: usize) -> Happening {
        let session = &mut self.sessions[index];
        let action = if session.last.is_none() { Action::Login } else { Action::ViewProduct };
        session.last = Some(action);
        session.page_views += 1;
        session.product = (session.product + 1) % self.products.len();
        Happening::Acted(index, action)
    }

    fn sell(&mut self, session: Uuid, user: usize, product: usize, quantity: i64, channel: &'static str) {
        let warehouse = self.rng.random_range(0..WAREHOUSES.len());
        let payment_method = match self.rng.random_range(0..100_u32) {
            0..55 => "card",
            55..75 => "wallet",
            75..95 => "invoice",
            _ => "gift_card",
        };
        let stock = &mut self.products[product].stock[warehouse];
        *stock = (*stock - quantity as i32).max(0);
        self.users[user].loyalty_points += (i64::from(self.products[product].cents) * quantity / 1_000) as u32;
        let id = uuid(&mut self.rng);
        self.next.push_back(Happening::Sold(Sale { id, session, user, product, quantity, channel, payment_method }));
        self.next.push_back(Happening::Restocked(product, warehouse));
    }

    fn sell_in_store(&mut self) -> Happening {
        let user = self.user_popularity.sample(&mut self.rng);
        let product = self.product_popularity.sample(&mut self.rng);
        let quantity = self.rng.random_range(1..4);
        let visit = uuid(&mut self.rng);
        self.sell(visit, user, product, quantity, "store");
        self.next.pop_front().unwrap_or(Happening::UserChanged(user))
    }

    fn restock(&mut self) -> Happening {
        // Every product is announced once before chance decides which changes.
        let product = if self.introduced < self.products.len() {
            self.introduced += 1;
            self.introduced - 1
        } else {
            self.product_popularity.sample(&mut self.rng)
        };
        let warehouse = self.rng.random_range(0..WAREHOUSES.len());
        let change = self.rng.random_range(0..10_u32);
        let pieces = self.rng.random_range(10..200);
        let product_row = &mut self.products[product];
        if change == 0 {
            let percent = self.rng.random_range(85..118_u32);
            product_row.cents = (product_row.cents * percent / 100).clamp(100, 200_000);
        } else {
            let stock = &mut product_row.stock[warehouse];
            *stock = (*stock + pieces).min(5_000);
        }
        Happening::Restocked(product, warehouse)
    }

    fn change_user(&mut self, now: i64) -> Happening {
        if self.rng.random_range(0..100_u32) < 40 {
            let newcomer = user(&mut self.rng, &self.places, now);
            let index = if self.users.len() < USERS_MOST {
                self.users.push(newcomer);
                self.users.len() - 1
            } else {
                // Only those beyond the first, who have open sessions, are replaced.
                self.oldest_user = USERS + (self.oldest_user + 1) % (USERS_MOST - USERS);
                self.users[self.oldest_user] = newcomer;
                self.oldest_user
            };
            return Happening::UserChanged(index);
        }
        let index = self.user_popularity.sample(&mut self.rng);
        self.users[index].opt_in = self.rng.random_bool(0.5);
        Happening::UserChanged(index)
    }
}
