//! Where customers are: cities with their coordinates, weighted by how many customers live there.

/// A city.
#[derive(Debug)]
pub struct Place {
    /// Degrees north.
    pub latitude: &'static str,
    /// Degrees east.
    pub longitude: &'static str,
    /// Its name.
    pub name: &'static str,
    /// ISO 3166-1 alpha-2.
    pub country: &'static str,
    /// IANA time zone.
    pub zone: &'static str,
    /// ISO 4217.
    pub currency: &'static str,
    /// The first two octets of its customers' addresses.
    pub network: &'static str,
    /// How many customers of a thousand, about.
    pub weight: f32,
}

macro_rules! places {
    ($(($latitude:literal, $longitude:literal, $name:literal, $country:literal, $zone:literal, $currency:literal, $network:literal, $weight:literal)),* $(,)?) => {
        &[$(Place {
            latitude: $latitude,
            longitude: $longitude,
            name: $name,
            country: $country,
            zone: $zone,
            currency: $currency,
            network: $network,
            weight: $weight,
        }),*]
    };
}

/// All cities. Coordinates are the city centres' in WGS 84.
pub static PLACES: &[Place] = places![
    ("59.3293", "18.0686", "Stockholm", "SE", "Europe/Stockholm", "SEK", "81.224", 60.0),
    ("57.7089", "11.9746", "Gothenburg", "SE", "Europe/Stockholm", "SEK", "81.226", 30.0),
    ("55.6050", "13.0038", "Malmö", "SE", "Europe/Stockholm", "SEK", "81.229", 18.0),
    ("59.8586", "17.6389", "Uppsala", "SE", "Europe/Stockholm", "SEK", "81.231", 10.0),
    ("59.9139", "10.7522", "Oslo", "NO", "Europe/Oslo", "NOK", "84.208", 34.0),
    ("60.3913", "5.3221", "Bergen", "NO", "Europe/Oslo", "NOK", "84.211", 12.0),
    ("55.6761", "12.5683", "Copenhagen", "DK", "Europe/Copenhagen", "DKK", "87.48", 36.0),
    ("56.1629", "10.2039", "Aarhus", "DK", "Europe/Copenhagen", "DKK", "87.52", 11.0),
    ("60.1699", "24.9384", "Helsinki", "FI", "Europe/Helsinki", "EUR", "88.192", 30.0),
    ("61.4978", "23.7610", "Tampere", "FI", "Europe/Helsinki", "EUR", "88.195", 9.0),
    ("64.1466", "-21.9426", "Reykjavik", "IS", "Atlantic/Reykjavik", "ISK", "89.160", 4.0),
    ("52.5200", "13.4050", "Berlin", "DE", "Europe/Berlin", "EUR", "91.0", 58.0),
    ("53.5511", "9.9937", "Hamburg", "DE", "Europe/Berlin", "EUR", "91.4", 30.0),
    ("48.1351", "11.5820", "Munich", "DE", "Europe/Berlin", "EUR", "91.8", 32.0),
    ("50.9375", "6.9603", "Cologne", "DE", "Europe/Berlin", "EUR", "91.12", 20.0),
    ("50.1109", "8.6821", "Frankfurt", "DE", "Europe/Berlin", "EUR", "91.16", 18.0),
    ("51.5074", "-0.1278", "London", "GB", "Europe/London", "GBP", "86.128", 62.0),
    ("53.4808", "-2.2426", "Manchester", "GB", "Europe/London", "GBP", "86.132", 22.0),
    ("55.9533", "-3.1883", "Edinburgh", "GB", "Europe/London", "GBP", "86.136", 12.0),
    ("53.3498", "-6.2603", "Dublin", "IE", "Europe/Dublin", "EUR", "86.40", 14.0),
    ("48.8566", "2.3522", "Paris", "FR", "Europe/Paris", "EUR", "90.0", 52.0),
    ("45.7640", "4.8357", "Lyon", "FR", "Europe/Paris", "EUR", "90.16", 16.0),
    ("43.2965", "5.3698", "Marseille", "FR", "Europe/Paris", "EUR", "90.32", 13.0),
    ("52.3676", "4.9041", "Amsterdam", "NL", "Europe/Amsterdam", "EUR", "83.80", 30.0),
    ("51.9244", "4.4777", "Rotterdam", "NL", "Europe/Amsterdam", "EUR", "83.84", 12.0),
    ("50.8503", "4.3517", "Brussels", "BE", "Europe/Brussels", "EUR", "81.240", 15.0),
    ("48.2082", "16.3738", "Vienna", "AT", "Europe/Vienna", "EUR", "84.112", 20.0),
    ("47.3769", "8.5417", "Zurich", "CH", "Europe/Zurich", "CHF", "84.72", 17.0),
    ("46.2044", "6.1432", "Geneva", "CH", "Europe/Zurich", "CHF", "84.74", 6.0),
    ("40.4168", "-3.7038", "Madrid", "ES", "Europe/Madrid", "EUR", "88.0", 30.0),
    ("41.3874", "2.1686", "Barcelona", "ES", "Europe/Madrid", "EUR", "88.4", 24.0),
    ("38.7223", "-9.1393", "Lisbon", "PT", "Europe/Lisbon", "EUR", "85.240", 15.0),
    ("41.9028", "12.4964", "Rome", "IT", "Europe/Rome", "EUR", "87.0", 24.0),
    ("45.4642", "9.1900", "Milan", "IT", "Europe/Rome", "EUR", "87.8", 26.0),
    ("52.2297", "21.0122", "Warsaw", "PL", "Europe/Warsaw", "PLN", "83.0", 24.0),
    ("50.0647", "19.9450", "Krakow", "PL", "Europe/Warsaw", "PLN", "83.4", 12.0),
    ("50.0755", "14.4378", "Prague", "CZ", "Europe/Prague", "CZK", "85.70", 14.0),
    ("47.4979", "19.0402", "Budapest", "HU", "Europe/Budapest", "HUF", "84.0", 12.0),
    ("59.4370", "24.7536", "Tallinn", "EE", "Europe/Tallinn", "EUR", "84.50", 6.0),
    ("56.9496", "24.1052", "Riga", "LV", "Europe/Riga", "EUR", "87.110", 6.0),
    ("54.6872", "25.2797", "Vilnius", "LT", "Europe/Vilnius", "EUR", "78.56", 6.0),
    ("37.9838", "23.7275", "Athens", "GR", "Europe/Athens", "EUR", "79.128", 10.0),
    ("40.7128", "-74.0060", "New York", "US", "America/New_York", "USD", "71.224", 40.0),
    ("41.8781", "-87.6298", "Chicago", "US", "America/Chicago", "USD", "73.0", 16.0),
    ("34.0522", "-118.2437", "Los Angeles", "US", "America/Los_Angeles", "USD", "76.80", 24.0),
    ("43.6532", "-79.3832", "Toronto", "CA", "America/Toronto", "CAD", "70.24", 12.0),
    ("-33.8688", "151.2093", "Sydney", "AU", "Australia/Sydney", "AUD", "58.96", 8.0),
    ("35.6762", "139.6503", "Tokyo", "JP", "Asia/Tokyo", "JPY", "60.32", 10.0),
    ("1.3521", "103.8198", "Singapore", "SG", "Asia/Singapore", "SGD", "58.182", 6.0),
];
