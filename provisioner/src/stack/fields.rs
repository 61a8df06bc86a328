//! `fields`: the types that members of shipped records have in the index.

use std::collections::BTreeMap;

use lakewright_config::agents::shipper::fields as config;

use super::declare::choice;
use super::decode::{At, Named};

choice! {
    /// The type of a member in the index: one that Elasticsearch and OpenSearch both have.
    FieldType as config::FieldType {
        /// A text that is found as a whole, sorted and counted by.
        Keyword = "keyword",
        /// A text that is found by its words.
        Text = "text",
        /// A whole number of 64 bits.
        Long = "long",
        /// A floating-point number of 64 bits.
        Double = "double",
        /// `true` or `false`.
        Boolean = "boolean",
        /// A time: RFC 3339, or milliseconds since 1970.
        Date = "date",
        /// An IPv4 or IPv6 address.
        Ip = "ip",
        /// A place on the earth, as `{"lat": …, "lon": …}`.
        GeoPoint = "geo_point",
        /// An object of whatever members, each found as a whole by its path. `flat_object` on OpenSearch.
        Flattened = "flattened",
    }
}

/// The types as the agent is configured with them.
pub fn configured(fields: &Named<At<FieldType>>) -> BTreeMap<String, config::FieldType> {
    fields.iter().map(|field| (field.name.clone(), field.value.value.into())).collect()
}
