//! What a stack costs: a table of prices turns quantities into money.

mod estimate;
mod list;
mod prices;
mod sides;

pub use estimate::{Bill, Estimate, Item, Line};
pub use list::refresh;
pub use prices::{Price, Prices};
pub use sides::sides;
