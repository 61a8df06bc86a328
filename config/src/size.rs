//! Sizes as people read them.

/// A size in decimal units: `1.2 MB`.
pub fn size(bytes: u64) -> String {
    let units = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    match units.into_iter().find(|(_, unit)| bytes as f64 >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / unit),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_grows_with_the_size() {
        let shown = [0, 999, 1_000, 1_234_567, 2_500_000_000_000].map(size);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "1.2 MB", "2500.0 GB"]);
    }
}
